//! Pictures of the open segment.

use std::{collections::VecDeque, time::Instant};

use media::Chain;

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

    /// Whether the first picture here is a key frame.
    pub(crate) fn first_is_key(&self) -> bool {
        self.pictures.front().is_some_and(|picture| picture.sync)
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn last_dts(&self) -> Option<i64> {
        self.last_dts
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

    /// The last place where the pictures can be parted without a key frame so that those before it
    /// take at most `limit` ticks from `start`; index and decoding time of the first one after it.
    ///
    /// With the constant reorder delay in place, a picture's decoding time is the number of pictures
    /// before it times their duration. Where all of those are shown before that time, none of them
    /// belongs after the cut, and the time is the boundary in presentation order too. Sources whose
    /// stamps never say so are parted at the last decoding time that fits.
    pub(crate) fn cut_before_limit(&self, start: i64, limit: i64) -> Option<(usize, i64)> {
        let latest = start.saturating_add(limit);
        let (mut clean, mut any) = (None, None);
        let mut shown = i64::MIN;
        for (index, picture) in self.pictures.iter().enumerate() {
            if picture.dts > latest {
                break;
            }
            if index > 0 && picture.dts > start {
                any = Some((index, picture.dts));
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
    use crate::fixture::instant;

    fn queue(stamps: &[(i64, i64)]) -> VideoQueue {
        let mut queue = VideoQueue::new();
        for &(dts, pts) in stamps {
            queue.push(Picture {
                dts: dts * 3_000,
                pts: pts * 3_000,
                sync: false,
                payload: Chain::new(),
                arrived: instant(0),
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
        assert_eq!(queue.cut_before_limit(0, 6 * 3_000), Some((4, 4 * 3_000)));
        assert_eq!(queue.cut_before_limit(0, 7 * 3_000), Some((7, 7 * 3_000)));
        assert_eq!(queue.cut_before_limit(0, 2 * 3_000), Some((1, 3_000)));
        assert_eq!(queue.cut_before_limit(0, 2_999), None);
    }

    #[test]
    fn ends_when_the_last_picture_has_been_shown() {
        assert_eq!(queue(&[(0, 0), (1, 3), (2, 1)]).end(), Some(4 * 3_000));
        assert_eq!(queue(&[(0, 0), (1, 1)]).end(), Some(2 * 3_000));
        assert_eq!(VideoQueue::new().end(), None);
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
