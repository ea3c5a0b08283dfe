//! Nonces that were signed.

use std::collections::HashMap;

use tickets::{B256, MAX_NONCE, UnsignedBatch};

/// Most ticket params whose nonces are remembered. Further ones are refused.
const MAX_OPEN: usize = 1 << 19;
/// Minutes without a ticket after which params are forgotten. Orchestrators let theirs expire after about
/// eight minutes.
const FORGET_AFTER: u64 = 60;
/// The params used last, which are never forgotten for the clock's sake: it may be ahead.
const KEPT: usize = 1 << 14;
/// Words of a set of nonces.
const WORDS: usize = 10;

/// A set of the nonces 1 to [`MAX_NONCE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NonceSet([u64; WORDS]);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) nonces: NonceSet,
    /// When a nonce was last used.
    pub(crate) minute: u64,
}

/// Why nonces can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceFault {
    /// One of them was.
    Used(u32),
    /// Too many params are alive.
    TooManyOpen,
}

#[derive(Debug, Default)]
pub(crate) struct UsedNonces(HashMap<B256, Used>);

impl NonceSet {
    fn contains(&self, nonce: u32) -> bool {
        let (word, bit) = Self::place(nonce);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn insert(&mut self, nonce: u32) {
        let (word, bit) = Self::place(nonce);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn place(nonce: u32) -> (usize, u64) {
        (usize::try_from(nonce / 64).unwrap_or(WORDS), 1 << (nonce % 64))
    }

    fn highest(&self) -> u32 {
        (1..=MAX_NONCE).rev().find(|nonce| self.contains(*nonce)).unwrap_or(0)
    }

    /// The words, in hex.
    pub(crate) fn to_text(self) -> String {
        self.0.iter().map(|word| format!("{word:016x}")).collect()
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut words = [0; WORDS];
        if text.len() != WORDS * 16 {
            return None;
        }
        for (index, word) in words.iter_mut().enumerate() {
            let digits = text.get(index * 16..(index + 1) * 16)?;
            *word = u64::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(words))
    }
}

impl UsedNonces {
    /// Whether none of the batch's nonces was used.
    pub(crate) fn check(&mut self, batch: &UnsignedBatch, minute: u64) -> Result<(), NonceFault> {
        let hash = &batch.params().recipient_rand_hash;
        if let Some(used) = self.0.get(hash) {
            let mut nonces = batch.first_nonce()..=batch.mark().last_nonce;
            return match nonces.find(|nonce| used.nonces.contains(*nonce)) {
                Some(nonce) => Err(NonceFault::Used(nonce)),
                None => Ok(()),
            };
        }
        if self.0.len() >= MAX_OPEN {
            self.forget(minute);
        }
        if self.0.len() >= MAX_OPEN { Err(NonceFault::TooManyOpen) } else { Ok(()) }
    }

    pub(crate) fn insert(
        &mut self,
        hash: B256,
        minute: u64,
        nonces: impl IntoIterator<Item = u32>,
    ) {
        let fresh = Used { nonces: NonceSet::default(), minute };
        let used = self.0.entry(hash).or_insert(fresh);
        used.minute = used.minute.max(minute);
        for nonce in nonces {
            used.nonces.insert(nonce);
        }
    }

    pub(crate) fn restore(&mut self, hash: B256, used: Used) {
        self.0.insert(hash, used);
    }

    pub(crate) fn contains(&self, hash: &B256, nonce: u32) -> bool {
        self.0.get(hash).is_some_and(|used| used.nonces.contains(nonce))
    }

    /// The highest nonce used; zero when none was.
    pub(crate) fn highest(&self, hash: &B256) -> u32 {
        self.0.get(hash).map_or(0, |used| used.nonces.highest())
    }

    /// Forgets params that nobody takes tickets on any more.
    pub(crate) fn forget(&mut self, minute: u64) {
        let mut minutes: Vec<_> = self.0.values().map(|used| used.minute).collect();
        minutes.sort_unstable_by(|one, other| other.cmp(one));
        let Some(last) = minutes.get(KEPT) else { return };
        self.0.retain(|_, used| {
            used.minute > *last || used.minute.saturating_add(FORGET_AFTER) > minute
        });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&B256, &Used)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_ahead_forgets_few() {
        let mut used = UsedNonces::default();
        let hash = |number: u64| B256::from(tickets::U256::from(number));
        let count = u64::try_from(KEPT).unwrap() + 5;
        for number in 0..count {
            used.insert(hash(number), number, [7]);
        }
        used.forget(count);
        assert!(used.contains(&hash(count - FORGET_AFTER), 7));
        used.forget(u64::MAX);
        assert!(used.contains(&hash(5), 7) && !used.contains(&hash(4), 7));
    }

    #[test]
    fn sets_hold_every_nonce_and_come_back() {
        let mut set = NonceSet::default();
        assert_eq!(set.highest(), 0);
        for nonce in [1, 63, 64, 599, MAX_NONCE] {
            assert!(!set.contains(nonce));
            set.insert(nonce);
            assert!(set.contains(nonce));
        }
        assert_eq!(set.highest(), MAX_NONCE);
        assert_eq!(NonceSet::from_text(&set.to_text()), Some(set));
        assert_eq!(NonceSet::from_text("00"), None);
        assert_eq!(NonceSet::from_text(&"ä".repeat(80)), None);
    }
}
