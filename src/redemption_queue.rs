//! Winning tickets that wait to be redeemed, and when each is due. No I/O.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use tickets::{Address, B256, U256, WinningTicket};

/// First wait after a try that came to nothing; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// Longest wait between tries.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// L1 blocks for which tickets can be made on the params a ticket was made on (livepeer-wire §4.7).
const PARAMS_BLOCKS: u64 = 40;

/// A ticket that is worth its face value once the contract has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redeemable {
    pub(crate) hash: B256,
    pub(crate) won: WinningTicket,
    /// The L1 block from which on nobody can pay with the ticket's params any more. Redeeming shows
    /// the recipient's number to everybody, and with it tickets can be made that never win. `None`
    /// while no block is known that it could be counted from.
    pub(crate) not_before: Option<u64>,
    /// Nonce of a transaction that was sent for it, whose fate isn't known.
    pub(crate) sent_nonce: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    ticket: Redeemable,
    due: Option<Instant>,
    tries: u32,
}

/// First come, first served among those that are due. What it holds is on the disk as well; how much
/// that may be is for the disk's owner to bound.
#[derive(Debug, Default)]
pub(crate) struct RedemptionQueue {
    entries: VecDeque<Entry>,
    known: HashSet<B256>,
    pending: HashMap<Address, U256>,
}

impl RedemptionQueue {
    /// Adds a ticket; one that is there already changes nothing.
    pub(crate) fn push(&mut self, ticket: Redeemable) {
        if !self.known.insert(ticket.hash) {
            return;
        }
        let pending = self.pending.entry(ticket.won.ticket.sender).or_default();
        *pending = pending.saturating_add(ticket.won.ticket.face_value);
        self.entries.push_back(Entry { ticket, due: None, tries: 0 });
    }

    /// The ticket to redeem now.
    pub(crate) fn next(&mut self, now: Instant, l1_block: u64) -> Option<&Redeemable> {
        let end = params_end(l1_block);
        for Entry { ticket, .. } in &mut self.entries {
            ticket.not_before.get_or_insert(end);
        }
        let is_due = |entry: &&Entry| {
            let has_waited = entry.ticket.not_before.is_some_and(|block| block <= l1_block);
            has_waited && entry.due.is_none_or(|due| due <= now)
        };
        self.entries.iter().find(is_due).map(|entry| &entry.ticket)
    }

    /// A transaction with that nonce is about to be sent for it.
    pub(crate) fn handle_sent(&mut self, hash: B256, nonce: u64) {
        if let Some(entry) = self.entry(hash) {
            entry.ticket.sent_nonce = Some(nonce);
        }
    }

    /// It is to be tried again.
    pub(crate) fn handle_failure(&mut self, now: Instant, hash: B256) {
        if let Some(entry) = self.entry(hash) {
            let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(entry.tries.min(16)));
            entry.due = Some(now + wait.min(LONGEST_WAIT));
            entry.tries = entry.tries.saturating_add(1);
        }
    }

    /// It is redeemed, or never will be.
    pub(crate) fn remove(&mut self, hash: B256) {
        let Some(at) = self.entries.iter().position(|entry| entry.ticket.hash == hash) else {
            return;
        };
        let Some(Entry { ticket, .. }) = self.entries.remove(at) else { return };
        let Redeemable { won, hash, .. } = ticket;
        self.known.remove(&hash);
        if let Some(pending) = self.pending.get_mut(&won.ticket.sender) {
            *pending = pending.saturating_sub(won.ticket.face_value);
            if pending.is_zero() {
                self.pending.remove(&won.ticket.sender);
            }
        }
    }

    /// Wei that a sender owes for tickets that aren't redeemed yet.
    pub(crate) fn pending(&self, sender: Address) -> U256 {
        self.pending.get(&sender).copied().unwrap_or_default()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry(&mut self, hash: B256) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.ticket.hash == hash)
    }
}

/// The block from which on no params that are valid at `l1_block` are valid any more.
pub(crate) const fn params_end(l1_block: u64) -> u64 {
    l1_block.saturating_add(PARAMS_BLOCKS)
}

#[cfg(test)]
mod tests {
    use tickets::{ExpirationParams, PrivateKey, Ticket};

    use super::*;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn redeemable(number: u8, not_before: impl Into<Option<u64>>) -> Redeemable {
        let ticket = Ticket {
            recipient: Address::repeat_byte(1),
            sender: Address::repeat_byte(number),
            face_value: U256::from(100),
            win_prob: U256::MAX,
            sender_nonce: number.into(),
            recipient_rand_hash: B256::ZERO,
            expiration: ExpirationParams::default(),
        };
        let signature = PrivateKey::from_bytes(&[7; 32]).unwrap().sign(b"");
        let won = WinningTicket { ticket, signature, recipient_rand: U256::from(8) };
        let (hash, not_before) = (B256::repeat_byte(number), not_before.into());
        Redeemable { hash, won, not_before, sent_nonce: None }
    }

    #[test]
    fn tickets_wait_for_their_params_to_end() {
        let (mut queue, now) = (RedemptionQueue::default(), start());
        queue.push(redeemable(1, 140));
        queue.push(redeemable(2, 0));
        queue.push(redeemable(2, 0));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.next(now, 139), Some(&redeemable(2, 0)));
        assert_eq!(queue.next(now, 140), Some(&redeemable(1, 140)));
        queue.remove(B256::repeat_byte(2));
        assert_eq!(queue.next(now, 139), None);
        // One that came while no block was known counts from the first that is.
        queue.remove(B256::repeat_byte(1));
        queue.push(redeemable(3, None));
        assert_eq!(queue.next(now, 200), None);
        assert_eq!(queue.next(now, 239), None);
        assert_eq!(queue.next(now, 240), Some(&redeemable(3, 240)));
    }

    #[test]
    fn failures_wait_longer_and_longer_and_hold_up_nobody() {
        let (mut queue, now) = (RedemptionQueue::default(), start());
        let (first, second) = (redeemable(1, 0), redeemable(2, 0));
        queue.push(first.clone());
        queue.push(second.clone());
        queue.handle_failure(now, first.hash);
        assert_eq!(queue.next(now, 0), Some(&second));
        queue.remove(second.hash);
        let moment = Duration::from_millis(1);
        for wait in [FIRST_WAIT, FIRST_WAIT * 2, FIRST_WAIT * 4] {
            assert_eq!(queue.next(now + wait - moment, 0), None);
            assert_eq!(queue.next(now + wait, 0), Some(&first));
            queue.handle_failure(now, first.hash);
        }
        for _ in 0..40 {
            queue.handle_failure(now, first.hash);
        }
        assert_eq!(queue.next(now + LONGEST_WAIT - moment, 0), None);
        assert_eq!(queue.next(now + LONGEST_WAIT, 0), Some(&first));
    }

    #[test]
    fn what_waits_is_owed() {
        let mut queue = RedemptionQueue::default();
        let (ticket, sender) = (redeemable(1, 0), Address::repeat_byte(1));
        queue.push(ticket.clone());
        queue.push(Redeemable { hash: B256::ZERO, ..ticket.clone() });
        assert_eq!(queue.pending(sender), U256::from(200));
        queue.handle_sent(ticket.hash, 9);
        assert_eq!(queue.next(start(), 0).unwrap().sent_nonce, Some(9));
        queue.remove(ticket.hash);
        queue.remove(ticket.hash);
        assert_eq!((queue.pending(sender), queue.len()), (U256::from(100), 1));
    }
}
