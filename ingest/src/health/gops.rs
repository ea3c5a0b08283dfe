//! How far apart key frames are.

/// Groups of pictures looked at for what is usual.
const RECENT: usize = 9;

/// The groups of pictures of one video track.
#[derive(Debug, Default)]
pub(super) struct Gops {
    /// Media time of the last key frame, in microseconds.
    key_frame: Option<i64>,
    /// Media time of the newest picture.
    newest: i64,
    /// Lengths in milliseconds, in no order.
    recent: [u32; RECENT],
    known: usize,
    next: usize,
    last: u32,
    longest: u32,
}

impl Gops {
    /// Takes a picture in decoding order.
    pub(super) fn push(&mut self, media: i64, key_frame: bool) {
        self.newest = media;
        if !key_frame {
            return;
        }
        if let Some(before) = self.key_frame.replace(media) {
            let length =
                u32::try_from(super::millis(media.saturating_sub(before))).unwrap_or(u32::MAX);
            self.last = length;
            self.longest = self.longest.max(length);
            if let Some(place) = self.recent.get_mut(self.next) {
                *place = length;
            }
            self.next = (self.next + 1) % RECENT;
            self.known = (self.known + 1).min(RECENT);
        }
    }

    /// Another timeline begins: the group under way has no length.
    pub(super) const fn restart(&mut self) {
        self.key_frame = None;
    }

    /// How long the group under way is so far, in milliseconds.
    pub(super) fn current(&self) -> Option<u32> {
        let since = self.newest.saturating_sub(self.key_frame?);
        Some(u32::try_from(super::millis(since)).unwrap_or(u32::MAX))
    }

    /// `(last, longest of all)`, once there is a whole group.
    pub(super) fn lengths(&self) -> Option<(u32, u32)> {
        (self.known > 0).then_some((self.last, self.longest))
    }

    /// How often, among the latest groups, one is three times as long as its neighbour: once where the interval
    /// was set anew, more often where there is none.
    pub(super) fn jumps(&self) -> u8 {
        let (newer, older) = self.recent.split_at_checked(self.next).unwrap_or_default();
        // In their order, once all places are taken; until then the older part is empty zeros.
        let older = if self.known < RECENT { &[] } else { older };
        let mut before = None;
        let mut jumps = 0;
        for length in older.iter().chain(newer) {
            let (short, long) = before.map_or((1, 1), |it: u32| (it.min(*length), it.max(*length)));
            jumps += u8::from(short.saturating_mul(3) <= long);
            before = Some(*length);
        }
        jumps
    }

    /// `(shortest, median, longest)` of the latest groups.
    pub(super) fn recent(&self) -> Option<(u32, u32, u32)> {
        let mut lengths = self.recent;
        let lengths = lengths.get_mut(..self.known)?;
        lengths.sort_unstable();
        Some((*lengths.first()?, *lengths.get(lengths.len() / 2)?, *lengths.last()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_cut_now_and_then_does_not_change_what_is_usual() {
        let mut gops = Gops::default();
        assert_eq!((gops.current(), gops.recent()), (None, None));
        let mut at = 0;
        for seconds in [2, 2, 2, 1, 2, 2, 9, 2] {
            gops.push(at, true);
            gops.push(at + 500_000, false);
            at += seconds * 1_000_000;
        }
        assert_eq!(gops.current(), Some(500));
        assert_eq!(gops.recent(), Some((1_000, 2_000, 9_000)));
        assert_eq!(gops.lengths(), Some((9_000, 9_000)));
        // Into the long one; a scene cut is none.
        assert_eq!(gops.jumps(), 1);
        gops.restart();
        gops.push(at + 60_000_000, true);
        assert_eq!(gops.lengths(), Some((9_000, 9_000)));
    }
}
