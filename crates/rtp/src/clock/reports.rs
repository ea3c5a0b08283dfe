//! What sender reports say about one clock.

use std::collections::VecDeque;

/// Reports that are kept at most, and those that are kept however old: about half a minute of sound's.
const KEPT_MAX: usize = 16;
const KEPT_MIN: usize = 5;
/// How long others are kept, in nanoseconds: clocks drift.
const KEPT_NS: i64 = 10 * super::SECOND_NS;
/// A report further off than this from those before is odd, in nanoseconds.
const ODD_NS: i64 = super::SECOND_NS / 2;
/// Two odd reports in a row this close to each other are a step of the sender's wall clock.
const SAME_NS: i64 = super::SECOND_NS / 10;

/// The sender's wall clock minus a track's media time, from its sender reports: the second lowest of the
/// last few, the lowest of two. Single ones are off by tens of milliseconds either way; and senders that
/// stamp what they send (aiortc) are late when they are busy, 150 ms of it were seen, and never early.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// When they came, and what they say.
    recent: VecDeque<(i64, i64)>,
    odd: Option<i64>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Believed {
    Yes,
    /// It is odd, and waits for another one like it.
    NotYet,
    /// The sender's wall clock stepped: reports from before the step say nothing any more.
    Stepped,
}

impl Reports {
    /// Takes wall clock minus media time, and when this came, both in nanoseconds.
    pub(crate) fn push(&mut self, arrived: i64, offset: i64) -> Believed {
        let near = |other: i64, limit| offset.saturating_sub(other).saturating_abs() <= limit;
        if self.get().is_none_or(|usual| near(usual, ODD_NS)) {
            self.odd = None;
            self.recent.push_back((arrived, offset));
            while self.recent.len() > KEPT_MIN && self.first_is_old(arrived) {
                self.recent.pop_front();
            }
            return Believed::Yes;
        }
        match self.odd.replace(offset) {
            Some(odd) if near(odd, SAME_NS) => {
                self.odd = None;
                self.recent = VecDeque::from([(arrived, odd), (arrived, offset)]);
                Believed::Stepped
            }
            _ => Believed::NotYet,
        }
    }

    fn first_is_old(&self, now: i64) -> bool {
        let old = |(arrived, _): &(i64, i64)| now.saturating_sub(*arrived) > KEPT_NS;
        self.recent.len() > KEPT_MAX || self.recent.front().is_some_and(old)
    }

    /// Wall clock minus media time, in nanoseconds; `None` before the first report.
    pub(crate) fn get(&self) -> Option<i64> {
        let mut sorted: Vec<_> = self.recent.iter().map(|(_, offset)| *offset).collect();
        sorted.sort_unstable();
        sorted.get((sorted.len().checked_sub(1)? / 2).min(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_report_that_is_off_either_way_moves_little() {
        let mut reports = Reports::default();
        for offset in [1_000, 1_002, 31_000_000, -31_000_000, 1_001] {
            assert_eq!(reports.push(0, offset), Believed::Yes);
        }
        assert_eq!(reports.get(), Some(1_000));
    }

    #[test]
    fn a_late_first_report_is_forgotten_with_the_second() {
        let mut reports = Reports::default();
        for offset in [152_000_000, -7_000_000] {
            assert_eq!(reports.push(0, offset), Believed::Yes);
        }
        assert_eq!(reports.get(), Some(-7_000_000));
        // And so are more of them, as long as two are in time.
        for offset in [90_000_000, -5_000_000, 60_000_000] {
            assert_eq!(reports.push(0, offset), Believed::Yes);
        }
        assert_eq!(reports.get(), Some(-5_000_000));
    }

    #[test]
    fn what_is_old_is_forgotten_but_a_few_stay_and_there_are_never_many() {
        let mut reports = Reports::default();
        for (second, offset) in (0..100).zip((0..100).map(|n| n * 1_000)) {
            reports.push(second * super::super::SECOND_NS, offset);
            assert!(reports.recent.len() <= 11);
        }
        // The second oldest of eleven.
        assert_eq!(reports.get(), Some(90_000));
        for minute in 2..12 {
            reports.push(minute * 60 * super::super::SECOND_NS, minute * 1_000_000);
        }
        assert_eq!(reports.get(), Some(8_000_000));
        for _ in 0..100 {
            reports.push(720 * super::super::SECOND_NS, 0);
            assert!(reports.recent.len() <= KEPT_MAX);
        }
    }

    #[test]
    fn a_step_takes_two_reports_that_agree() {
        let mut reports = Reports::default();
        assert_eq!(reports.push(0, 0), Believed::Yes);
        assert_eq!(reports.push(0, i64::MAX), Believed::NotYet);
        assert_eq!(reports.push(0, i64::MIN), Believed::NotYet);
        assert_eq!(reports.push(0, 5), Believed::Yes);
        assert_eq!(reports.push(0, 3_600 * super::super::SECOND_NS), Believed::NotYet);
        assert_eq!(reports.push(0, 3_600 * super::super::SECOND_NS + 9), Believed::Stepped);
        assert_eq!(reports.get(), Some(3_600 * super::super::SECOND_NS));
    }
}
