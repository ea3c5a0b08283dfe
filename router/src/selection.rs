//! Which orchestrator takes a segment.
//!
//! [`select`] is a pure function of what is known, so that a run can be explained and repeated. A
//! candidate that can't be used carries its reason. Of the others, in this order: those that have not
//! failed the segment; those that give signs of life; those expected to finish in time; the stream's
//! preferred pool; those that are not slower than usual; the lowest cost; the operator's order. The
//! cost is the latency to expect (smoothed latency × load ÷ success, plus round trips), plus what price
//! and distance add, each weighed by the stream's class; the session in use is cheaper by what a swap
//! costs: a new encoder at the orchestrator, and often a discontinuity.

use orchestrator::PixelPrice;
use serde::{Deserialize, Serialize};

use crate::{
    fleet::{Standing, UNKNOWN_LATENCY},
    pool::{PoolName, StreamClass},
    price::permille_of,
    rejection::Rejection,
    session::SessionId,
};

/// What a swap adds to the cost of every session but the one in use, in percent.
const SWAP_PERCENT: u64 = 30;
/// What another region adds, in thousandths of a segment's duration.
const AWAY: u64 = 150;
/// Of the time left, how much an attempt may be expected to need, in percent.
const IN_TIME_PERCENT: u64 = 90;

/// An orchestrator at the time of a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its address.
    pub orchestrator: String,
    /// The pool through which the stream may use it.
    pub pool: PoolName,
    /// Place of that pool in the stream's order.
    pub pool_rank: usize,
    /// The session with it, where there is one.
    pub session: Option<u64>,
    /// The session in use.
    pub current: bool,
    /// Whether and how it is used.
    pub standing: Standing,
    /// Smoothed time of an attempt, in thousandths of the segment's duration.
    pub latency_permille: Option<u32>,
    /// Smoothed share of attempts that delivered, in thousandths.
    pub success_permille: u32,
    /// Smoothed round trip, in microseconds.
    pub round_trip_micros: Option<u32>,
    /// Segments in flight on it, of all streams.
    pub in_flight: u32,
    /// Most of them.
    pub limit: u32,
    /// What it asks.
    pub price: Option<PixelPrice>,
    /// It is in another region.
    pub away: bool,
    /// The operator's weight, in percent.
    pub weight: u32,
    /// What using it costs; the lowest wins. `None` where it was rejected.
    pub cost: Option<u64>,
    /// Whether it is expected to finish in time.
    pub in_time: bool,
    /// Why it was not considered.
    pub rejected: Option<Rejection>,
}

impl Candidate {
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.session.map(SessionId)
    }

    /// Latency to expect, in thousandths of the segment's duration.
    fn expected(&self, duration_micros: u64) -> u64 {
        let latency = u64::from(self.latency_permille.unwrap_or(UNKNOWN_LATENCY)).max(1);
        let limit = u64::from(self.limit.max(1));
        let loaded = latency.saturating_mul(limit + u64::from(self.in_flight)) / limit;
        let sound =
            loaded.saturating_mul(1_000) / u64::from(self.success_permille.clamp(50, 1_000));
        let round_trips = u64::from(self.round_trip_micros.unwrap_or(0)) * 2;
        sound.saturating_add((round_trips * 1_000).checked_div(duration_micros).unwrap_or(0))
    }
}

/// What a choice depends on besides the candidates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) class: StreamClass,
    pub(crate) duration_micros: u64,
    /// Time left for the segment.
    pub(crate) remaining_micros: u64,
}

/// Weights of latency, price and distance, in percent.
const fn weights(class: StreamClass) -> (u64, u64, u64) {
    match class {
        StreamClass::LowLatency => (100, 5, 100),
        StreamClass::Balanced => (100, 50, 50),
        StreamClass::Cheap => (25, 200, 10),
    }
}

/// Gives every candidate that was not rejected its cost, and returns the place of the best.
pub(crate) fn select(candidates: &mut [Candidate], now: Circumstances) -> Option<usize> {
    let usable = candidates.iter().filter(|it| it.rejected.is_none());
    let cheapest = usable.filter_map(|it| it.price).filter(|price| price.wei() > 0).min();
    for candidate in candidates.iter_mut().filter(|it| it.rejected.is_none()) {
        let expected = candidate.expected(now.duration_micros);
        let needed = expected.saturating_mul(now.duration_micros) / 1_000;
        candidate.in_time = needed <= now.remaining_micros / 100 * IN_TIME_PERCENT;
        candidate.cost = Some(cost(candidate, expected, cheapest, now.class));
    }
    let usable = candidates.iter().enumerate().filter(|(_, it)| it.rejected.is_none());
    let best = usable.min_by_key(|(index, it)| {
        let slow = it.standing == Standing::Slow;
        let silent = it.standing == Standing::Silent;
        (silent, !it.in_time, it.pool_rank, slow, it.cost, *index)
    });
    best.map(|(index, _)| index)
}

fn cost(
    candidate: &Candidate,
    expected: u64,
    cheapest: Option<PixelPrice>,
    class: StreamClass,
) -> u64 {
    let (latency_weight, price_weight, region_weight) = weights(class);
    let above = candidate
        .price
        .zip(cheapest)
        .and_then(|(price, cheapest)| permille_of(price, cheapest))
        .map_or(0, |permille| permille.saturating_sub(1_000).min(100_000));
    let away = if candidate.away { AWAY } else { 0 };
    let others = above * price_weight + away * region_weight;
    let sum = expected.saturating_mul(latency_weight).saturating_add(others);
    let swap = if candidate.current { 100 } else { 100 + SWAP_PERCENT };
    let weight = u64::from(candidate.weight.clamp(1, 10_000));
    sum.saturating_mul(swap) / weight
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Circumstances = Circumstances {
        class: StreamClass::Balanced,
        duration_micros: 2_000_000,
        remaining_micros: 3_000_000,
    };

    fn candidate(name: &str) -> Candidate {
        Candidate {
            orchestrator: name.to_owned(),
            pool: PoolName::default(),
            pool_rank: 0,
            session: Some(0),
            current: false,
            standing: Standing::Ready,
            latency_permille: Some(300),
            success_permille: 1_000,
            round_trip_micros: Some(10_000),
            in_flight: 0,
            limit: 8,
            price: None,
            away: false,
            weight: 100,
            cost: None,
            in_time: false,
            rejected: None,
        }
    }

    fn winner(mut candidates: Vec<Candidate>, now: Circumstances) -> Option<String> {
        let index = select(&mut candidates, now)?;
        Some(candidates[index].orchestrator.clone())
    }

    #[test]
    fn the_session_in_use_is_kept_until_another_is_better_by_more_than_a_swap() {
        let current = Candidate { current: true, ..candidate("current") };
        let better = |latency| Candidate { latency_permille: Some(latency), ..candidate("better") };
        assert_eq!(winner(vec![better(250), current.clone()], NOW).unwrap(), "current");
        assert_eq!(winner(vec![current, better(200)], NOW).unwrap(), "better");
    }

    #[test]
    fn load_failures_and_distance_count_and_the_list_decides_between_equals() {
        let plain = candidate("plain");
        let loaded = Candidate { in_flight: 4, ..candidate("loaded") };
        let failing = Candidate { success_permille: 700, ..candidate("failing") };
        let away = Candidate { away: true, ..candidate("away") };
        let heavy = Candidate { weight: 200, ..candidate("heavy") };
        for worse in [loaded, failing, away] {
            assert_eq!(winner(vec![worse, plain.clone()], NOW).unwrap(), "plain");
        }
        assert_eq!(winner(vec![plain.clone(), heavy], NOW).unwrap(), "heavy");
        assert_eq!(winner(vec![plain, candidate("second")], NOW).unwrap(), "plain");
    }

    #[test]
    fn the_class_moves_the_weights() {
        let price = |wei| PixelPrice::new(wei, 1);
        let fast =
            Candidate { price: price(200), latency_permille: Some(200), ..candidate("fast") };
        let cheap =
            Candidate { price: price(100), latency_permille: Some(500), ..candidate("cheap") };
        let of = |class| {
            winner(vec![fast.clone(), cheap.clone()], Circumstances { class, ..NOW }).unwrap()
        };
        assert_eq!(of(StreamClass::LowLatency), "fast");
        assert_eq!(of(StreamClass::Cheap), "cheap");
    }

    #[test]
    fn the_preferred_pool_comes_first_unless_it_would_be_late() {
        let second = Candidate { pool_rank: 1, latency_permille: Some(50), ..candidate("second") };
        let slow = Candidate { standing: Standing::Slow, ..candidate("slow") };
        assert_eq!(winner(vec![second.clone(), candidate("first")], NOW).unwrap(), "first");
        assert_eq!(winner(vec![slow, candidate("first")], NOW).unwrap(), "first");
        let late = Candidate { latency_permille: Some(1_600), ..candidate("late") };
        assert_eq!(winner(vec![late, second], NOW).unwrap(), "second");
    }

    #[test]
    fn what_was_rejected_is_never_chosen() {
        let rejected = Candidate { rejected: Some(Rejection::Tried), ..candidate("rejected") };
        assert_eq!(winner(vec![rejected.clone()], NOW), None);
        assert_eq!(winner(vec![rejected, candidate("other")], NOW).unwrap(), "other");
        assert_eq!(winner(Vec::new(), NOW), None);
    }

    proptest! {
        #[test]
        fn any_numbers_have_a_cost(
            latency: Option<u32>, success: u32, round_trip: Option<u32>, in_flight: u32, limit: u32,
            wei: u64, pixels in 1_u64.., weight: u32, duration_micros: u64, remaining_micros: u64,
        ) {
            let one = Candidate {
                latency_permille: latency, success_permille: success, round_trip_micros: round_trip,
                in_flight, limit, price: PixelPrice::new(wei, pixels), weight, ..candidate("one")
            };
            let cheap = Candidate { price: PixelPrice::new(1, u64::MAX), ..candidate("cheap") };
            let now = Circumstances { duration_micros, remaining_micros, ..NOW };
            prop_assert!(select(&mut [one, cheap], now).is_some());
        }
    }
}
