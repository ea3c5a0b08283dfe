//! Which segments of one stream are known already, so that none is worked on twice.

use std::{collections::VecDeque, fmt};

use sha2::{Digest as _, Sha256};

/// Segments whose answers are kept.
const KEPT_MAX: usize = 12;
/// Segments of one stream that may be under way at once.
const UNDER_WAY_MAX: usize = 12;

/// What a segment is known by beside its number: SHA-256 of what was asked for and of its body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentDigest([u8; 32]);

impl fmt::Debug for SegmentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "SegmentDigest({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// Makes a [`SegmentDigest`] while the body comes.
#[derive(Clone, Debug)]
pub struct SegmentHasher(Sha256);

impl SegmentHasher {
    /// For a segment asked for with these words (container, configuration, and whether
    /// renditions are wanted): the same body with another ladder is another segment.
    #[must_use]
    pub fn new(asked: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(u64::try_from(asked.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(asked);
        Self(hash)
    }

    /// More of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The body is whole.
    #[must_use]
    pub fn finish(self) -> SegmentDigest {
        SegmentDigest(self.0.finalize().into())
    }
}

/// The right to work on a segment: settle it when that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// What a ledger says about a segment that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim<H> {
    /// It is under way or answered: here is where its answer is, or will be.
    Known(H),
    /// It is new, and entered with the handle that was made.
    New {
        /// To settle it with.
        ticket: Ticket,
        /// The handle that was made for it.
        handle: H,
        /// Its number is below that of the new segment before.
        out_of_order: bool,
    },
    /// Too many are under way.
    Full,
}

#[derive(Debug)]
struct Entry<H> {
    ticket: Ticket,
    sequence: u64,
    digest: SegmentDigest,
    handle: H,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    UnderWay,
    /// Under way, and another body has come with its number.
    Superseded,
    /// Answered with so many bytes.
    Answered(usize),
}

/// The segments of one stream: the last 12 with their answers, as long as these fit into a bound on
/// bytes, and those under way, 12 at most. `H` is a handle to where an answer is or will be.
#[derive(Debug)]
pub struct PushLedger<H> {
    /// Oldest first.
    entries: VecDeque<Entry<H>>,
    next_ticket: u64,
    last_sequence: Option<u64>,
    bytes_max: usize,
    bytes: usize,
}

impl<H: Clone> PushLedger<H> {
    /// An empty ledger that keeps answers of `bytes_max` bytes together.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), next_ticket: 0, last_sequence: None, bytes_max, bytes: 0 }
    }

    /// A segment has come. The same number with another digest is a new segment, whose answer takes
    /// the place of the one before.
    pub fn claim(
        &mut self,
        sequence: u64,
        digest: SegmentDigest,
        make: impl FnOnce() -> H,
    ) -> Claim<H> {
        let known = |entry: &&Entry<H>| entry.sequence == sequence && entry.digest == digest;
        if let Some(entry) = self.entries.iter().find(known) {
            return Claim::Known(entry.handle.clone());
        }
        if self.under_way() >= UNDER_WAY_MAX {
            return Claim::Full;
        }
        self.drop_entries(|entry| entry.sequence == sequence && entry.is_answered());
        for entry in self.entries.iter_mut().filter(|entry| entry.sequence == sequence) {
            entry.state = State::Superseded;
        }
        let out_of_order = self.last_sequence.is_some_and(|last| sequence < last);
        self.last_sequence = Some(sequence);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.wrapping_add(1);
        let handle = make();
        self.entries.push_back(Entry {
            ticket,
            sequence,
            digest,
            handle: handle.clone(),
            state: State::UnderWay,
        });
        Claim::New { ticket, handle, out_of_order }
    }

    /// The segment is answered with `kept` bytes, to be answered so again; with `None` it is
    /// forgotten, and the next one like it is new.
    pub fn settle(&mut self, ticket: Ticket, kept: Option<usize>) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.ticket == ticket) else {
            return;
        };
        match (entry.state, kept) {
            (State::UnderWay, Some(bytes)) if bytes <= self.bytes_max => {
                entry.state = State::Answered(bytes);
                self.bytes = self.bytes.saturating_add(bytes);
                self.make_room();
            }
            (State::Answered(_), _) => {}
            (State::UnderWay | State::Superseded, _) => {
                self.drop_entries(|entry| entry.ticket == ticket);
            }
        }
    }

    /// Bytes of the answers kept.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Segments under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.is_answered()).count()
    }

    /// Forgets every answer, not what is under way.
    pub fn forget_answers(&mut self) {
        self.drop_entries(Entry::is_answered);
    }

    fn make_room(&mut self) {
        let answered = |ledger: &Self| ledger.entries.len() - ledger.under_way();
        while answered(self) > KEPT_MAX || self.bytes > self.bytes_max {
            let oldest = self.entries.iter().find(|entry| entry.is_answered());
            let Some(oldest) = oldest.map(|entry| entry.ticket) else { return };
            self.drop_entries(|entry| entry.ticket == oldest);
        }
    }

    fn drop_entries(&mut self, gone: impl Fn(&Entry<H>) -> bool) {
        let bytes = &mut self.bytes;
        self.entries.retain(|entry| {
            let stays = !gone(entry);
            if let (false, State::Answered(len)) = (stays, entry.state) {
                *bytes = bytes.saturating_sub(len);
            }
            stays
        });
    }
}

impl<H> Entry<H> {
    const fn is_answered(&self) -> bool {
        matches!(self.state, State::Answered(_))
    }
}

#[cfg(test)]
mod tests;
