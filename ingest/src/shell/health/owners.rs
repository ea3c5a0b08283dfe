//! The port through which the root says whose stream a key opens.

use crate::{StreamKey, health::HealthReport};

/// What a key opens.
#[derive(Debug)]
pub enum OwnedStream {
    /// Nothing.
    Unknown,
    /// A stream that is not live.
    OffAir,
    /// A live one.
    Live {
        /// The public id under which it plays.
        playback_id: String,
        /// How it arrives.
        report: Box<HealthReport>,
    },
}

/// Knows streams by their keys. The root implements it.
pub trait StreamOwners: Send + Sync + 'static {
    /// The stream of this key. Keys are compared by their digests.
    fn owned(&self, key: &StreamKey) -> OwnedStream;
}
