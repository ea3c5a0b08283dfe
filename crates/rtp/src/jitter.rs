//! Interarrival jitter (RFC 3550 §6.4.1, §A.8).

use std::time::{Duration, Instant};

use media::{MediaDuration, Timescale};

/// Two packets further apart in transit than this count as this, in seconds: a jump is no jitter.
const LONGEST_SECONDS: u32 = 10;

/// The jitter of a track.
#[derive(Debug)]
pub(crate) struct Jitter {
    timescale: Timescale,
    epoch: Instant,
    /// Arrival minus timestamp of the packet before, in ticks.
    transit: Option<u32>,
    /// In 1/16 ticks.
    scaled: u32,
}

impl Jitter {
    pub(crate) const fn new(timescale: Timescale, epoch: Instant) -> Self {
        Self { timescale, epoch, transit: None, scaled: 0 }
    }

    /// Another source: its timestamps have nothing to do with those before.
    pub(crate) const fn restart(&mut self) {
        self.transit = None;
    }

    /// Takes a packet. Answers the jitter.
    pub(crate) fn push(&mut self, timestamp: u32, arrived: Instant) -> Duration {
        let since = MediaDuration::from_std(arrived.saturating_duration_since(self.epoch));
        let ticks = since.rescale(self.timescale).ticks() & u64::from(u32::MAX);
        let transit = u32::try_from(ticks).unwrap_or(0).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let longest = self.timescale.get().saturating_mul(LONGEST_SECONDS);
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs().min(longest);
            self.scaled = (self.scaled + difference).saturating_sub((self.scaled + 8) >> 4);
        }
        MediaDuration::new(u64::from(self.scaled >> 4), self.timescale).to_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, start};

    #[test]
    fn settles_at_the_mean_difference_and_jumps_are_bounded() {
        let mut jitter = Jitter::new(Timescale::VIDEO, start());
        let mut now = Duration::ZERO;
        // Every other packet 10 ms late: transits differ by 10 ms each time.
        for n in 0..400_u32 {
            let late = u64::from(n % 2) * 10;
            now = jitter.push((n * 1_800).wrapping_sub(9_000), at(u64::from(n) * 20 + late));
        }
        assert!((9..=10).contains(&now.as_millis()), "{now:?}");
        let after = jitter.push(0x8000_0000, at(9_000));
        assert!(after < Duration::from_secs(1), "{after:?}");
    }
}
