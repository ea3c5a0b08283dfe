//! Access units to GOP-aligned segments, without copying them.
//!
//! The [`Segmenter`] is a core without I/O. A stream's task pushes the publisher's access units into
//! it, drains [`Output`]s after every call, and wakes it at [`Segmenter::poll_timeout`].
//!
//! It owns where a stream is cut, `EXT-X-TARGETDURATION`, sequence numbers, the stream's continuous
//! timeline, program date time, the stand-ins that keep a playlist growing while there is no media,
//! and the CMAF header of every parameter set. It deliberately knows no transcoding, no playlist and
//! no publisher protocol.
//!
//! # Invariants
//! - Sequence numbers grow by one; `start` of a segment is `start + duration` of the one before, over
//!   stand-ins, lost data and returning publishers alike.
//! - Once [`Segmenter::target_duration`] has answered, every duration, before and after, rounds to at
//!   most that many seconds and stays below it plus half a second.
//! - Without a discontinuity in between, `tfdt` of a track goes on where the samples of the segment
//!   before ended. Presentation times are the publisher's, moved by one constant per timeline; only the
//!   first picture after [`Segmenter::close`] is shown from the very end of the segment before.
//! - Stand-ins with filler end where a frame of their silence does, within half a frame of what is due;
//!   filler begins, and media come back, with a discontinuity.
//! - Program date time grows by exactly the duration; it may leap forward at a discontinuity only.
//! - An access unit ends up in exactly one segment, or in one of the counters of [`Stats`].
//!
//! - Of several video or audio tracks each is in every segment or has no media there at all: what a layer
//!   lacks never shortens, delays for longer than [`SegmenterConfig::interleave_wait`], or ends the others.
//!
//! Start reading at [`Segmenter`], then `TargetDuration`, then `Timeline`.

mod alternate;
mod audio_queue;
mod config;
mod epoch;
mod filler;
#[cfg(test)]
mod fixture;
mod follower;
mod held_audio;
mod names;
mod output;
mod program_date_time;
mod segmenter;
mod stand_in;
mod target_duration;
mod timeline;
mod video_queue;
mod writer;

pub use config::{Cut, LongGop, SegmenterConfig};
pub use filler::{Filler, FillerPictures, FillerSound, FillerTrack};
pub use output::{Output, Stats};
pub use segmenter::Segmenter;
