//! Pictures of the open segment.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use media::{Chain, InitSegment};

use crate::timeline::Stamps;

/// Assumed length of a picture until two decoding times are known: 1/30 s, in ticks of 90 kHz.
const FIRST_PICTURE: i64 = 3_000;

/// Longest time the last picture of a timeline is assumed to be shown: 1 s.
const LONGEST_LAST_PICTURE: i64 = 90_000;

/// Steps between decoding times that say how long a picture lasts: at least the millisecond of RTMP.
const SHORTEST_PICTURE: i64 = 90;

/// A picture on the stream's timeline, in ticks of 90 kHz.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    pub(crate) sync: bool,
    pub(crate) payload: Chain,
    pub(crate) arrived: Instant,
    /// The header that decodes it.
    pub(crate) init: Arc<InitSegment>,
}

/// Where the pictures can be parted, in ticks of 90 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seam {
    /// How many pictures lie before it.
    pub(crate) index: usize,
    /// Where the segment before it ends.
    pub(crate) end: i64,
    /// Decoding time of the first picture after it.
    pub(crate) next_dts: i64,
}

/// The pictures since the last cut, in decoding order, with strictly rising decoding times.
#[derive(Debug)]
pub(crate) struct VideoQueue {
    pictures: VecDeque<Picture>,
    bytes: usize,
    /// Decoding time of the last picture, kept when the queue has been emptied by a cut.
    last_dts: Option<i64>,
    /// How long the last picture is assumed to last.
    picture: i64,
}

impl VideoQueue {
    pub(crate) const fn new() -> Self {
        Self { pictures: VecDeque::new(), bytes: 0, last_dts: None, picture: FIRST_PICTURE }
    }

    pub(crate) fn len(&self) -> usize {
        self.pictures.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The picture at a place in decoding order.
    pub(crate) fn get(&self, index: usize) -> Option<&Picture> {
        self.pictures.get(index)
    }

    /// The key frame shown nearest to `at`, at most `tolerance` ticks off.
    pub(crate) fn key_frame_near(&self, at: i64, tolerance: i64) -> Option<usize> {
        let off = |picture: &Picture| picture.pts.saturating_sub(at).saturating_abs();
        let keys = self.pictures.iter().enumerate().filter(|(_, picture)| picture.sync);
        let near = keys.filter(|(_, key)| off(key) <= tolerance);
        near.min_by_key(|(_, key)| off(key)).map(|(index, _)| index)
    }

    /// How many pictures are decoded before `dts`.
    pub(crate) fn count_before(&self, dts: i64) -> usize {
        self.pictures.partition_point(|picture| picture.dts < dts)
    }

    /// The pictures decoded after `dts`; all where there is none.
    pub(crate) fn after(&self, dts: Option<i64>) -> Vec<Picture> {
        let first =
            self.pictures.partition_point(|picture| dts.is_some_and(|dts| picture.dts <= dts));
        self.pictures.range(first..).cloned().collect()
    }

    pub(crate) const fn last_dts(&self) -> Option<i64> {
        self.last_dts
    }

    /// How long the last picture was assumed to last, in ticks of 90 kHz.
    pub(crate) const fn last_step(&self) -> i64 {
        self.picture
    }

    /// When the last picture arrived.
    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        self.pictures.back().map(|picture| picture.arrived)
    }

    /// The decoding time a picture with `stamps` gets, and whether it had to be moved: decoding times
    /// rise strictly, samples without duration break Media Source Extensions (HLS rule T-1).
    pub(crate) fn decoding_time(&self, stamps: Stamps) -> (i64, bool) {
        match self.last_dts {
            Some(last) if stamps.dts <= last => (last.saturating_add(1), true),
            Some(_) | None => (stamps.dts, false),
        }
    }

    /// Appends a picture whose `dts` came from [`Self::decoding_time`].
    pub(crate) fn push(&mut self, picture: Picture) {
        if let Some(last) = self.last_dts {
            let step = picture.dts.saturating_sub(last);
            if step >= SHORTEST_PICTURE {
                self.picture = step.min(LONGEST_LAST_PICTURE);
            }
        }
        self.last_dts = Some(picture.dts);
        self.bytes = self.bytes.saturating_add(picture.payload.len());
        self.pictures.push_back(picture);
    }

    /// When the last of its pictures has been shown, by presentation and by decoding time.
    pub(crate) fn end(&self) -> Option<i64> {
        let decoded = self.last_dts?;
        let shown = self.pictures.iter().map(|picture| picture.pts).max()?;
        Some(decoded.max(shown).saturating_add(self.picture))
    }

    /// Where its pictures end when the next one is not known yet, by the step between decoding times
    /// that is most usual here: an odd last step would put the end where the next segment already is.
    pub(crate) fn usual_end(&self) -> Option<i64> {
        let decoded = self.last_dts?;
        let shown = self.pictures.iter().map(|picture| picture.pts).max()?;
        Some(decoded.max(shown).saturating_add(self.usual_step()))
    }

    /// The median step between decoding times; that of the last picture before where there is none.
    fn usual_step(&self) -> i64 {
        let next = self.pictures.iter().skip(1);
        let mut steps: Vec<i64> = next
            .zip(&self.pictures)
            .map(|(next, picture)| next.dts.saturating_sub(picture.dts))
            .filter(|step| *step >= SHORTEST_PICTURE)
            .collect();
        steps.sort_unstable();
        let median = steps.get(steps.len() / 2).copied();
        median.unwrap_or(self.picture).min(LONGEST_LAST_PICTURE)
    }

    /// The last key frame, the first picture aside, that is shown at most `limit` ticks after `start`.
    pub(crate) fn last_key_frame(&self, start: i64, limit: i64) -> Option<Seam> {
        let latest = start.saturating_add(limit);
        let mut keys = self.pictures.iter().enumerate().skip(1).rev();
        let (index, key) =
            keys.find(|(_, picture)| picture.sync && picture.pts > start && picture.pts <= latest)?;
        Some(Seam { index, end: key.pts, next_dts: key.dts })
    }

    /// The last place where the pictures can be parted without a key frame so that those before it
    /// take at most `limit` ticks from `start`.
    ///
    /// With the constant reorder delay in place, a picture's decoding time is the number of pictures
    /// before it times their duration. Where all of those are shown before that time, none of them
    /// belongs after the cut, and the time is the boundary in presentation order too. Sources whose
    /// stamps never say so are parted at the last decoding time that fits.
    pub(crate) fn cut_before_limit(&self, start: i64, limit: i64) -> Option<Seam> {
        let latest = start.saturating_add(limit);
        let (mut clean, mut any) = (None, None);
        let mut shown = i64::MIN;
        for (index, picture) in self.pictures.iter().enumerate() {
            if picture.dts > latest {
                break;
            }
            if index > 0 && picture.dts > start {
                any = Some(Seam { index, end: picture.dts, next_dts: picture.dts });
                if shown < picture.dts {
                    clean = any;
                }
            }
            shown = shown.max(picture.pts);
        }
        clean.or(any)
    }

    /// Takes the first `count` pictures.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Picture> {
        let count = count.min(self.pictures.len());
        let taken: Vec<_> = self.pictures.drain(..count).collect();
        let bytes: usize = taken.iter().map(|picture| picture.payload.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        taken
    }

    /// Forgets every picture and the clock; answers how many pictures there were.
    pub(crate) fn reset(&mut self) -> usize {
        let count = self.pictures.len();
        *self = Self::new();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{init, instant};

    fn queue(stamps: &[(i64, i64)]) -> VideoQueue {
        let mut queue = VideoQueue::new();
        for &(dts, pts) in stamps {
            queue.push(Picture {
                dts: dts * 3_000,
                pts: pts * 3_000,
                sync: false,
                payload: Chain::new(),
                arrived: instant(0),
                init: init(),
            });
        }
        queue
    }

    #[test]
    fn parts_only_between_groups_of_reordered_pictures() {
        // I P B B P B B P B B, decoding times shifted so that I is decoded when shown.
        let queue = queue(&[
            (0, 0),
            (1, 3),
            (2, 1),
            (3, 2),
            (4, 6),
            (5, 4),
            (6, 5),
            (7, 9),
            (8, 7),
            (9, 8),
        ]);
        let seam = |index, end| Some(Seam { index, end, next_dts: end });
        assert_eq!(queue.cut_before_limit(0, 6 * 3_000), seam(4, 4 * 3_000));
        assert_eq!(queue.cut_before_limit(0, 7 * 3_000), seam(7, 7 * 3_000));
        assert_eq!(queue.cut_before_limit(0, 2 * 3_000), seam(1, 3_000));
        assert_eq!(queue.cut_before_limit(0, 2_999), None);
    }

    #[test]
    fn ends_when_the_last_picture_has_been_shown() {
        assert_eq!(queue(&[(0, 0), (1, 3), (2, 1)]).end(), Some(4 * 3_000));
        assert_eq!(queue(&[(0, 0), (1, 1)]).end(), Some(2 * 3_000));
        assert_eq!(VideoQueue::new().end(), None);
    }

    #[test]
    fn the_usual_end_does_not_follow_an_odd_last_step() {
        assert_eq!(queue(&[(0, 0), (1, 1), (2, 2), (3, 3), (9, 9)]).usual_end(), Some(10 * 3_000));
        assert_eq!(queue(&[(0, 0), (1, 3), (2, 1), (3, 2)]).usual_end(), Some(4 * 3_000));
        assert_eq!(queue(&[(0, 0)]).usual_end(), Some(3_000));
        assert_eq!(VideoQueue::new().usual_end(), None);
    }

    #[test]
    fn finds_the_last_key_frame_that_fits() {
        let mut queue = queue(&[(0, 0), (1, 1), (2, 2), (3, 3)]);
        for (picture, sync) in queue.pictures.iter_mut().zip([true, true, false, true]) {
            picture.sync = sync;
        }
        let seam = |index, end| Some(Seam { index, end, next_dts: end });
        assert_eq!(queue.last_key_frame(0, 9_000), seam(3, 9_000));
        assert_eq!(queue.last_key_frame(0, 8_999), seam(1, 3_000));
        assert_eq!(queue.last_key_frame(0, 2_999), None);
    }

    #[test]
    fn equal_and_backward_decoding_times_rise_by_a_tick() {
        let queue = queue(&[(0, 0), (1, 1)]);
        let at = |dts| queue.decoding_time(Stamps { dts, pts: dts, repaired: false });
        assert_eq!(at(3_000), (3_001, true));
        assert_eq!(at(100), (3_001, true));
        assert_eq!(at(3_001), (3_001, false));
    }
}
