//! `POST /v1/segment-payments`: one segment of video, paid for and vouched for.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use tickets::{
    Address, B256, BatchError, ExpirationParams, Price, TicketParams, U256, UnsignedBatch,
    signed::SegmentClaim,
};

/// Path of the call.
pub const PATH: &str = "/v1/segment-payments";
/// Most bytes of a manifest id.
const MAX_MANIFEST_ID: usize = 256;
/// Most renditions of a segment.
const MAX_PROFILES: usize = 32;
/// Most bytes of any other text.
const MAX_TEXT: usize = 256;

/// What a gateway asks for. Amounts are decimal, digests and addresses hex with `0x`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRequest {
    /// Names the payment, once for all of a gateway's. Asked again with the same name and content, the
    /// signer gives the same answer and counts nothing twice.
    pub payment_id: String,
    /// Who pays, as the gateway knows it.
    pub sender: String,
    /// The stream, for limits and the audit.
    pub stream: String,
    /// The orchestrator's address, for the audit.
    #[serde(default)]
    pub orchestrator: String,
    /// The orchestrator's session, for the audit.
    #[serde(default)]
    pub session_id: String,
    /// What the orchestrator is told that its price is: its own words.
    pub price: PriceField,
    /// The segment to vouch for.
    pub segment: SegmentField,
    /// The tickets; none where the session has credit, or the work is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<TicketsField>,
}

/// Wei for each so many pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceField {
    /// Wei.
    pub wei: u64,
    /// Pixels, not zero.
    pub pixels: u64,
}

/// What the signature vouches for (livepeer-wire §3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentField {
    /// The stream on the wire: 1 to 256 bytes, no control characters.
    pub manifest_id: String,
    /// The segment's number.
    pub sequence: u64,
    /// Keccak-256 digest of its bytes.
    pub hash: String,
    /// Names of the renditions' profiles, in order; at least one.
    pub profiles: Vec<String>,
}

/// Tickets to be signed, which all have the same terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketsField {
    /// Who is paid.
    pub recipient: String,
    /// Wei a winning ticket pays.
    pub face_value: String,
    /// How probable a win is, of 2^256 - 1.
    pub win_prob: String,
    /// The recipient's commitment.
    pub recipient_rand_hash: String,
    /// What the recipient finds its number again from.
    pub seed: String,
    /// L1 block at which the terms end.
    pub expiration_block: u64,
    /// Round the tickets are made in.
    pub creation_round: u64,
    /// Hash of that round's first block.
    pub creation_round_block_hash: String,
    /// Nonce of the first ticket, from 1.
    pub first_nonce: u32,
    /// How many tickets, at most 100.
    pub count: u32,
}

/// The answer: both go along with the segment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentAnswer {
    /// Who pays.
    pub sender: String,
    /// Value of `Livepeer-Payment`: as good as money.
    pub payment: String,
    /// Signature over the segment, field 5 of `SegData`: `0x` and 130 hex digits.
    pub segment_signature: String,
}

impl std::fmt::Debug for SegmentAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentAnswer").field("sender", &self.sender).finish_non_exhaustive()
    }
}

/// Why a request says nothing that can be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// A field isn't what it should be.
    #[error("{0} can't be read")]
    Unreadable(&'static str),
    /// A text is empty or too long, or holds control characters.
    #[error("{0} is empty, too long, or holds control characters")]
    Text(&'static str),
    /// No profiles, or too many.
    #[error("a segment has 1 to {MAX_PROFILES} profiles")]
    Profiles,
    /// The nonces are out of range.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// A request that was read: what is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentOrder {
    /// Who is to pay.
    pub sender: Address,
    /// The price of the payment.
    pub price: Price,
    /// What is signed for the segment.
    pub claim: Vec<u8>,
    /// The tickets.
    pub batch: Option<UnsignedBatch>,
}

impl SegmentRequest {
    /// Reads the fields.
    ///
    /// # Errors
    /// When one can't be read. A claim with control characters in its manifest id, or without a
    /// profile, is refused as well: what is signed for a segment must never be the bytes of a ticket,
    /// which is signed the same way.
    pub fn read(&self) -> Result<SegmentOrder, RequestFault> {
        check_text("payment_id", &self.payment_id, MAX_TEXT)?;
        check_text("stream", &self.stream, MAX_TEXT)?;
        for (name, text) in [("orchestrator", &self.orchestrator), ("session_id", &self.session_id)]
        {
            if !text.is_empty() {
                check_text(name, text, MAX_TEXT)?;
            }
        }
        let sender = read("sender", &self.sender)?;
        let price = Price::new(self.price.wei, self.price.pixels)
            .ok_or(RequestFault::Unreadable("price"))?;
        let tickets = self.tickets.as_ref().map(|tickets| tickets.read(sender)).transpose()?;
        Ok(SegmentOrder { sender, price, claim: self.segment.claim()?, batch: tickets })
    }
}

impl SegmentField {
    fn claim(&self) -> Result<Vec<u8>, RequestFault> {
        check_text("manifest_id", &self.manifest_id, MAX_MANIFEST_ID)?;
        if self.profiles.is_empty() || self.profiles.len() > MAX_PROFILES {
            return Err(RequestFault::Profiles);
        }
        for name in &self.profiles {
            check_text("a profile", name, MAX_TEXT)?;
        }
        let names: Vec<_> = self.profiles.iter().map(String::as_str).collect();
        let hash = read("hash", &self.hash)?;
        let manifest_id = self.manifest_id.as_bytes();
        let claim =
            SegmentClaim { manifest_id, sequence: self.sequence, hash, profile_names: &names };
        Ok(claim.to_bytes())
    }
}

impl TicketsField {
    /// As the wire carries them.
    #[must_use]
    pub fn new(batch: &UnsignedBatch) -> Self {
        let (params, round) = (batch.params(), batch.expiration());
        Self {
            recipient: params.recipient.to_checksum(None),
            face_value: params.face_value.to_string(),
            win_prob: params.win_prob.to_string(),
            recipient_rand_hash: params.recipient_rand_hash.to_string(),
            seed: params.seed.to_string(),
            expiration_block: params.expiration_block,
            creation_round: round.creation_round,
            creation_round_block_hash: round.creation_round_block_hash.to_string(),
            first_nonce: batch.first_nonce(),
            count: batch.count().get(),
        }
    }

    fn read(&self, sender: Address) -> Result<UnsignedBatch, RequestFault> {
        let expiration = ExpirationParams {
            creation_round: self.creation_round,
            creation_round_block_hash: read(
                "creation_round_block_hash",
                &self.creation_round_block_hash,
            )?,
        };
        let params = TicketParams {
            recipient: read("recipient", &self.recipient)?,
            face_value: decimal("face_value", &self.face_value)?,
            win_prob: decimal("win_prob", &self.win_prob)?,
            recipient_rand_hash: read::<B256>("recipient_rand_hash", &self.recipient_rand_hash)?,
            seed: decimal("seed", &self.seed)?,
            expiration_block: self.expiration_block,
            expiration,
        };
        let count = NonZeroU32::new(self.count).ok_or(BatchError)?;
        Ok(UnsignedBatch::new(sender, params, expiration, self.first_nonce, count)?)
    }
}

/// Rules for what becomes part of a signed message.
pub(crate) fn check_text(name: &'static str, text: &str, max: usize) -> Result<(), RequestFault> {
    let fine = !text.is_empty() && text.len() <= max && !text.chars().any(char::is_control);
    if fine { Ok(()) } else { Err(RequestFault::Text(name)) }
}

fn read<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, RequestFault> {
    text.parse().map_err(|_| RequestFault::Unreadable(name))
}

fn decimal(name: &'static str, text: &str) -> Result<U256, RequestFault> {
    let digits = !text.is_empty() && text.len() <= 78 && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| U256::from_str_radix(text, 10).ok()).flatten();
    number.ok_or(RequestFault::Unreadable(name))
}
