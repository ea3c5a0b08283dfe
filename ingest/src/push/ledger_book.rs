//! The ledgers of all streams.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use media::StreamName;

use super::{Claim, PushLedger, SegmentDigest, Ticket};

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct LedgerLimits {
    /// Bytes of answers kept for one stream.
    pub stream_bytes: usize,
    /// Bytes of answers kept for all streams. Above, the answers of the stream that was quiet for
    /// longest go first.
    pub total_bytes: usize,
    /// Streams with a ledger. Above, a new stream takes the place of the one that was quiet for
    /// longest and has nothing under way; where there is none, it is refused.
    pub streams: usize,
    /// A stream that was quiet for so long has no ledger any more.
    pub quiet: Duration,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self {
            stream_bytes: 64 << 20,
            total_bytes: 512 << 20,
            streams: 4_096,
            quiet: Duration::from_secs(60),
        }
    }
}

#[derive(Debug)]
struct Page<H> {
    ledger: PushLedger<H>,
    used: Instant,
}

/// The ledgers of all streams, within bounds.
#[derive(Debug)]
pub struct LedgerBook<H> {
    pages: HashMap<StreamName, Page<H>>,
    limits: LedgerLimits,
}

impl<H: Clone> LedgerBook<H> {
    /// An empty book.
    #[must_use]
    pub fn new(limits: LedgerLimits) -> Self {
        Self { pages: HashMap::new(), limits }
    }

    /// A segment of a stream has come; see [`PushLedger::claim`].
    pub fn claim(
        &mut self,
        now: Instant,
        stream: &StreamName,
        sequence: u64,
        digest: SegmentDigest,
        make: impl FnOnce() -> H,
    ) -> Claim<H> {
        if !self.pages.contains_key(stream) {
            self.expire(now);
            if self.pages.len() >= self.limits.streams && !self.drop_quietest() {
                return Claim::Full;
            }
        }
        let stream_bytes = self.limits.stream_bytes;
        let new = || Page { ledger: PushLedger::new(stream_bytes), used: now };
        let page = self.pages.entry(stream.clone()).or_insert_with(new);
        page.used = page.used.max(now);
        page.ledger.claim(sequence, digest, make)
    }

    /// See [`PushLedger::settle`].
    pub fn settle(
        &mut self,
        now: Instant,
        stream: &StreamName,
        ticket: Ticket,
        kept: Option<usize>,
    ) {
        let Some(page) = self.pages.get_mut(stream) else { return };
        page.used = page.used.max(now);
        page.ledger.settle(ticket, kept);
        while self.bytes() > self.limits.total_bytes {
            let full = self.pages.values_mut().filter(|page| page.ledger.bytes() > 0);
            let Some(quietest) = full.min_by_key(|page| page.used) else { return };
            quietest.ledger.forget_answers();
        }
    }

    /// Drops the ledgers of streams that have been quiet for long.
    pub fn expire(&mut self, now: Instant) {
        let quiet = self.limits.quiet;
        self.pages.retain(|_, page| {
            page.ledger.under_way() > 0 || now.saturating_duration_since(page.used) < quiet
        });
    }

    /// Bytes of the answers kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pages.values().map(|page| page.ledger.bytes()).sum()
    }

    /// Streams with a ledger.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.pages.len()
    }

    fn drop_quietest(&mut self) -> bool {
        let idle = self.pages.iter().filter(|(_, page)| page.ledger.under_way() == 0);
        let quietest = idle.min_by_key(|(_, page)| page.used).map(|(stream, _)| stream.clone());
        quietest.is_some_and(|stream| self.pages.remove(&stream).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::SegmentHasher;

    fn stream(name: &str) -> StreamName {
        StreamName::new(name).unwrap()
    }

    fn digest(byte: u8) -> SegmentDigest {
        let mut hash = SegmentHasher::new(b"");
        hash.update(&[byte]);
        hash.finish()
    }

    fn book() -> LedgerBook<u8> {
        LedgerBook::new(LedgerLimits {
            stream_bytes: 100,
            total_bytes: 150,
            streams: 3,
            quiet: Duration::from_secs(60),
        })
    }

    fn after(seconds: u64) -> Instant {
        use std::sync::LazyLock;
        static START: LazyLock<Instant> = LazyLock::new(crate::shell::now);
        *START + Duration::from_secs(seconds)
    }

    fn answer(book: &mut LedgerBook<u8>, at: u64, name: &str, number: u8, bytes: usize) {
        let claim = book.claim(after(at), &stream(name), number.into(), digest(number), || number);
        let Claim::New { ticket, .. } = claim else { panic!("{name} {number} is known") };
        book.settle(after(at), &stream(name), ticket, Some(bytes));
    }

    fn is_known(book: &mut LedgerBook<u8>, at: u64, name: &str, number: u8) -> bool {
        let claim = book.claim(after(at), &stream(name), number.into(), digest(number), || number);
        matches!(claim, Claim::Known(_))
    }

    #[test]
    fn streams_do_not_know_of_one_another() {
        let mut book = book();
        answer(&mut book, 0, "a", 1, 10);
        assert!(is_known(&mut book, 1, "a", 1));
        assert!(!is_known(&mut book, 1, "b", 1));
    }

    #[test]
    fn the_quietest_streams_answers_go_first() {
        let mut book = book();
        answer(&mut book, 0, "a", 1, 80);
        answer(&mut book, 1, "b", 1, 60);
        answer(&mut book, 2, "c", 1, 60);
        assert_eq!(book.bytes(), 120);
        assert!(!is_known(&mut book, 3, "a", 1));
        assert!(is_known(&mut book, 3, "b", 1) && is_known(&mut book, 3, "c", 1));
    }

    #[test]
    fn a_new_stream_takes_a_quiet_ones_place_but_not_a_busy_ones() {
        let mut book = book();
        for name in ["a", "b", "c"] {
            answer(&mut book, 0, name, 1, 1);
        }
        assert!(!is_known(&mut book, 1, "d", 1), "under way from now on");
        assert_eq!(book.streams(), 3);
        for name in ["e", "f"] {
            assert!(!is_known(&mut book, 2, name, 1));
        }
        let claim = book.claim(after(3), &stream("g"), 1, digest(1), || 1);
        assert_eq!(claim, Claim::Full);
        assert!(is_known(&mut book, 4, "d", 1));
    }

    #[test]
    fn a_quiet_stream_is_forgotten_unless_something_is_under_way() {
        let mut book = book();
        answer(&mut book, 0, "a", 1, 1);
        assert!(!is_known(&mut book, 0, "b", 1));
        book.expire(after(59));
        assert_eq!(book.streams(), 2);
        book.expire(after(60));
        assert_eq!(book.streams(), 1);
        assert!(is_known(&mut book, 61, "b", 1));
    }
}
