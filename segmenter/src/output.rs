//! What comes out of the segmenter.

use std::sync::Arc;

use container::cmaf::CmafError;
use media::{MediaDuration, Segment, TrackId};

/// What [`crate::Segmenter::poll_output`] hands out, in order.
#[derive(Debug)]
pub enum Output {
    /// The next sequence number: media, or a stand-in ([`Segment::is_gap`], [`Segment::filler`]).
    Segment(Arc<Segment>),
    /// Under [`crate::LongGop::Refuse`]: a GOP has passed the limit. The rest of it is dropped; the
    /// owner ends the publisher and tells it why.
    LongGop {
        /// How long the GOP was when it had to be refused.
        length: MediaDuration,
        /// The longest that this stream can hold.
        limit: MediaDuration,
    },
    /// The track can't be written as CMAF; it is left out.
    Unwritable {
        /// Which track.
        track: TrackId,
        /// What the writer said.
        error: CmafError,
    },
}

/// Counts since the segmenter was made. Plain numbers; the owner turns differences into metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments of media.
    pub segments: u64,
    /// Stand-ins.
    pub stand_ins: u64,
    /// Of these, with filler in them.
    pub filler: u64,
    /// Segments that carry a discontinuity.
    pub discontinuities: u64,
    /// Segments that start without a key frame: a GOP was too long.
    pub forced_cuts: u64,
    /// GOPs refused under [`crate::LongGop::Refuse`].
    pub refused_gops: u64,
    /// Pictures left out: they came before a key frame, or belonged to a refused GOP.
    pub dropped_video: u64,
    /// Audio frames left out: before the first picture, after the last one, or of new parameters
    /// before the key frame at which these take hold.
    pub dropped_audio: u64,
    /// Access units of a track nobody announced, of one that can't be written, or after the end.
    pub dropped_unknown: u64,
    /// Decoding times that stood still, went back a little or overlapped, and were moved.
    pub nudged: u64,
    /// Leaps of the publisher's clock that the segmenter itself had to turn into a new timeline.
    pub clock_jumps: u64,
    /// Times an open segment reached the bound on samples or bytes.
    pub overflows: u64,
    /// Tracks and segments' tracks that the CMAF writer refused.
    pub unwritable: u64,
    /// Segments that were closed without waiting any longer for audio that was on its way.
    pub interleave_timeouts: u64,
}
