//! Nonces that were used.

use std::collections::HashMap;

use alloy_primitives::B256;

/// Most ticket params whose nonces are remembered: 100 streams of two-second segments adopt 24 000
/// within the eight minutes that params live. Where all are still alive, more are refused.
const MAX_OPEN: usize = 1 << 17;

/// How far the nonces of one `recipient_rand_hash` were used. To be recorded before a ticket leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceMark {
    /// Whose nonces.
    pub recipient_rand_hash: B256,
    /// The highest that was used.
    pub last_nonce: u32,
    /// From this L1 block on the mark is of no more use.
    pub expiration_block: u64,
}

/// Why there are no nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoNonces {
    /// The recipient takes no more on these params.
    UsedUp,
    /// The params may have been used and forgotten.
    Forgotten,
    /// All that are remembered are still alive.
    TooManyOpen,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    last_nonce: u32,
    expiration_block: u64,
}

/// The nonces used with each `recipient_rand_hash`; none is given twice.
#[derive(Debug)]
pub(crate) struct Nonces {
    open: HashMap<B256, Open>,
    /// Params that expire here or before, and are not remembered, may have been forgotten.
    forgotten_until: u64,
    capacity: usize,
}

impl Default for Nonces {
    fn default() -> Self {
        Self { open: HashMap::new(), forgotten_until: 0, capacity: MAX_OPEN }
    }
}

impl Nonces {
    /// Takes the next `count` nonces, all at most `limit`; gives the first of them.
    pub(crate) fn take(
        &mut self,
        recipient_rand_hash: B256,
        expiration_block: u64,
        count: u32,
        limit: u32,
        l1_block: u64,
    ) -> Result<u32, NoNonces> {
        if !self.open.contains_key(&recipient_rand_hash) {
            self.make_room(l1_block)?;
            if expiration_block <= self.forgotten_until {
                return Err(NoNonces::Forgotten);
            }
        }
        let used = self.open.get(&recipient_rand_hash).map_or(0, |open| open.last_nonce);
        let last_nonce = used.saturating_add(count);
        if last_nonce > limit {
            return Err(NoNonces::UsedUp);
        }
        self.remember(NonceMark { recipient_rand_hash, last_nonce, expiration_block });
        Ok(used.saturating_add(1))
    }

    /// Takes up what was recorded; a lower nonce changes nothing.
    pub(crate) fn remember(&mut self, mark: NonceMark) {
        let open = self
            .open
            .entry(mark.recipient_rand_hash)
            .or_insert(Open { last_nonce: 0, expiration_block: mark.expiration_block });
        open.last_nonce = open.last_nonce.max(mark.last_nonce);
        open.expiration_block = open.expiration_block.max(mark.expiration_block);
    }

    pub(crate) fn last(&self, recipient_rand_hash: &B256) -> u32 {
        self.open.get(recipient_rand_hash).map_or(0, |open| open.last_nonce)
    }

    /// Forgets expired params, only when there is no room: the block number may be a lie, and then
    /// as little as possible is refused because of it.
    fn make_room(&mut self, l1_block: u64) -> Result<(), NoNonces> {
        if self.open.len() < self.capacity {
            return Ok(());
        }
        let mut forgotten_until = self.forgotten_until;
        self.open.retain(|_, open| {
            let alive = open.expiration_block > l1_block;
            if !alive {
                forgotten_until = forgotten_until.max(open.expiration_block);
            }
            alive
        });
        self.forgotten_until = forgotten_until;
        if self.open.len() < self.capacity { Ok(()) } else { Err(NoNonces::TooManyOpen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> B256 {
        B256::repeat_byte(number)
    }

    fn small() -> Nonces {
        Nonces { capacity: 2, ..Nonces::default() }
    }

    #[test]
    fn nonces_start_at_one_and_go_on() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.take(hash(1), 50, 2, 600, 0), Ok(1));
        assert_eq!(nonces.take(hash(1), 50, 1, 600, 0), Ok(3));
        assert_eq!(nonces.take(hash(2), 50, 600, 600, 0), Ok(1));
        assert_eq!(nonces.take(hash(2), 50, 1, 600, 0), Err(NoNonces::UsedUp));
        assert_eq!(nonces.take(hash(1), 50, u32::MAX, 600, 0), Err(NoNonces::UsedUp));
        assert_eq!(nonces.take(hash(1), 50, 1, 600, 0), Ok(4), "a refusal uses none");
    }

    #[test]
    fn recorded_nonces_are_not_given_again() {
        let mut nonces = Nonces::default();
        let mark = NonceMark { recipient_rand_hash: hash(1), last_nonce: 7, expiration_block: 50 };
        nonces.remember(mark);
        nonces.remember(NonceMark { last_nonce: 3, ..mark });
        assert_eq!(nonces.take(hash(1), 50, 1, 600, 0), Ok(8));
    }

    #[test]
    fn what_was_forgotten_is_refused() {
        let mut nonces = small();
        assert_eq!(nonces.take(hash(1), 50, 1, 600, 10), Ok(1));
        assert_eq!(nonces.take(hash(2), 50, 1, 600, 10), Ok(1));
        assert_eq!(nonces.take(hash(3), 95, 1, 600, 49), Err(NoNonces::TooManyOpen));
        assert_eq!(nonces.take(hash(3), 95, 1, 600, 50), Ok(1));
        // The block number went back: the first params look alive again.
        assert_eq!(nonces.take(hash(1), 50, 1, 600, 10), Err(NoNonces::Forgotten));
        assert_eq!(nonces.take(hash(3), 95, 1, 600, 10), Ok(2));
        assert_eq!(nonces.take(hash(4), 51, 1, 600, 10), Ok(1));
        assert_eq!(nonces.take(hash(5), 96, 1, 600, 94), Ok(1));
        assert_eq!(nonces.take(hash(4), 51, 1, 600, 10), Err(NoNonces::TooManyOpen));
    }
}
