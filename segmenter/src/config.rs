//! What an operator may choose.

use std::time::Duration;

use crate::target_duration::LARGEST_TARGET;

/// How a stream is cut. [`SegmenterConfig::default`] is a good start for RTMP sources.
#[derive(Clone, Debug)]
pub struct SegmenterConfig {
    /// Who says where a segment ends.
    pub cut: Cut,
    /// A segment may end at the first key frame from here on; 0.5 s to 12 s, others are clamped. Also
    /// the length of stand-ins, and the least that the target duration allows for.
    pub goal: Duration,
    /// Longest part of a segment (a CMAF chunk); `None` makes each segment one part per track.
    pub part_target: Option<Duration>,
    /// What becomes of a GOP that is too long for the target duration.
    pub long_gop: LongGop,
    /// How long audio is held back for a first key frame before the stream counts as audio only.
    pub video_wait: Duration,
    /// How long a segment that is complete in one track waits for the other one.
    pub interleave_wait: Duration,
}

/// Who says where a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The segmenter: at the first key frame from the goal on.
    AtGoal,
    /// The publisher, which sends whole segments: [`crate::Segmenter::close`] follows each.
    ///
    /// Nothing else ends a segment but the target duration and the bounds on memory (at the last key
    /// frame that fits, or as [`LongGop`] says), new parameters, and an end of the timeline. The
    /// `arrived` of access units should tell when they would have come had they been sent one by
    /// one: stand-ins and program date time count from it.
    ByPublisher,
}

/// What becomes of a GOP that would pass `EXT-X-TARGETDURATION` + 0.5 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongGop {
    /// It is cut before the frame that would overrun; the pieces after the first are not independent.
    Cut,
    /// What fits is published, then [`crate::Output::LongGop`] tells the owner to end the publisher.
    Refuse,
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self {
            cut: Cut::AtGoal,
            goal: Duration::from_secs(2),
            part_target: None,
            long_gop: LongGop::Cut,
            video_wait: Duration::from_secs(5),
            interleave_wait: Duration::from_millis(500),
        }
    }
}

impl SegmenterConfig {
    /// The goal within the range that can be kept.
    pub(crate) fn usable_goal(&self) -> Duration {
        self.goal.clamp(Duration::from_millis(500), Duration::from_secs(LARGEST_TARGET.into()))
    }
}
