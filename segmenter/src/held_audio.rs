//! Audio that waits for a picture to start with.

use std::{collections::VecDeque, time::Instant};

use media::AccessUnit;

/// Most frames held: 40 s of AAC at 48 kHz, more than any video wait that makes sense.
const FRAMES_MAX: usize = 2_048;

/// Most bytes held: 40 s at 1.6 Mbit/s.
const BYTES_MAX: usize = 8 << 20;

/// Frames as the publisher stamped them. Past its bounds the oldest go.
#[derive(Debug, Default)]
pub(crate) struct HeldAudio {
    units: VecDeque<AccessUnit>,
    bytes: usize,
}

impl HeldAudio {
    /// Appends a frame; answers how many old ones had to go.
    pub(crate) fn push(&mut self, unit: AccessUnit) -> usize {
        self.bytes = self.bytes.saturating_add(unit.payload.len());
        self.units.push_back(unit);
        let mut dropped = 0;
        while self.units.len() > FRAMES_MAX || (self.bytes > BYTES_MAX && self.units.len() > 1) {
            self.pop();
            dropped += 1;
        }
        dropped
    }

    /// The oldest frame.
    pub(crate) fn pop(&mut self) -> Option<AccessUnit> {
        let unit = self.units.pop_front()?;
        self.bytes = self.bytes.saturating_sub(unit.payload.len());
        Some(unit)
    }

    pub(crate) fn front(&self) -> Option<&AccessUnit> {
        self.units.front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// When the oldest frame arrived.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.units.front().map(|unit| unit.arrived)
    }

    /// Presentation time between the first and the last frame, in the publisher's ticks.
    pub(crate) fn span(&self) -> u64 {
        match (self.units.front(), self.units.back()) {
            (Some(first), Some(last)) => {
                u64::try_from(last.pts.saturating_sub(first.pts)).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// All of it, oldest first.
    pub(crate) fn into_units(self) -> impl Iterator<Item = AccessUnit> {
        self.units.into_iter()
    }

    /// Drops everything; answers how many frames there were.
    pub(crate) fn clear(&mut self) -> usize {
        let count = self.units.len();
        *self = Self::default();
        count
    }
}

#[cfg(test)]
mod tests {
    use media::{Chain, TrackId};

    use super::*;
    use crate::fixture::instant;

    fn unit(bytes: usize) -> AccessUnit {
        AccessUnit {
            track: TrackId::AUDIO,
            dts: 0,
            pts: 0,
            random_access: true,
            payload: Chain::from(bytes::Bytes::from(vec![0; bytes])),
            arrived: instant(0),
        }
    }

    #[test]
    fn keeps_the_newest_within_its_bounds() {
        let mut held = HeldAudio::default();
        let dropped: usize = (0..FRAMES_MAX + 3).map(|_| held.push(unit(1))).sum();
        assert_eq!(dropped, 3);
        assert_eq!(held.push(unit(BYTES_MAX)), FRAMES_MAX);
        assert_eq!(held.clear(), 1);
        assert!(held.is_empty());
    }
}
