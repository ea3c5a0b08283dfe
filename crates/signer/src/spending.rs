//! What was spent, and when it may be spent again.

use std::collections::{HashMap, VecDeque};

use tickets::{U256, Wei};

use crate::{SigningLimits, SpendLimit};

/// Minutes of the windows.
const HOUR: u64 = 60;
const DAY: u64 = 24 * 60;
/// Minutes that are kept of each window, those in which nothing was spent apart.
const MINUTES: usize = 24 * 60;
/// Most streams that spent within a day. Further ones are refused.
const MAX_STREAMS: usize = 65_536;

/// Sums of the last so many minutes. Minutes are dropped by their number, never for the time: the clock may be
/// ahead, and come back.
#[derive(Clone, Debug)]
struct Window {
    span: u64,
    /// In their order, at most [`MINUTES`].
    minutes: VecDeque<(u64, Wei)>,
    /// How many lie before the window.
    before: usize,
    /// Of those that don't.
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
        Self { span, minutes: VecDeque::new(), before: 0, sum: Wei::zero() }
    }

    /// Lets the window end with `minute`. Later ones count too.
    fn turn_to(&mut self, minute: u64) {
        let lies_before = |at: u64| at.saturating_add(self.span) <= minute;
        while let Some((at, spent)) = self.minutes.get(self.before)
            && lies_before(*at)
        {
            self.sum -= spent;
            self.before += 1;
        }
        while let Some(last) = self.before.checked_sub(1)
            && let Some((at, spent)) = self.minutes.get(last)
            && !lies_before(*at)
        {
            self.sum += spent;
            self.before = last;
        }
    }

    fn add(&mut self, minute: u64, ev: &Wei) {
        self.turn_to(minute);
        self.sum += ev;
        let place = self.minutes.partition_point(|(at, _)| *at < minute);
        match self.minutes.get_mut(place) {
            Some((at, spent)) if *at == minute => *spent += ev,
            _ => self.minutes.insert(place, (minute, ev.clone())),
        }
        while self.minutes.len() > MINUTES {
            self.drop_oldest();
        }
    }

    /// What is inside the window goes on to count, with the next minute.
    fn drop_oldest(&mut self) {
        let Some((_, spent)) = self.minutes.pop_front() else { return };
        match self.before.checked_sub(1) {
            Some(before) => self.before = before,
            None => match self.minutes.front_mut() {
                Some((_, next)) => *next += &spent,
                None => self.sum -= &spent,
            },
        }
    }

    /// The last minute in which something was spent.
    fn last(&self) -> Option<u64> {
        self.minutes.back().map(|(minute, _)| *minute)
    }

    /// When so much fits under the limit: `None` if it does now, else the minute, if ever.
    fn waits(&self, ev: &Wei, limit: U256) -> Option<Option<u64>> {
        let limit = Wei::new(limit);
        let mut sum = &self.sum + ev;
        if sum <= limit {
            return None;
        }
        for (minute, spent) in self.minutes.iter().skip(self.before) {
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
        self.turn_to(minute, stream);
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

    /// Each stream's minutes that are kept, the oldest first.
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

    fn turn_to(&mut self, minute: u64, stream: &str) {
        self.hour.turn_to(minute);
        self.day.turn_to(minute);
        if let Some(window) = self.streams.get_mut(stream) {
            window.turn_to(minute);
        } else if self.streams.len() >= MAX_STREAMS {
            self.drop_quietest(minute);
        }
    }

    /// Only one: the clock may be ahead.
    fn drop_quietest(&mut self, minute: u64) {
        let lasts = self.streams.iter().map(|(name, window)| (window.last(), name));
        let Some((last, name)) = lasts.min() else { return };
        if last.is_none_or(|last| last.saturating_add(DAY) <= minute) {
            let name = name.clone();
            self.streams.remove(&name);
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

    #[test]
    fn a_clock_that_was_ahead_forgets_nothing_of_today() {
        let mut spending = Spending::new();
        let limits = limits(100, 200, 150, 10_000);
        let year = 365 * DAY;
        spending.add(500, "a", &wei(80));
        spending.add(501, "a", &wei(15));
        assert_eq!(spending.check(year, "a", &wei(100), &limits), Ok(()));
        spending.add(year, "b", &wei(3));
        assert_eq!(spending.check(502, "a", &wei(2), &limits), Ok(()));
        assert_eq!(spending.check(502, "a", &wei(3), &limits), over(SpendLimit::Hour, Some(560)));
        spending.add(502, "a", &wei(2));
        assert_eq!(spending.check(503, "a", &wei(1), &limits), over(SpendLimit::Hour, Some(560)));
        assert_eq!(
            spending.check(560, "a", &wei(54), &limits),
            over(SpendLimit::Stream, Some(1_940))
        );
        assert_eq!(spending.check(562, "a", &wei(53), &limits), Ok(()));
        let until = Some(year + HOUR);
        assert_eq!(spending.check(562, "c", &wei(98), &limits), over(SpendLimit::Hour, until));
        let told: Vec<_> = spending.recent().iter().map(|(minute, ..)| *minute).collect();
        assert_eq!(told, [500, 501, 502, year]);
    }

    #[test]
    fn minutes_are_bounded_and_what_counts_still_does() {
        let mut window = Window::new(DAY);
        for minute in 0..3 * DAY {
            window.add(minute, &wei(1));
        }
        assert_eq!((window.minutes.len(), window.sum.to_string()), (MINUTES, "1440".to_owned()));
        let ahead = 1_000 * DAY;
        for minute in ahead..ahead + 2 * DAY {
            window.add(minute, &wei(1));
        }
        window.add(3 * DAY, &wei(5));
        assert_eq!((window.minutes.len(), window.sum.to_string()), (MINUTES, "1445".to_owned()));
    }
}
