//! As much of the wire's messages as the vectors use; the product's are in `orchestrator`.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OrchestratorRequest {
    #[prost(bytes, tag = "1")]
    pub(crate) address: Vec<u8>,
    #[prost(bytes, tag = "2")]
    pub(crate) sig: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(crate) capabilities: Option<Capabilities>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Capabilities {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) bitstring: Vec<u64>,
    #[prost(message, optional, tag = "5")]
    pub(crate) constraints: Option<Constraints>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Constraints {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payment {
    #[prost(message, optional, tag = "1")]
    pub(crate) ticket_params: Option<TicketParams>,
    #[prost(bytes, tag = "2")]
    pub(crate) sender: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(crate) expiration_params: Option<ExpirationParams>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) ticket_sender_params: Vec<SenderParams>,
    #[prost(message, optional, tag = "5")]
    pub(crate) expected_price: Option<PriceInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TicketParams {
    #[prost(bytes, tag = "1")]
    pub(crate) recipient: Vec<u8>,
    #[prost(bytes, tag = "2")]
    pub(crate) face_value: Vec<u8>,
    #[prost(bytes, tag = "3")]
    pub(crate) win_prob: Vec<u8>,
    #[prost(bytes, tag = "4")]
    pub(crate) recipient_rand_hash: Vec<u8>,
    #[prost(bytes, tag = "5")]
    pub(crate) seed: Vec<u8>,
    #[prost(bytes, tag = "6")]
    pub(crate) expiration_block: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExpirationParams {
    #[prost(int64, tag = "1")]
    pub(crate) creation_round: i64,
    #[prost(bytes, tag = "2")]
    pub(crate) creation_round_block_hash: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SenderParams {
    #[prost(uint32, tag = "1")]
    pub(crate) sender_nonce: u32,
    #[prost(bytes, tag = "2")]
    pub(crate) sig: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PriceInfo {
    #[prost(int64, tag = "1")]
    pub(crate) price_per_unit: i64,
    #[prost(int64, tag = "2")]
    pub(crate) pixels_per_unit: i64,
}

/// Only what is signed, or is the signature.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SegData {
    #[prost(bytes, tag = "1")]
    pub(crate) manifest_id: Vec<u8>,
    #[prost(int64, tag = "2")]
    pub(crate) seq: i64,
    #[prost(bytes, tag = "3")]
    pub(crate) hash: Vec<u8>,
    #[prost(bytes, tag = "5")]
    pub(crate) sig: Vec<u8>,
    #[prost(message, repeated, tag = "33")]
    pub(crate) full_profiles: Vec<VideoProfile>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct VideoProfile {
    #[prost(string, tag = "16")]
    pub(crate) name: String,
}
