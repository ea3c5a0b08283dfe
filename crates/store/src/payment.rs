//! Payments as rows, and as they come back.

use std::time::SystemTime;

use payer::{Ending, Entry, PaymentId, Sent, Settled};
use tickets::{B256, NonceMark, Price, Settlement, Wei};

use crate::{
    error::{RowError, StoreError},
    evidence::clipped,
    micros::{of_time, to_time},
    remembered::narrow,
};

/// Payments that are kept one by one, and closed accounts (one in flight stays in any case). Their sums stay when
/// they go. About a kilobyte each, so up to 5 GB: of a stream with segments of two seconds, 115 days.
pub const MAX_PAYMENTS: usize = 5_000_000;
/// Days for which they are kept one by one, at most.
pub const PAYMENT_DAYS: usize = 400;
/// Hashes whose nonces are kept: those used last, and all used within the last hour. Ticket params live
/// for 40 L1 blocks, eight minutes; the payer itself remembers no more at once.
pub const MAX_MARKS: usize = 131_072;

/// A payment, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPayment {
    /// What went along with a segment. Texts of more than [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES)
    /// are cut, times are to the microsecond.
    pub sent: Sent,
    /// How that ended; `None` while it is in flight.
    pub settled: Option<Settled>,
}

/// One entry as rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LedgerRow {
    /// A new payment.
    Sent(Box<SentRow>),
    /// How one ended.
    Settled(Box<SettledRow>),
    /// A session's account is closed.
    Closed(ClosedRow),
}

/// A row about a payment, field by field as [`Sent`]. Numbers are as wide as columns are; times are
/// microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentRow {
    pub(crate) payment: i64,
    pub(crate) at: i64,
    pub(crate) stream: String,
    pub(crate) owner: Option<String>,
    pub(crate) sequence: i64,
    pub(crate) attempt: i64,
    pub(crate) orchestrator: String,
    pub(crate) recipient: Vec<u8>,
    pub(crate) session: String,
    pub(crate) price: String,
    pub(crate) estimated_pixels: i64,
    pub(crate) duration: i64,
    pub(crate) carried: Wei,
    pub(crate) tickets: i64,
    pub(crate) added: Wei,
    pub(crate) mark: Option<MarkRow>,
}

/// How far nonces of one hash were used: see [`NonceMark`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MarkRow {
    pub(crate) recipient_rand_hash: Vec<u8>,
    pub(crate) last_nonce: i64,
    pub(crate) expiration_block: i64,
}

/// What a row about a payment is given when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettledRow {
    pub(crate) payment: i64,
    pub(crate) at: i64,
    pub(crate) ending: &'static str,
    pub(crate) pixels: Option<i64>,
    pub(crate) settlement: Settlement,
}

/// A row about a closed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedRow {
    pub(crate) at: i64,
    pub(crate) recipient: Vec<u8>,
    pub(crate) session: String,
    pub(crate) left: Wei,
}

/// How a payment ended, as columns hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndingColumns {
    pub(crate) ending: String,
    pub(crate) at: i64,
    pub(crate) pixels: Option<i64>,
    /// Returned, debited, written off, in doubt.
    pub(crate) amounts: [String; 4],
}

impl LedgerRow {
    /// The row to write.
    ///
    /// # Errors
    /// When a number is too large for a column.
    pub(crate) fn of(entry: Entry) -> Result<Self, StoreError> {
        Ok(match entry {
            Entry::Sent(sent) => Self::Sent(Box::new(SentRow::of(*sent)?)),
            Entry::Settled(settled) => Self::Settled(Box::new(SettledRow::of(*settled)?)),
            Entry::Closed { at, recipient, session_id, left } => Self::Closed(ClosedRow {
                at: of_time(at),
                recipient: recipient.to_vec(),
                session: clipped(session_id),
                left,
            }),
        })
    }

    /// When it happened.
    pub(crate) const fn at(&self) -> i64 {
        match self {
            Self::Sent(row) => row.at,
            Self::Settled(row) => row.at,
            Self::Closed(row) => row.at,
        }
    }
}

impl SentRow {
    fn of(sent: Sent) -> Result<Self, StoreError> {
        Ok(Self {
            payment: number("payment", sent.payment.0)?,
            at: of_time(sent.at),
            stream: clipped(sent.stream),
            owner: sent.owner.map(clipped),
            sequence: number("sequence", sent.sequence)?,
            attempt: number("attempt", sent.attempt)?,
            orchestrator: clipped(sent.orchestrator),
            recipient: sent.recipient.to_vec(),
            session: clipped(sent.session_id),
            price: sent.price.to_string(),
            estimated_pixels: number("estimated_pixels", sent.estimated_pixels)?,
            duration: number("duration", sent.duration_micros)?,
            carried: sent.carried,
            tickets: sent.tickets.into(),
            added: sent.added,
            mark: sent.mark.map(MarkRow::of),
        })
    }

    /// What a row that was read says.
    ///
    /// # Errors
    /// When a column holds what it can't.
    pub(crate) fn read(self) -> Result<Sent, RowError> {
        Ok(Sent {
            payment: PaymentId(positive("payment", self.payment)?),
            at: to_time("at", self.at)?,
            stream: self.stream,
            owner: self.owner,
            sequence: positive("sequence", self.sequence)?,
            attempt: positive("attempt", self.attempt)?,
            orchestrator: self.orchestrator,
            recipient: bytes("recipient", &self.recipient)?,
            session_id: self.session,
            price: price(&self.price)?,
            estimated_pixels: positive("estimated_pixels", self.estimated_pixels)?,
            duration_micros: positive("duration", self.duration)?,
            carried: self.carried,
            tickets: narrow("tickets", self.tickets)?,
            added: self.added,
            mark: self.mark.map(MarkRow::read).transpose()?,
        })
    }
}

impl MarkRow {
    /// The row to write. A block that no column holds is so far away that the last one that can be
    /// held means the same: never.
    pub(crate) fn of(mark: NonceMark) -> Self {
        Self {
            recipient_rand_hash: mark.recipient_rand_hash.to_vec(),
            last_nonce: mark.last_nonce.into(),
            expiration_block: i64::try_from(mark.expiration_block).unwrap_or(i64::MAX),
        }
    }

    /// What a row that was read says.
    ///
    /// # Errors
    /// When a column holds what it can't.
    pub(crate) fn read(self) -> Result<NonceMark, RowError> {
        let hash = bytes("recipient_rand_hash", &self.recipient_rand_hash)?;
        Ok(NonceMark {
            recipient_rand_hash: B256::new(hash),
            last_nonce: narrow("last_nonce", self.last_nonce)?,
            expiration_block: positive("expiration_block", self.expiration_block)?,
        })
    }
}

impl SettledRow {
    fn of(settled: Settled) -> Result<Self, StoreError> {
        let pixels = match settled.ending {
            Ending::Done { pixels } => Some(number("pixels", pixels)?),
            Ending::Withdrawn | Ending::NoAnswer | Ending::Failed => None,
        };
        Ok(Self {
            payment: number("payment", settled.payment.0)?,
            at: of_time(settled.at),
            ending: settled.ending.as_str(),
            pixels,
            settlement: settled.settlement,
        })
    }

    /// What becomes of a payment that nobody knows the end of: as [`tickets::Outcome::NoAnswer`] books it.
    pub(crate) fn in_doubt(payment: i64, at: SystemTime, carried: Wei, added: Wei) -> Self {
        Self {
            payment,
            at: of_time(at),
            ending: Ending::NoAnswer.as_str(),
            pixels: None,
            settlement: Settlement { returned: carried, in_doubt: added, ..Settlement::default() },
        }
    }

    /// Whether the tickets never left the house.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.ending == Ending::Withdrawn.as_str()
    }
}

impl EndingColumns {
    /// What columns that were read say.
    ///
    /// # Errors
    /// When a column holds what it can't.
    pub(crate) fn read(self, payment: PaymentId) -> Result<Settled, RowError> {
        let pixels = self.pixels.unwrap_or_default();
        let known = [
            Ending::Withdrawn,
            Ending::NoAnswer,
            Ending::Failed,
            Ending::Done { pixels: positive("pixels", pixels)? },
        ];
        let ending = known.into_iter().find(|ending| ending.as_str() == self.ending);
        let ending = ending.ok_or(RowError::Unreadable { column: "ending", what: "ending" })?;
        let [returned, debited, written_off, in_doubt] = self.amounts;
        let settlement = Settlement {
            returned: amount("returned", &returned)?,
            debited: amount("debited", &debited)?,
            written_off: amount("written_off", &written_off)?,
            in_doubt: amount("in_doubt", &in_doubt)?,
        };
        Ok(Settled { payment, at: to_time("settled_at", self.at)?, ending, settlement })
    }
}

/// The amount that a column holds.
///
/// # Errors
/// When it holds none.
pub(crate) fn amount(column: &'static str, text: &str) -> Result<Wei, RowError> {
    text.parse().map_err(|_| RowError::Unreadable { column, what: "amount of wei" })
}

/// A number that is never negative.
///
/// # Errors
/// When it is.
pub(crate) fn positive(column: &'static str, value: i64) -> Result<u64, RowError> {
    u64::try_from(value).map_err(|_| RowError::OutOfRange { column, value })
}

fn number(column: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::NumberTooLarge { column, value })
}

fn bytes<const N: usize>(column: &'static str, bytes: &[u8]) -> Result<[u8; N], RowError> {
    bytes.try_into().map_err(|_| RowError::Unreadable { column, what: "bytes of that length" })
}

fn price(text: &str) -> Result<Price, RowError> {
    let price = text
        .split_once('/')
        .and_then(|(wei, pixels)| Price::new(wei.parse().ok()?, pixels.parse().ok()?));
    price.ok_or(RowError::Unreadable { column: "price", what: "price" })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use tickets::{Ledger, Outcome};

    use super::*;

    fn wei(text: &str) -> Wei {
        text.parse().unwrap()
    }

    fn sent() -> Sent {
        Sent {
            payment: PaymentId(5),
            at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001),
            stream: "camera".to_owned(),
            owner: Some("me".to_owned()),
            sequence: 17,
            attempt: 3,
            orchestrator: "https://o.example:8935".to_owned(),
            recipient: [9; 20],
            session_id: "s".to_owned(),
            price: Price::new(u64::MAX, 7).unwrap(),
            estimated_pixels: 12,
            duration_micros: 2_000_000,
            carried: wei("-7/3"),
            tickets: u32::MAX,
            added: wei("100/7"),
            mark: Some(NonceMark {
                recipient_rand_hash: B256::repeat_byte(3),
                last_nonce: u32::MAX,
                expiration_block: 9,
            }),
        }
    }

    #[test]
    fn a_row_reads_as_it_was_written() {
        let bare = Sent { owner: None, mark: None, price: Price::FREE, ..sent() };
        for original in [sent(), bare] {
            assert_eq!(SentRow::of(original.clone()).unwrap().read(), Ok(original));
        }
    }

    #[test]
    fn a_block_that_no_column_holds_is_the_last_one() {
        let mark = NonceMark {
            recipient_rand_hash: B256::ZERO,
            last_nonce: 1,
            expiration_block: u64::MAX,
        };
        let read = MarkRow::of(mark).read().unwrap();
        assert_eq!(read, NonceMark { expiration_block: i64::MAX.unsigned_abs(), ..mark });
    }

    #[test]
    fn a_number_that_no_column_holds_is_refused() {
        let refused = SentRow::of(Sent { estimated_pixels: u64::MAX, ..sent() }).unwrap_err();
        let column = "estimated_pixels";
        assert_eq!(refused, StoreError::NumberTooLarge { column, value: u64::MAX });
    }

    #[test]
    fn doubt_is_booked_as_the_ledger_books_it() {
        let mut ledger = Ledger::default();
        let first = ledger.stage(&wei("10"), &wei("7/2")).unwrap();
        ledger.settle(first, Outcome::Done(wei("11")));
        let staged = ledger.stage(&wei("10"), &wei("7/2")).unwrap();
        let (carried, added) = (staged.carried().clone(), staged.added().clone());
        let expected = ledger.settle(staged, Outcome::NoAnswer);
        let row = SettledRow::in_doubt(1, UNIX_EPOCH, carried, added);
        assert_eq!((row.settlement, row.ending), (expected, "no_answer"));
    }

    #[test]
    fn what_is_no_price_or_amount_is_refused() {
        for text in ["", "7", "1/0", "-1/2", "a/b"] {
            assert!(price(text).is_err(), "{text:?}");
        }
        let refused = RowError::Unreadable { column: "sent", what: "amount of wei" };
        assert_eq!(amount("sent", "1.5"), Err(refused));
    }
}
