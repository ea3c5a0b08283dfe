//! How evenly media arrives, compared with its own clock.

use super::ring::Ring;

const SECOND: i64 = 1_000_000;
/// Seconds kept: what is late is compared with the best of them.
const SECONDS: usize = 61;
/// What counts as now: whole seconds that are just over.
const LATELY: i64 = 2;
/// How far back peaks are looked for, in seconds.
const PEAKS: i64 = 10;
/// How long what a clock is compared with is collected, in microseconds.
const ORIGIN: i64 = 10 * SECOND;
/// A drift is told once it was watched for so long, in microseconds.
const DRIFT_AFTER: i64 = 60 * SECOND;
/// A transit or a change of it further out than this is none, in microseconds: two days.
const LIMIT: i64 = 172_800 * SECOND;

/// One track's arrivals. A unit's transit is its arrival less its decoding time: of no meaning alone, but it
/// grows when media comes later than it should.
#[derive(Debug)]
pub(super) struct Transit {
    seconds: Ring<Second, SECONDS>,
    last: Option<i64>,
    /// Sixteen times the mean change (RFC 3550 §6.4.1).
    jitter: i64,
    origin: Option<Origin>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    least: i64,
    most: i64,
    sum: i64,
    count: i64,
}

/// What a timeline's first seconds were like.
#[derive(Clone, Copy, Debug)]
struct Origin {
    began: i64,
    /// Arrival of the unit that came earliest by its own clock.
    at: i64,
    least: i64,
    first: Second,
}

impl Transit {
    pub(super) fn new() -> Self {
        Self { seconds: Ring::new(SECOND), last: None, jitter: 0, origin: None }
    }

    /// Takes a unit that arrived at `arrived`; `media` is its decoding time. Both in microseconds.
    pub(super) fn push(&mut self, arrived: i64, media: i64) {
        let transit = arrived.saturating_sub(media).clamp(-LIMIT, LIMIT);
        if let Some(last) = self.last.replace(transit) {
            self.jitter += transit.abs_diff(last).try_into().unwrap_or(LIMIT) - self.jitter / 16;
        }
        if let Some(second) = self.seconds.at(arrived) {
            second.add(transit);
        }
        let origin = self.origin.get_or_insert_with(|| Origin {
            began: arrived,
            at: arrived,
            least: transit,
            first: Second::default(),
        });
        if arrived.saturating_sub(origin.began) <= ORIGIN {
            origin.first.add(transit);
            if transit < origin.least {
                (origin.at, origin.least) = (arrived, transit);
            }
        }
    }

    /// Another timeline begins: its transits can't be compared with those before.
    pub(super) fn restart(&mut self) {
        self.seconds.clear();
        self.last = None;
        self.origin = None;
    }

    pub(super) fn advance(&mut self, now: i64) {
        self.seconds.advance(now);
    }

    /// How unevenly units arrive, on the average, in microseconds.
    pub(super) const fn jitter(&self) -> i64 {
        self.jitter / 16
    }

    /// How much later than the earliest the latest unit of ten seconds came.
    pub(super) fn peak(&self) -> Option<i64> {
        let all = self.over(PEAKS)?;
        Some(all.most.saturating_sub(all.least))
    }

    /// How far behind the best of the last minute media is now: what waits at the publisher.
    pub(super) fn behind(&self) -> Option<i64> {
        let best = self.over(i64::try_from(SECONDS).unwrap_or(i64::MAX))?.least;
        Some(self.over(LATELY)?.least.saturating_sub(best))
    }

    /// The mean transit just now.
    pub(super) fn mean(&self) -> Option<i64> {
        self.over(LATELY)?.mean()
    }

    /// How the mean transit has changed since the timeline's first seconds.
    pub(super) fn mean_change(&self) -> Option<i64> {
        Some(self.mean()?.saturating_sub(self.origin?.first.mean()?))
    }

    /// How much the publisher's clock has gained on ours, and over how long, in microseconds.
    pub(super) fn gained(&self, now: i64) -> Option<(i64, i64)> {
        let origin = self.origin?;
        let watched = now.saturating_sub(origin.at);
        let least = self.over(PEAKS)?.least;
        (watched >= DRIFT_AFTER).then(|| (origin.least.saturating_sub(least), watched))
    }

    fn over(&self, seconds: i64) -> Option<Second> {
        let all = self.seconds.complete(seconds).filter(|second| second.count > 0);
        all.reduce(|a, b| Second {
            least: a.least.min(b.least),
            most: a.most.max(b.most),
            sum: a.sum.saturating_add(b.sum),
            count: a.count + b.count,
        })
    }
}

impl Second {
    fn add(&mut self, transit: i64) {
        let first = self.count == 0;
        self.least = if first { transit } else { self.least.min(transit) };
        self.most = if first { transit } else { self.most.max(transit) };
        self.sum = self.sum.saturating_add(transit);
        self.count += 1;
    }

    const fn mean(&self) -> Option<i64> {
        self.sum.checked_div(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 units a second for so many seconds; `late` gives how late the one of a media time comes.
    fn run(seconds: i64, late: impl Fn(i64) -> i64) -> (Transit, i64) {
        let mut transit = Transit::new();
        let mut now = 0;
        for unit in 0..seconds * 25 {
            let media = unit * 40_000;
            now = now.max(media + late(media));
            transit.push(now, media);
        }
        transit.advance(now);
        (transit, now)
    }

    #[test]
    fn even_media_has_neither_jitter_nor_drift() {
        let (transit, now) = run(70, |_| 20_000);
        assert_eq!((transit.jitter(), transit.peak(), transit.behind()), (0, Some(0), Some(0)));
        assert_eq!(transit.gained(now).unwrap().0, 0);
    }

    #[test]
    fn bursts_are_jitter_and_not_a_queue() {
        // Ten units at a time.
        let (transit, _) = run(30, |media| 400_000 - media % 400_000);
        assert!((30_000..90_000).contains(&transit.jitter()), "{}", transit.jitter());
        assert_eq!(transit.peak(), Some(360_000));
        assert_eq!(transit.behind(), Some(0));
    }

    #[test]
    fn what_waits_at_the_publisher_is_how_far_it_is_behind() {
        let (transit, _) = run(40, |media| (media - 20_000_000).max(0) / 10);
        let behind = transit.behind().unwrap();
        assert!((1_600_000..2_000_000).contains(&behind), "{behind}");
    }

    #[test]
    fn a_fast_clock_gains() {
        // Media time passes 1 % faster.
        let (transit, now) = run(100, |media| 2_000_000 - media / 100);
        let (gained, watched) = transit.gained(now).unwrap();
        let per_million = gained * 1_000_000 / watched;
        assert!((9_000..11_500).contains(&per_million), "{per_million}");
    }
}
