//! What sender reports say about one clock.

use std::collections::VecDeque;

/// Reports that are averaged: about half a minute of sound's, some seconds of pictures'.
const KEPT: usize = 5;
/// A report further off than this from those before is odd, in nanoseconds.
const ODD_NS: i64 = super::SECOND_NS / 2;
/// Two odd reports in a row this close to each other are a step of the sender's wall clock.
const SAME_NS: i64 = super::SECOND_NS / 10;

/// The sender's wall clock minus a track's media time, from its sender reports: the median of the last
/// few, since single ones are off by tens of milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    recent: VecDeque<i64>,
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
    /// Takes wall clock minus media time, in nanoseconds.
    pub(crate) fn push(&mut self, offset: i64) -> Believed {
        let near = |other: i64, limit| offset.saturating_sub(other).saturating_abs() <= limit;
        if self.get().is_none_or(|median| near(median, ODD_NS)) {
            self.odd = None;
            self.recent.push_back(offset);
            if self.recent.len() > KEPT {
                self.recent.pop_front();
            }
            return Believed::Yes;
        }
        match self.odd.replace(offset) {
            Some(odd) if near(odd, SAME_NS) => {
                self.odd = None;
                self.recent = VecDeque::from([odd, offset]);
                Believed::Stepped
            }
            _ => Believed::NotYet,
        }
    }

    /// Wall clock minus media time, in nanoseconds; `None` before the first report.
    pub(crate) fn get(&self) -> Option<i64> {
        let mut sorted: Vec<_> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(lower + (upper - lower) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_report_that_is_off_moves_little() {
        let mut reports = Reports::default();
        for offset in [1_000, 1_002, 31_000_000, 1_001] {
            assert_eq!(reports.push(offset), Believed::Yes);
        }
        assert!((1_000..1_100).contains(&reports.get().unwrap()));
    }

    #[test]
    fn a_step_takes_two_reports_that_agree() {
        let mut reports = Reports::default();
        assert_eq!(reports.push(0), Believed::Yes);
        assert_eq!(reports.push(i64::MAX), Believed::NotYet);
        assert_eq!(reports.push(i64::MIN), Believed::NotYet);
        assert_eq!(reports.push(5), Believed::Yes);
        assert_eq!(reports.push(3_600 * super::super::SECOND_NS), Believed::NotYet);
        assert_eq!(reports.push(3_600 * super::super::SECOND_NS + 9), Believed::Stepped);
        assert_eq!(reports.get(), Some(3_600 * super::super::SECOND_NS + 4));
    }
}
