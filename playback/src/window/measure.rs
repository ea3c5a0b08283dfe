//! What the multivariant playlist says about a rendition, measured.

use std::collections::VecDeque;

use media::{FrameRate, MediaDuration, Timescale, TrackSegment};

use crate::multivariant_playlist::BitRates;

/// Bit rates of a rendition over its life: the mean, and the peak over every run of segments that
/// plays for 0.5 to 1.5 target durations (HLS rule MV-1).
#[derive(Debug)]
pub(super) struct BandwidthMeter {
    /// Bounds of a run, in 90 kHz ticks.
    shortest: u64,
    longest: u64,
    /// The newest segments in a row: ticks and bytes.
    recent: VecDeque<(u64, u64)>,
    peak: u64,
    ticks: u64,
    bytes: u64,
    segments: u64,
}

impl BandwidthMeter {
    pub(super) fn new(target_duration: u8) -> Self {
        let target = u64::from(target_duration) * u64::from(Timescale::VIDEO.get());
        Self {
            shortest: target / 2,
            longest: target * 3 / 2,
            recent: VecDeque::new(),
            peak: 0,
            ticks: 0,
            bytes: 0,
            segments: 0,
        }
    }

    /// Counts one segment of `ticks` (90 kHz) that follows the one before without a gap.
    pub(super) fn add(&mut self, ticks: u64, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.ticks = self.ticks.saturating_add(ticks);
        self.bytes = self.bytes.saturating_add(bytes);
        self.segments += 1;
        self.recent.push_front((ticks, bytes));
        let (mut run_ticks, mut run_bytes) = (0, 0);
        let mut in_reach = 0;
        for (ticks, bytes) in &self.recent {
            run_ticks += ticks;
            run_bytes += bytes;
            if run_ticks > self.longest {
                break;
            }
            in_reach += 1;
            if run_ticks >= self.shortest {
                self.peak = self.peak.max(bit_rate(run_bytes, run_ticks));
            }
        }
        self.recent.truncate(in_reach);
    }

    /// Notes that a segment is missing.
    pub(super) fn interrupt(&mut self) {
        self.recent.clear();
    }

    /// Segments counted.
    pub(super) const fn segments(&self) -> u64 {
        self.segments
    }

    pub(super) fn bit_rates(&self) -> BitRates {
        let average = bit_rate(self.bytes, self.ticks);
        BitRates { peak: self.peak.max(average), average }
    }
}

fn bit_rate(bytes: u64, ticks: u64) -> u64 {
    let bits = u128::from(bytes) * 8 * u128::from(Timescale::VIDEO.get());
    u64::try_from(bits.div_ceil(u128::from(ticks.max(1)))).unwrap_or(u64::MAX)
}

/// Frame rates encoders are set to, in thousandths of a frame per second.
const USUAL_RATES: &[u64] = &[
    10_000, 11_988, 12_000, 12_500, 14_985, 15_000, 20_000, 23_976, 24_000, 25_000, 29_970, 30_000,
    48_000, 50_000, 59_940, 60_000, 90_000, 100_000, 119_880, 120_000,
];

/// Counts frames against the time they take.
#[derive(Debug, Default)]
pub(super) struct FrameRateMeter {
    frames: u64,
    ticks: u64,
}

impl FrameRateMeter {
    pub(super) fn add(&mut self, segment: &TrackSegment) {
        let duration: MediaDuration = segment.duration().rescale(Timescale::VIDEO);
        self.ticks = self.ticks.saturating_add(duration.ticks());
        self.frames += u64::try_from(segment.samples.len()).unwrap_or_default();
    }

    /// Thousandths of a frame per second; `stated` when the frames bear it out.
    ///
    /// Publishers' clocks tick in milliseconds, so a count comes near a usual rate, never on it.
    pub(super) fn millihertz(&self, stated: Option<FrameRate>) -> Option<u64> {
        if self.frames == 0 || self.ticks == 0 {
            return None;
        }
        let scaled = u128::from(self.frames) * 1_000 * u128::from(Timescale::VIDEO.get());
        let measured = u64::try_from(scaled / u128::from(self.ticks)).unwrap_or(u64::MAX);
        let off = |rate: u64| rate.abs_diff(measured);
        let stated = stated.map(FrameRate::millihertz).filter(|rate| off(*rate) <= rate / 100);
        let usual = USUAL_RATES.iter().copied().min_by_key(|rate| off(*rate));
        stated.or_else(|| usual.filter(|rate| off(*rate) <= rate / 1_000)).or(Some(measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 90_000;

    #[test]
    fn peak_is_over_half_to_one_and_a_half_targets() {
        let mut meter = BandwidthMeter::new(2);
        // Too short to count alone, but not together with a neighbour.
        meter.add(SECOND / 2, 500_000);
        assert_eq!(meter.bit_rates().peak, 8_000_000);
        meter.add(2 * SECOND, 250_000);
        assert_eq!(meter.bit_rates(), BitRates { peak: 2_400_000, average: 2_400_000 });
        for _ in 0..8 {
            meter.add(2 * SECOND, 250_000);
        }
        let rates = meter.bit_rates();
        assert_eq!(rates.peak, 2_400_000);
        assert!((1_000_000..1_300_000).contains(&rates.average), "{rates:?}");
    }

    #[test]
    fn a_gap_breaks_a_run() {
        let mut meter = BandwidthMeter::new(4);
        meter.add(SECOND, 1_000_000);
        meter.interrupt();
        meter.add(SECOND, 1_000_000);
        for _ in 0..100 {
            meter.add(4 * SECOND, 500);
        }
        assert!(meter.bit_rates().peak < 2_000_000, "{:?}", meter.bit_rates());
    }

    #[test]
    fn frame_rate_is_what_was_meant() {
        let meter = |frames, ticks| FrameRateMeter { frames, ticks };
        let rate = |num, den| FrameRate::new(num, den);
        assert_eq!(meter(60, 2 * SECOND + 45).millihertz(None), Some(30_000));
        assert_eq!(meter(600, 20 * SECOND + 1_802).millihertz(None), Some(29_970));
        assert_eq!(meter(60, 2 * SECOND).millihertz(rate(30_000, 1_001)), Some(29_970));
        assert_eq!(meter(60, 2 * SECOND).millihertz(rate(60, 1)), Some(30_000));
        assert_eq!(meter(35, 2 * SECOND).millihertz(None), Some(17_500));
        assert_eq!(meter(0, 0).millihertz(rate(30, 1)), None);
    }
}
