//! Audio frames on their way into a segment.

use std::{collections::VecDeque, time::Instant};

use media::{Chain, InitSegment, Timescale, Timestamp};

/// An audio frame on the stream's timeline, in ticks of its own timescale.
#[derive(Clone, Debug)]
pub(crate) struct AudioFrame {
    pub(crate) dts: i64,
    pub(crate) payload: Chain,
    pub(crate) arrived: Instant,
}

/// Where the next frame may begin, once frames before it have been published.
#[derive(Clone, Copy, Debug)]
enum Floor {
    /// Nothing published on this timeline.
    Free,
    /// The segment before ended here: the next one's `tfdt` has to continue it.
    Continues(i64),
    /// A segment without audio lies in between: not before this.
    NotBefore(i64),
}

/// Frames not yet published, in order, on a regular grid.
///
/// Stamps of RTMP are whole milliseconds while a frame of 1024 samples at 48 kHz is 21.333 ms. Frames
/// are therefore laid end to end, and follow their stamps again once these are half a frame away
/// (HLS rule T-5). The deviation never adds up: it is measured against the grid, not the last stamp.
#[derive(Debug)]
pub(crate) struct AudioQueue {
    frames: VecDeque<AudioFrame>,
    bytes: usize,
    timescale: Timescale,
    /// Ticks of one frame.
    frame: i64,
    last_dts: Option<i64>,
    floor: Floor,
}

impl AudioQueue {
    /// For frames of `frame` samples each.
    pub(crate) fn new(timescale: Timescale, frame: u32) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            timescale,
            frame: i64::from(frame.max(2)),
            last_dts: None,
            floor: Floor::Free,
        }
    }

    /// An empty queue for audio of these parameters.
    pub(crate) fn of_track(init: &InitSegment) -> Self {
        let frame = init.track.parameters.sound().map_or(1_024, |sound| sound.frame_samples);
        Self::new(init.track.timescale, frame)
    }

    pub(crate) const fn timescale(&self) -> Timescale {
        self.timescale
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Decoding time of the last frame that came, published or not.
    pub(crate) const fn last_dts(&self) -> Option<i64> {
        self.last_dts
    }

    /// When the last frame still here arrived.
    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        self.frames.back().map(|frame| frame.arrived)
    }

    /// Where the last frame still here ends, in its own ticks.
    pub(crate) fn end(&self) -> Option<i64> {
        self.frames.back().map(|last| last.dts.saturating_add(self.frame))
    }

    /// `ticks` of this track in ticks of 90 kHz.
    pub(crate) fn on_video_clock(&self, ticks: i64) -> i64 {
        Timestamp::new(ticks, self.timescale).rescale(Timescale::VIDEO).ticks()
    }

    /// `ticks` of 90 kHz in ticks of this track.
    pub(crate) fn on_own_clock(&self, ticks: i64) -> i64 {
        Timestamp::new(ticks, Timescale::VIDEO).rescale(self.timescale).ticks()
    }

    /// Appends a frame stamped `dts`; answers whether it had to be moved against its stamp's order.
    pub(crate) fn push(&mut self, dts: i64, payload: Chain, arrived: Instant) -> bool {
        let (dts, moved) = self.grid(dts);
        self.last_dts = Some(dts);
        self.bytes = self.bytes.saturating_add(payload.len());
        self.frames.push_back(AudioFrame { dts, payload, arrived });
        moved
    }

    fn grid(&self, stamp: i64) -> (i64, bool) {
        if self.frames.is_empty() {
            match self.floor {
                Floor::Continues(end) => return (end, stamp < end.saturating_sub(self.frame)),
                Floor::NotBefore(end) => return (stamp.max(end), stamp < end),
                Floor::Free => {}
            }
        }
        let Some(last) = self.last_dts else { return (stamp, false) };
        let expected = last.saturating_add(self.frame);
        let deviation = stamp.saturating_sub(expected);
        if deviation.saturating_abs() <= self.frame / 2 {
            (expected, false)
        } else if deviation > 0 {
            (stamp, false)
        } else {
            (stamp.max(expected.saturating_sub(self.frame / 2)), true)
        }
    }

    /// How many frames begin before `boundary`, in ticks of 90 kHz.
    pub(crate) fn count_before(&self, boundary: i64) -> usize {
        let boundary = Timestamp::new(boundary, Timescale::VIDEO);
        self.frames.partition_point(|frame| Timestamp::new(frame.dts, self.timescale) < boundary)
    }

    /// Whether every frame that begins before `boundary` has come: what comes after the last one
    /// begins where that ends.
    pub(crate) fn is_complete_before(&self, boundary: i64) -> bool {
        let boundary = Timestamp::new(boundary, Timescale::VIDEO);
        let next = self.last_dts.map(|last| last.saturating_add(self.frame));
        next.is_some_and(|next| Timestamp::new(next, self.timescale) >= boundary)
    }

    /// Decoding time of a frame still here.
    pub(crate) fn dts(&self, index: usize) -> Option<i64> {
        self.frames.get(index).map(|frame| frame.dts)
    }

    /// Takes the first `count` frames for a segment, and where the last of them ends: at the frame
    /// after it, or a frame's length later while that one is unknown.
    pub(crate) fn take(&mut self, count: usize) -> (Vec<AudioFrame>, i64) {
        let count = count.min(self.frames.len());
        let taken: Vec<_> = self.frames.drain(..count).collect();
        let bytes: usize = taken.iter().map(|frame| frame.payload.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        let nominal = taken.last().map(|last| last.dts.saturating_add(self.frame));
        let end = self.frames.front().map(|next| next.dts).or(nominal).unwrap_or(0);
        if let Some(nominal) = nominal {
            self.floor = Floor::Continues(nominal);
        } else if let Floor::Continues(end) = self.floor {
            self.floor = Floor::NotBefore(end);
        }
        (taken, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::instant;

    fn queue(rate: u32) -> AudioQueue {
        AudioQueue::new(Timescale::new(rate).unwrap(), 1_024)
    }

    fn push(queue: &mut AudioQueue, stamp: i64) -> i64 {
        queue.push(stamp, Chain::new(), instant(0));
        queue.last_dts().unwrap()
    }

    #[test]
    fn millisecond_stamps_become_a_regular_grid() {
        let mut queue = queue(48_000);
        for index in 0..5_000_i64 {
            let millis = index * 1_024 / 48;
            assert_eq!(push(&mut queue, millis * 48), index * 1_024);
        }
    }

    #[test]
    fn a_sound_card_that_drifts_never_gets_far_from_its_stamps() {
        let mut queue = queue(44_100);
        for index in 0..100_000_i64 {
            // 300 ppm slow against the publisher's clock, in stamps of whole milliseconds.
            let stamp = index * 1_024_307 / 44_100 * 44_100 / 1_000;
            let grid = push(&mut queue, stamp);
            assert!((grid - stamp).abs() <= 512 + 45, "{index}: {grid} {stamp}");
        }
    }

    #[test]
    fn a_hole_is_followed_and_an_overlap_squeezed() {
        let mut queue = queue(48_000);
        assert_eq!(push(&mut queue, 0), 0);
        assert_eq!(push(&mut queue, 10_000), 10_000);
        assert_eq!(push(&mut queue, 10_000), 10_512);
        assert_eq!(push(&mut queue, 12_048), 11_536, "pairs with equal stamps keep one grid");
        assert_eq!(push(&mut queue, 12_048), 12_560);
    }

    #[test]
    fn what_follows_published_audio_continues_it_exactly() {
        let mut queue = queue(48_000);
        push(&mut queue, 0);
        assert_eq!(queue.take(1).1, 1_024);
        assert_eq!(push(&mut queue, 96_000), 1_024, "a late frame begins where the last one ended");
        assert_eq!(push(&mut queue, 97_024), 97_024, "and the hole lies within the segment");
        queue.take(2);
        assert_eq!(queue.take(0).0.len(), 0);
        assert_eq!(push(&mut queue, 200_000), 200_000, "a segment without audio lay in between");
    }

    #[test]
    fn counts_frames_before_a_boundary_exactly() {
        let mut queue = queue(44_100);
        for index in 0..10 {
            push(&mut queue, index * 1_024);
        }
        // 1024 / 44100 s = 2089.79 ticks: the second frame begins after 2089 and before 2090.
        assert_eq!(queue.count_before(2_089), 1);
        assert_eq!(queue.count_before(2_090), 2);
        assert!(queue.is_complete_before(20_897), "the tenth frame ends after 20897.9 ticks");
        assert!(!queue.is_complete_before(20_898));
    }
}
