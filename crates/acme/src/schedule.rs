//! When a certificate is ordered, and when not.

use std::{collections::VecDeque, time::Duration};

use crate::failure::{AcmeFailure, FailureKind};

/// Most orders in any hour, those before a restart included: below the five failed validations per hour and
/// domain after which Let's Encrypt refuses.
pub const ORDERS_PER_HOUR: usize = 4;
const HOUR: Duration = Duration::from_secs(3_600);
/// Longest wait that a server may ask for.
const ASKED_MAX: Duration = Duration::from_secs(24 * 3_600);

/// From when to when a certificate is valid, in time since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its `notBefore`.
    pub begins: Duration,
    /// Its `notAfter`.
    pub expires: Duration,
}

impl Validity {
    /// When a third of its life is left.
    #[must_use]
    pub fn renewal(&self) -> Duration {
        self.expires.saturating_sub(self.expires.saturating_sub(self.begins) / 3)
    }
}

/// Says when to order: at once without a certificate, else when a third of its life is left; later after
/// failures, and never more than [`ORDERS_PER_HOUR`]. All times are since the Unix epoch.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// The last ones, oldest first.
    orders: VecDeque<Duration>,
    failures: u32,
    pause: Option<Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    since: Duration,
    length: Duration,
}

impl Schedule {
    /// With the times of orders that were made before, in any order.
    #[must_use]
    pub fn new(orders: impl IntoIterator<Item = Duration>) -> Self {
        let mut orders: Vec<_> = orders.into_iter().collect();
        orders.sort_unstable();
        let mut this = Self::default();
        orders.into_iter().for_each(|at| this.note(at));
        this
    }

    /// How long until an order is to be made, for one who holds a certificate with this validity or none. Ask
    /// again when something has happened, and now and then: clocks are set.
    #[must_use]
    pub fn wait(&self, held: Option<Validity>, now: Duration) -> Duration {
        let wanted = held.map_or(Duration::ZERO, |it| it.renewal());
        // A clock that was set back leaves a pause, or orders, in the future: no reason to wait for it.
        let pause = self.pause.filter(|it| it.since <= now).map(|it| it.since + it.length);
        let oldest = self.orders.front().filter(|&&at| at <= now);
        let room = oldest.filter(|_| self.orders.len() >= ORDERS_PER_HOUR).map(|&at| at + HOUR);
        let due = wanted.max(pause.unwrap_or_default()).max(room.unwrap_or_default());
        due.saturating_sub(now)
    }

    /// An order is about to be made.
    pub fn ordering(&mut self, now: Duration) {
        self.note(now);
    }

    /// The last orders, to be kept for after a restart.
    pub fn orders(&self) -> impl Iterator<Item = Duration> + '_ {
        self.orders.iter().copied()
    }

    /// An attempt failed. `dice` is a random number. Gives how long at least until the next.
    pub fn failed(&mut self, failure: &AcmeFailure, dice: u32, now: Duration) -> Duration {
        let (first, most) = match failure.kind {
            FailureKind::Unreached => (Duration::from_secs(2), Duration::from_secs(15 * 60)),
            FailureKind::Refused | FailureKind::NoAccount => (Duration::from_secs(120), 6 * HOUR),
        };
        let doubled = first.saturating_mul(1 << self.failures.min(16)).min(most);
        self.failures = self.failures.saturating_add(1);
        // From three quarters to five quarters of it.
        let length = doubled * 3 / 4 + doubled / 2 * (dice >> 16) / (1 << 16);
        let length = length.max(failure.retry_after.unwrap_or_default().min(ASKED_MAX));
        self.pause = Some(Pause { since: now, length });
        length
    }

    /// There is a new certificate.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.pause = None;
    }

    /// Attempts in a row that failed.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    fn note(&mut self, at: Duration) {
        self.orders.push_back(at);
        while self.orders.len() > ORDERS_PER_HOUR {
            self.orders.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_795_867_200);
    const DAY: Duration = Duration::from_secs(86_400);

    fn failure(kind: FailureKind) -> AcmeFailure {
        AcmeFailure { kind, reason: "no".to_owned(), retry_after: None }
    }

    fn valid(from: Duration, life: Duration) -> Validity {
        Validity { begins: from, expires: from + life }
    }

    /// The times of all orders from `START` on: what an order gives is said by `order`.
    fn run(
        schedule: &mut Schedule,
        mut held: Option<Validity>,
        until: Duration,
        mut order: impl FnMut(Duration) -> Result<Validity, AcmeFailure>,
    ) -> Vec<Duration> {
        let (mut now, mut orders) = (START, Vec::new());
        loop {
            now += schedule.wait(held, now);
            if now >= START + until {
                return orders;
            }
            orders.push(now - START);
            schedule.ordering(now);
            match order(now) {
                Ok(new) => {
                    schedule.succeeded();
                    held = Some(new);
                }
                Err(failure) => {
                    schedule.failed(&failure, u32::MAX / 2, now);
                }
            }
        }
    }

    #[test]
    fn without_a_certificate_at_once_then_when_a_third_is_left() {
        let mut schedule = Schedule::default();
        let orders = run(&mut schedule, None, DAY * 130, |now| Ok(valid(now, DAY * 90)));
        assert_eq!(orders, [Duration::ZERO, DAY * 60, DAY * 120]);
        let held = valid(START - DAY * 30, DAY * 90);
        let mut schedule = Schedule::default();
        let orders = run(&mut schedule, Some(held), DAY * 40, |now| Ok(valid(now, DAY * 90)));
        assert_eq!(orders, [DAY * 30]);
    }

    #[test]
    fn what_the_server_refuses_is_asked_less_and_less_often() {
        let refused = |_| Err(failure(FailureKind::Refused));
        let orders = run(&mut Schedule::default(), None, DAY * 7, refused);
        for (index, at) in orders.iter().enumerate() {
            let in_hour = orders[..=index].iter().filter(|it| **it + HOUR > *at).count();
            assert!(in_hour <= ORDERS_PER_HOUR, "{orders:?}");
        }
        assert!((30..45).contains(&orders.len()), "every six hours in the end: {}", orders.len());
        let last = &orders[orders.len() - 2..];
        assert!((last[1] - last[0]).abs_diff(HOUR * 6) < HOUR, "{last:?}");
    }

    #[test]
    fn a_server_that_is_away_is_soon_asked_again() {
        let mut schedule = Schedule::default();
        let pauses: Vec<_> = (0..20)
            .map(|_| schedule.failed(&failure(FailureKind::Unreached), u32::MAX / 2, START))
            .collect();
        assert!(pauses[0] <= Duration::from_secs(3) && pauses[1] <= Duration::from_secs(5));
        assert!(pauses.iter().all(|it| *it <= Duration::from_secs(20 * 60)));
        assert_eq!(schedule.wait(None, START), pauses[19]);
        schedule.succeeded();
        assert_eq!((schedule.wait(None, START), schedule.failures()), (Duration::ZERO, 0));
    }

    #[test]
    fn pauses_are_spread() {
        let with = |dice| Schedule::default().failed(&failure(FailureKind::Refused), dice, START);
        assert_eq!(with(0), Duration::from_secs(90));
        assert!(with(u32::MAX) > Duration::from_secs(149));
        assert!(with(u32::MAX) <= Duration::from_secs(150));
    }

    #[test]
    fn the_server_may_ask_for_a_longer_pause_of_up_to_a_day() {
        let asked = |time| AcmeFailure { retry_after: Some(time), ..failure(FailureKind::Refused) };
        let mut schedule = Schedule::default();
        assert_eq!(schedule.failed(&asked(HOUR * 3), 0, START), HOUR * 3);
        assert_eq!(schedule.failed(&asked(DAY * 300), 0, START), DAY);
        assert_eq!(schedule.wait(None, START + HOUR), DAY - HOUR);
    }

    #[test]
    fn restarts_do_not_order_more_often() {
        let mut kept = Vec::new();
        let mut made = 0;
        for minute in 0..60 {
            // Each process ends before it has its certificate.
            let now = START + Duration::from_secs(60 * minute);
            let mut schedule = Schedule::new(kept.clone());
            if schedule.wait(None, now).is_zero() {
                schedule.ordering(now);
                made += 1;
            }
            kept = schedule.orders().collect();
        }
        assert_eq!(made, ORDERS_PER_HOUR);
        assert!(Schedule::new(kept).wait(None, START + HOUR).is_zero());
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nothing() {
        let mut schedule = Schedule::new([START + DAY * 400; ORDERS_PER_HOUR]);
        schedule.failed(&failure(FailureKind::Refused), 0, START + DAY * 400);
        assert!(schedule.wait(None, START).is_zero());
    }

    #[test]
    fn certificates_that_are_due_when_they_come_are_not_ordered_in_a_loop() {
        let mut schedule = Schedule::default();
        let old = |now| Ok(valid(now - DAY, DAY));
        let orders = run(&mut schedule, None, HOUR * 10, old);
        assert!(orders.len() <= ORDERS_PER_HOUR * 10, "{}", orders.len());
    }
}
