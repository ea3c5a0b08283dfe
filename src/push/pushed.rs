//! A pushed segment on its way to its stream.

use ingest::push::PushedSegment;
use media::Ladder;

use super::answers::Asked;

/// A pushed segment on its way to its stream.
#[derive(Debug)]
pub(crate) struct Pushed {
    /// The media.
    pub segment: PushedSegment,
    /// What to transcode it to, where the client says so; settled with the stream's first segment.
    pub ladder: Option<Ladder>,
    /// How it is to be answered.
    pub asked: Asked,
}
