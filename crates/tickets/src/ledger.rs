//! What a session has been paid and has used up.

use crate::Wei;

/// Bits that a balance's denominator may have: some 30 prices of the largest coprime units. An
/// orchestrator that quotes ever other units gets no more work in the session.
const MAX_PRECISION: u64 = 2_048;

/// The payer's account of one session: (recipient, session id). Every wei of ticket value that was
/// sent is, at any time, in exactly one place: the balance, an attempt in flight, or used up,
/// written off or in doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    balance: Wei,
    totals: LedgerTotals,
}

/// Sums over a session's life. `sent = balance + in_flight + debited + written_off + in_doubt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerTotals {
    /// Ticket value that was to be sent.
    pub sent: Wei,
    /// Credit that attempts in flight took along, and the value of their tickets.
    pub in_flight: Wei,
    /// Work that was done.
    pub debited: Wei,
    /// Taken by the orchestrator without a result.
    pub written_off: Wei,
    /// Sent, but nobody knows whether it arrived.
    pub in_doubt: Wei,
}

/// What an attempt takes along: all the credit there is, and the value of new tickets. It must be
/// given back to the ledger it came from.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "staged credit is lost unless it is settled"]
pub struct Staged {
    carried: Wei,
    added: Wei,
    tickets: u32,
}

/// How an attempt ended (livepeer-wire §4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No ticket was signed, or none left the house.
    Withdrawn,
    /// The request was begun, but no response header came.
    NoAnswer,
    /// There was an answer, but no result.
    Failed,
    /// Work worth so much was done.
    Done(Wei),
}

/// Where the staged credit went; the four sum up to it, and to nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Back to the balance; negative after more work than was paid for.
    pub returned: Wei,
    /// Used up by work.
    pub debited: Wei,
    /// Taken without a result.
    pub written_off: Wei,
    /// Perhaps taken.
    pub in_doubt: Wei,
}

/// Why nothing is staged. The ledger is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// More tickets than can be counted.
    #[error("the fee is more than four billion tickets")]
    TooManyTickets,
    /// The prices of the session have no common unit of a sensible size.
    #[error("the orchestrator changed the unit of its price too often")]
    TooPrecise,
}

impl Staged {
    /// How many tickets are to be sent along.
    #[must_use]
    pub const fn tickets(&self) -> u32 {
        self.tickets
    }

    /// What these tickets are worth.
    #[must_use]
    pub const fn added(&self) -> &Wei {
        &self.added
    }

    /// Credit of before; may be negative.
    #[must_use]
    pub const fn carried(&self) -> &Wei {
        &self.carried
    }
}

impl Ledger {
    /// Credit that no attempt has taken along; may be negative.
    #[must_use]
    pub const fn balance(&self) -> &Wei {
        &self.balance
    }

    /// The sums.
    #[must_use]
    pub const fn totals(&self) -> &LedgerTotals {
        &self.totals
    }

    /// Takes all credit for an attempt that should cost `fee`, and says how many tickets worth `ev`
    /// each are missing (livepeer-wire §4.4). Where tickets are worth nothing, none are missing.
    pub fn stage(&mut self, fee: &Wei, ev: &Wei) -> Result<Staged, LedgerError> {
        let precision = [&self.balance, &self.totals.sent, ev].map(Wei::precision);
        if precision.into_iter().max() > Some(MAX_PRECISION) {
            return Err(LedgerError::TooPrecise);
        }
        let missing = fee.max(ev) - &self.balance;
        let tickets = if ev.is_positive() {
            let tickets = missing.units_to_cover(ev).and_then(|tickets| tickets.try_into().ok());
            tickets.ok_or(LedgerError::TooManyTickets)?
        } else {
            0
        };
        let added = ev.times(u64::from(tickets));
        let carried = std::mem::take(&mut self.balance);
        self.totals.sent += &added;
        self.totals.in_flight += &(&carried + &added);
        Ok(Staged { carried, added, tickets })
    }

    /// Books how the attempt ended.
    pub fn settle(&mut self, staged: Staged, outcome: Outcome) -> Settlement {
        let Staged { carried, added, tickets: _ } = staged;
        let all = &carried + &added;
        let settlement = match outcome {
            Outcome::Withdrawn => {
                self.totals.sent -= &added;
                Settlement { returned: carried, ..Settlement::default() }
            }
            Outcome::NoAnswer => {
                Settlement { returned: carried, in_doubt: added, ..Settlement::default() }
            }
            Outcome::Failed => Settlement { written_off: all.clone(), ..Settlement::default() },
            Outcome::Done(debited) => {
                Settlement { returned: &all - &debited, debited, ..Settlement::default() }
            }
        };
        self.balance += &settlement.returned;
        self.totals.in_flight -= &all;
        self.totals.debited += &settlement.debited;
        self.totals.written_off += &settlement.written_off;
        self.totals.in_doubt += &settlement.in_doubt;
        settlement
    }
}

#[cfg(test)]
mod tests;
