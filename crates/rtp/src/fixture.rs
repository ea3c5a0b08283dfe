//! What the tests share.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::Packet;

/// Some instant to count from, the same in a whole process.
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// `milliseconds` after [`start`].
pub(crate) fn at(milliseconds: u64) -> Instant {
    start() + Duration::from_millis(milliseconds)
}

/// A packet of source 1.
pub(crate) fn packet(sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Packet {
    let payload = Bytes::copy_from_slice(payload);
    Packet { ssrc: 1, sequence, timestamp, marker, payload, arrived: start() }
}
