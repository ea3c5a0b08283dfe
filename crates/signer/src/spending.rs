//! What was spent, and when it may be spent again.

use std::collections::{HashMap, VecDeque};

use tickets::{U256, Wei};

use crate::{SigningLimits, SpendLimit};

/// Minutes of the windows.
const HOUR: u64 = 60;
const DAY: u64 = 24 * 60;
/// Most streams that spent within a day. Further ones are refused.
const MAX_STREAMS: usize = 65_536;

/// Sums of the last so many minutes.
#[derive(Clone, Debug)]
struct Window {
    span: u64,
    minutes: VecDeque<(u64, Wei)>,
    sum: Wei,
}

/// Why no more may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverLimit {
    /// A limit is reached; the minute from which on it isn't any more, if ever.
    Limit { limit: SpendLimit, until: Option<u64> },
    /// Too many streams.
    Streams,
}

#[derive(Debug)]
pub(crate) struct Spending {
    hour: Window,
    day: Window,
    streams: HashMap<String, Window>,
    total: Wei,
}

impl Window {
    fn new(span: u64) -> Self {
        Self { span, minutes: VecDeque::new(), sum: Wei::zero() }
    }

    /// Drops what lies before the window that ends with `minute`.
    fn expire(&mut self, minute: u64) {
        while let Some((first, _)) = self.minutes.front()
            && first.saturating_add(self.span) <= minute
            && let Some((_, spent)) = self.minutes.pop_front()
        {
            self.sum -= &spent;
        }
    }

    fn add(&mut self, minute: u64, ev: &Wei) {
        self.sum += ev;
        // A clock that went back adds to the latest minute.
        match self.minutes.back_mut() {
            Some((last, spent)) if *last >= minute => *spent += ev,
            _ => self.minutes.push_back((minute, ev.clone())),
        }
    }

    /// When so much fits under the limit: `None` if it does now, else the minute, if ever.
    fn waits(&self, ev: &Wei, limit: U256) -> Option<Option<u64>> {
        let limit = Wei::new(limit);
        let mut sum = &self.sum + ev;
        if sum <= limit {
            return None;
        }
        for (minute, spent) in &self.minutes {
            sum -= spent;
            if sum <= limit {
                return Some(Some(minute.saturating_add(self.span)));
            }
        }
        Some(None)
    }
}

impl Spending {
    pub(crate) fn new() -> Self {
        Self {
            hour: Window::new(HOUR),
            day: Window::new(DAY),
            streams: HashMap::new(),
            total: Wei::zero(),
        }
    }

    /// Whether so much may be spent for the stream now.
    pub(crate) fn check(
        &mut self,
        minute: u64,
        stream: &str,
        ev: &Wei,
        limits: &SigningLimits,
    ) -> Result<(), OverLimit> {
        self.expire(minute, stream);
        if !self.streams.contains_key(stream) && self.streams.len() >= MAX_STREAMS {
            return Err(OverLimit::Streams);
        }
        let of_stream = self.streams.get(stream);
        let fresh = Window::new(DAY);
        let windows = [
            (SpendLimit::Stream, limits.stream, of_stream.unwrap_or(&fresh)),
            (SpendLimit::Hour, limits.hour, &self.hour),
            (SpendLimit::Day, limits.day, &self.day),
        ];
        if limits.total.is_some_and(|total| &self.total + ev > Wei::new(total)) {
            return Err(OverLimit::Limit { limit: SpendLimit::Total, until: None });
        }
        for (limit, most, window) in windows {
            if let Some(until) = most.and_then(|most| window.waits(ev, most)) {
                return Err(OverLimit::Limit { limit, until });
            }
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, minute: u64, stream: &str, ev: &Wei) {
        self.total += ev;
        self.add_recent(minute, stream, ev);
    }

    /// As [`Self::add`], for what the total holds already.
    pub(crate) fn add_recent(&mut self, minute: u64, stream: &str, ev: &Wei) {
        self.hour.add(minute, ev);
        self.day.add(minute, ev);
        let window = self.streams.entry(stream.to_owned()).or_insert_with(|| Window::new(DAY));
        window.add(minute, ev);
    }

    pub(crate) fn set_total(&mut self, total: Wei) {
        self.total = total;
    }

    pub(crate) const fn total(&self) -> &Wei {
        &self.total
    }

    /// Each stream's minutes of the last day, the oldest first.
    pub(crate) fn recent(&self) -> Vec<(u64, &str, &Wei)> {
        let mut all: Vec<_> = self
            .streams
            .iter()
            .flat_map(|(name, window)| {
                window.minutes.iter().map(move |(minute, ev)| (*minute, name.as_str(), ev))
            })
            .collect();
        all.sort_by_key(|(minute, name, _)| (*minute, *name));
        all
    }

    fn expire(&mut self, minute: u64, stream: &str) {
        self.hour.expire(minute);
        self.day.expire(minute);
        if let Some(window) = self.streams.get_mut(stream) {
            window.expire(minute);
        }
        if self.streams.len() >= MAX_STREAMS {
            self.streams.retain(|_, window| {
                window.expire(minute);
                !window.minutes.is_empty()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wei(number: u64) -> Wei {
        Wei::new(U256::from(number))
    }

    fn limits(hour: u64, day: u64, stream: u64, total: u64) -> SigningLimits {
        let some = |number| Some(U256::from(number));
        SigningLimits {
            hour: some(hour),
            day: some(day),
            stream: some(stream),
            total: some(total),
            ..SigningLimits::default()
        }
    }

    fn over(limit: SpendLimit, until: Option<u64>) -> Result<(), OverLimit> {
        Err(OverLimit::Limit { limit, until })
    }

    #[test]
    fn each_limit_holds_and_says_when_it_ends() {
        let mut spending = Spending::new();
        let limits = limits(100, 150, 120, 1_000);
        spending.add(5, "a", &wei(60));
        spending.add(7, "a", &wei(40));
        assert_eq!(spending.check(8, "a", &wei(0), &limits), Ok(()));
        assert_eq!(spending.check(8, "b", &wei(1), &limits), over(SpendLimit::Hour, Some(65)));
        assert_eq!(spending.check(8, "b", &wei(61), &limits), over(SpendLimit::Hour, Some(67)));
        assert_eq!(spending.check(8, "b", &wei(101), &limits), over(SpendLimit::Hour, None));
        assert_eq!(spending.check(64, "b", &wei(1), &limits), over(SpendLimit::Hour, Some(65)));
        assert_eq!(spending.check(65, "b", &wei(50), &limits), Ok(()));
        assert_eq!(spending.check(65, "b", &wei(51), &limits), over(SpendLimit::Day, Some(1_445)));
        assert_eq!(
            spending.check(65, "a", &wei(21), &limits),
            over(SpendLimit::Stream, Some(1_445))
        );
        assert_eq!(spending.check(1_445, "a", &wei(21), &limits), Ok(()));
        let tight = SigningLimits { total: Some(U256::from(120)), ..limits };
        assert_eq!(spending.check(9_999, "a", &wei(21), &tight), over(SpendLimit::Total, None));
        assert_eq!(spending.check(9_999, "a", &wei(20), &tight), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let mut spending = Spending::new();
        let limits = limits(100, 100, 100, 1_000);
        spending.add(500, "a", &wei(100));
        spending.add(10, "b", &wei(0));
        assert_eq!(spending.check(10, "b", &wei(1), &limits), over(SpendLimit::Hour, Some(560)));
    }
}
