//! Chance, from one seed.

use std::{ops::RangeInclusive, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// All chance of a run, in whole numbers so that every machine draws the same.
#[derive(Debug)]
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// One whole number of the range.
    pub(crate) fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// A place in a list of this length; 0 for an empty one.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.0.random_range(0..len.max(1))
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.range(1..=100) <= percent
    }

    /// A time of so many milliseconds, to the microsecond: two that are drawn rarely coincide.
    pub(crate) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.range(range.start() * 1_000..=range.end() * 1_000))
    }

    /// One of these, which are not none.
    pub(crate) fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        match self.index(others.len() + 1).checked_sub(1) {
            Some(index) => others.get(index).copied().unwrap_or(first),
            None => first,
        }
    }

    /// A factor in thousandths with a long tail above: about log-normal, around 1 000.
    pub(crate) fn spread(&mut self) -> u64 {
        (0..4).fold(1_000, |product, _| product * self.range(780..=1_260) / 1_000)
    }

    /// A seed for another source of chance.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.random()
    }

    /// Puts a list into a random order.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.index(last + 1);
            list.swap(last, other);
        }
    }
}
