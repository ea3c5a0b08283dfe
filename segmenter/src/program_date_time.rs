//! Wall-clock time of points of the stream's timeline (HLS rules PL-17 and T-9).

use std::time::{Duration, SystemTime};

use media::{MediaDuration, Timescale};

/// At a discontinuity the anchor moves when wall time is further ahead than this.
const DRIFT_LIMIT: Duration = Duration::from_secs(1);

/// One anchor, and media time from there on.
///
/// Values within a timeline differ by exactly the media time between them. The anchor moves only at
/// a discontinuity, and only forward, so that the values never go back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramDateTime {
    wall: SystemTime,
    media: i64,
}

impl ProgramDateTime {
    pub(crate) const fn new(wall: SystemTime, media: i64) -> Self {
        Self { wall, media }
    }

    /// Wall-clock time of `media`, in ticks of 90 kHz, not before the anchor.
    pub(crate) fn at(&self, media: i64) -> SystemTime {
        let ticks = u64::try_from(media.saturating_sub(self.media)).unwrap_or(0);
        let passed = MediaDuration::new(ticks, Timescale::VIDEO).to_std();
        self.wall.checked_add(passed).unwrap_or(self.wall)
    }

    /// A new timeline begins at `media`; its first access unit arrived at `wall`.
    #[must_use]
    pub(crate) fn renewed(self, wall: SystemTime, media: i64) -> Self {
        match wall.duration_since(self.at(media)) {
            Ok(ahead) if ahead > DRIFT_LIMIT => Self::new(wall, media),
            Ok(_) | Err(_) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_forward_and_only_by_more_than_the_drift_allowed() {
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let clock = ProgramDateTime::new(epoch, 0);
        let at_10 = |clock: ProgramDateTime| clock.at(900_000);
        let expected = epoch + Duration::from_secs(10);
        assert_eq!(at_10(clock), expected);
        let late = expected + Duration::from_millis(900);
        assert_eq!(at_10(clock.renewed(late, 900_000)), expected);
        assert_eq!(at_10(clock.renewed(epoch, 900_000)), expected);
        let later = expected + Duration::from_secs(3);
        assert_eq!(at_10(clock.renewed(later, 900_000)), later);
    }
}
