//! How late what arrives is, at least.

use std::collections::VecDeque;

/// How long the least delayed arrival counts.
const WINDOW_NS: i64 = 10 * super::SECOND_NS;

/// Tells a sender's clock from its arrivals: arrival minus media time, of the least delayed of the last
/// ten seconds. What the network adds to the others says nothing about the clock.
#[derive(Debug, Default)]
pub(crate) struct ArrivalFloor {
    /// The least of each second, by the second, in order.
    least: VecDeque<(i64, i64)>,
}

impl ArrivalFloor {
    /// Takes an arrival and how far it is ahead of media time, both in nanoseconds.
    pub(crate) fn push(&mut self, arrived: i64, ahead: i64) {
        let second = arrived.div_euclid(super::SECOND_NS);
        match self.least.back_mut() {
            // An arrival handed in late counts for the newest second.
            Some((last, least)) if second <= *last => *least = ahead.min(*least),
            Some(_) | None => self.least.push_back((second, ahead)),
        }
        let oldest = second - WINDOW_NS / super::SECOND_NS;
        while self.least.front().is_some_and(|(second, _)| *second < oldest) {
            self.least.pop_front();
        }
    }

    /// The least delayed arrival minus its media time, in nanoseconds; `None` before the first one.
    pub(crate) fn get(&self) -> Option<i64> {
        self.least.iter().map(|(_, least)| *least).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_after_its_window_and_stays_small() {
        let mut floor = ArrivalFloor::default();
        floor.push(0, 5);
        for second in 0..100 {
            floor.push(second * super::super::SECOND_NS + 7, 20 + second);
            assert!(floor.least.len() <= 11);
        }
        assert_eq!(floor.get(), Some(20 + 89));
        floor.push(0, 3);
        assert_eq!(floor.get(), Some(3));
    }
}
