//! Protocol control and user control messages that a server acts on (`rtmp` §5.4, §7.1.7).

/// Message type ids (`rtmp` §5.4, §7.1).
pub(super) mod kind {
    pub(in crate::rtmp) const USER_CONTROL: u8 = 4;
    pub(in crate::rtmp) const WINDOW_ACK_SIZE: u8 = 5;
    pub(in crate::rtmp) const SET_PEER_BANDWIDTH: u8 = 6;
    pub(in crate::rtmp) const AUDIO: u8 = 8;
    pub(in crate::rtmp) const VIDEO: u8 = 9;
    pub(in crate::rtmp) const DATA_AMF3: u8 = 15;
    pub(in crate::rtmp) const COMMAND_AMF3: u8 = 17;
    pub(in crate::rtmp) const DATA_AMF0: u8 = 18;
    pub(in crate::rtmp) const COMMAND_AMF0: u8 = 20;
    pub(in crate::rtmp) const AGGREGATE: u8 = 22;
}

const PING_REQUEST: u16 = 6;

/// The timestamp of a ping request that wants an answer.
pub(super) fn ping_request(body: &[u8]) -> Option<u32> {
    let (event, rest) = body.split_first_chunk::<2>()?;
    if u16::from_be_bytes(*event) != PING_REQUEST {
        return None;
    }
    rest.first_chunk::<4>().map(|stamp| u32::from_be_bytes(*stamp))
}

/// The window of a Window Acknowledgement Size message.
pub(super) fn window(body: &[u8]) -> Option<u32> {
    body.first_chunk::<4>().map(|window| u32::from_be_bytes(*window))
}
