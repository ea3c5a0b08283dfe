//! The account of every session, and what leaves the house.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU32,
    time::{Duration, Instant, SystemTime},
};

use tickets::{
    Address, ChainView, Ledger, LedgerTotals, NonceMark, Outcome, Price, SenderFunds, SenderLimits,
    Staged, TicketParams, TicketSender, UnsignedBatch, Wei, estimated_fee, estimated_pixels,
};

use crate::{
    budget::Budget,
    entry::{Ending, Entry, PaymentId, Sent, Settled},
    refusal::Refusal,
    request::PaymentRequest,
    spending::{Spending, SpentMinute},
};

/// Most sessions with an account. Further ones are refused until idle ones are closed.
const MAX_SESSIONS: usize = 16_384;
/// Most of them of one recipient, once half of all are in use.
const MAX_SESSIONS_OF_ONE: usize = 1_024;

/// Settings of a payer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayerConfig {
    /// What one ticket, and one payment, may be worth.
    pub limits: SenderLimits,
    /// All must allow a payment.
    pub budgets: Vec<Budget>,
    /// How long a session's account is kept without use; the network's orchestrators and gateways
    /// forget after 10 min. Default 10 min.
    pub session_idle: Duration,
}

impl Default for PayerConfig {
    fn default() -> Self {
        Self {
            limits: SenderLimits::default(),
            budgets: Vec::new(),
            session_idle: Duration::from_secs(600),
        }
    }
}

/// A payment to be put on record, signed and sent along with a segment. To be settled in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its name, for [`Payer::settle`].
    pub id: PaymentId,
    /// Who pays.
    pub sender: Address,
    /// What the orchestrator is told that its price is: its own words.
    pub price: Price,
    /// The tickets to sign; `None` where there is credit enough, or nothing to pay.
    pub batch: Option<UnsignedBatch>,
}

/// What a store has kept of earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// The first payment that was not named yet.
    pub next_payment: u64,
    /// Nonces that were used, of params that may still be alive.
    pub marks: Vec<NonceMark>,
    /// What was spent, at least of the last two days by minutes, and the rest in any minutes before.
    pub spent: Vec<SpentMinute>,
}

/// Whose credit: an orchestrator's in one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    recipient: Address,
    session_id: String,
}

#[derive(Debug)]
struct Session {
    ledger: Ledger,
    initial_price: Price,
    used: Instant,
    /// Attempts in flight; its account stays while there are any.
    in_flight: u32,
}

/// What is to be settled.
#[derive(Debug)]
struct InFlight {
    key: Key,
    staged: Staged,
    price: Price,
    sent_at: SystemTime,
    stream: String,
    owner: Option<String>,
}

/// Decides what goes along with each segment, and books what became of it.
///
/// Call [`prepare`](Self::prepare) before a segment is sent; put every entry of
/// [`poll_entry`](Self::poll_entry) on record; only then sign and send; and
/// [`settle`](Self::settle) each payment once. Time must not go back.
#[derive(Debug)]
pub struct Payer {
    config: PayerConfig,
    sender: TicketSender,
    sessions: HashMap<Key, Session>,
    in_flight: HashMap<PaymentId, InFlight>,
    spending: Spending,
    next_payment: u64,
    /// There is a view of the chain to make tickets on.
    has_view: bool,
    entries: VecDeque<Entry>,
}

impl Payer {
    /// A payer without funds, that knows no block yet.
    #[must_use]
    pub fn new(sender: Address, config: PayerConfig) -> Self {
        Self {
            sender: TicketSender::new(sender, config.limits),
            config,
            sessions: HashMap::new(),
            in_flight: HashMap::new(),
            spending: Spending::default(),
            next_payment: 1,
            has_view: false,
            entries: VecDeque::new(),
        }
    }

    /// Takes up what earlier runs left. Call it before the first payment.
    pub fn restore(&mut self, restored: Restored) {
        self.next_payment = self.next_payment.max(restored.next_payment);
        for mark in restored.marks {
            self.sender.handle_mark(mark);
        }
        for one in restored.spent {
            self.spending.add(one.at, &one.stream, one.owner.as_deref(), &one.spent);
        }
    }

    // What the chain and the operator say.

    /// Takes the latest blocks and rounds; `None` when what was last heard of them is too old to make
    /// tickets on, which whoever follows the chain decides.
    pub fn handle_view(&mut self, view: Option<ChainView>) {
        self.has_view = view.is_some();
        if let Some(view) = view {
            self.sender.handle_view(view);
        }
    }

    /// Takes what the payment contract says.
    pub fn handle_funds(&mut self, funds: SenderFunds) {
        self.sender.handle_funds(funds);
    }

    /// Who pays.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.sender.address()
    }

    /// What tickets were worth that left the house, of earlier runs as well.
    #[must_use]
    pub const fn spent(&self) -> &Wei {
        self.spending.total()
    }

    /// The next entry for the store. Take all of them after each call that changes something.
    pub fn poll_entry(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    // Paying.

    /// What goes along with a segment (livepeer-wire §4.2 to §4.6): the price is checked against the
    /// cap and the session's first price, the tickets against the sender's limits and every budget.
    ///
    /// # Errors
    /// When it must not be paid; nothing has changed then.
    pub fn prepare(
        &mut self,
        now: Instant,
        wall: SystemTime,
        request: PaymentRequest,
    ) -> Result<Payment, Refusal> {
        let price = request.terms.price;
        if let Some(cap) = request.price_cap.filter(|cap| price > *cap) {
            return Err(Refusal::PriceOverCap { price, cap });
        }
        let params = match &request.terms.params {
            Some(params) => Some(params.clone()),
            None if price.is_free() => None,
            None => return Err(Refusal::MissingParams(price)),
        };
        let recipient = params.as_ref().map_or(Address::ZERO, |params| params.recipient);
        let key = Key { recipient, session_id: request.terms.session_id.clone() };
        self.check_session(now, wall, &key, price)?;
        let pixels = estimated_pixels(&request.renditions, request.duration);
        let staged = self.stage(now, &key, price, pixels, params.as_ref())?;
        let batch = match self.take(wall, &request, params.as_ref(), &staged) {
            Ok(batch) => batch,
            Err(refusal) => {
                self.give_back(&key, staged);
                return Err(refusal);
            }
        };
        let id = PaymentId(self.next_payment);
        self.next_payment += 1;
        self.spending.add(wall, &request.stream, request.owner.as_deref(), staged.added());
        self.entries.push_back(Entry::Sent(Box::new(Sent {
            payment: id,
            at: wall,
            stream: request.stream.clone(),
            owner: request.owner.clone(),
            sequence: request.sequence,
            attempt: request.attempt,
            orchestrator: request.orchestrator,
            recipient: recipient.into_array(),
            session_id: key.session_id.clone(),
            price,
            estimated_pixels: pixels,
            duration_micros: u64::try_from(request.duration.as_micros()).unwrap_or(u64::MAX),
            carried: staged.carried().clone(),
            tickets: staged.tickets(),
            added: staged.added().clone(),
            mark: batch.as_ref().map(UnsignedBatch::mark),
        })));
        let (stream, owner) = (request.stream, request.owner);
        self.in_flight.insert(id, InFlight { key, staged, price, sent_at: wall, stream, owner });
        Ok(Payment { id, sender: self.sender.address(), price, batch })
    }

    /// Books how the attempt ended that a payment went along with. A payment that was settled before,
    /// or never made, changes nothing.
    pub fn settle(&mut self, now: Instant, wall: SystemTime, payment: PaymentId, ending: Ending) {
        let Some(paid) = self.in_flight.remove(&payment) else { return };
        let InFlight { key, staged, price, sent_at, stream, owner } = paid;
        if ending == Ending::Withdrawn {
            let back = &Wei::zero() - staged.added();
            self.spending.add(sent_at, &stream, owner.as_deref(), &back);
        }
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.used = now;
        session.in_flight = session.in_flight.saturating_sub(1);
        let outcome = match ending {
            Ending::Withdrawn => Outcome::Withdrawn,
            Ending::NoAnswer => Outcome::NoAnswer,
            Ending::Failed => Outcome::Failed,
            Ending::Done { pixels } => Outcome::Done(price.of_pixels(pixels)),
        };
        let settlement = session.ledger.settle(staged, outcome);
        let settled = Settled { payment, at: wall, ending, settlement };
        self.entries.push_back(Entry::Settled(Box::new(settled)));
    }

    /// Closes the accounts of sessions that were not used for long.
    pub fn handle_timeout(&mut self, now: Instant, wall: SystemTime) {
        let idle = self.config.session_idle;
        let entries = &mut self.entries;
        self.sessions.retain(|key, session| {
            let unused = now.saturating_duration_since(session.used) >= idle;
            let over = unused && session.in_flight == 0;
            if over && session.ledger.totals() != &LedgerTotals::default() {
                entries.push_back(Entry::Closed {
                    at: wall,
                    recipient: key.recipient.into_array(),
                    session_id: key.session_id.clone(),
                    left: session.ledger.balance().clone(),
                });
            }
            !over
        });
    }

    /// Makes sure that the session has an account, and has not become too dear.
    fn check_session(
        &mut self,
        now: Instant,
        wall: SystemTime,
        key: &Key,
        price: Price,
    ) -> Result<(), Refusal> {
        if let Some(session) = self.sessions.get(key) {
            let initial = session.initial_price;
            let doubled = price.more_than_doubled(initial);
            return if doubled { Err(Refusal::PriceDoubled { initial, price }) } else { Ok(()) };
        }
        if self.sessions.len() >= MAX_SESSIONS {
            self.handle_timeout(now, wall);
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(Refusal::TooManySessions);
        }
        let ours = |it: &&Key| it.recipient == key.recipient;
        if self.sessions.len() >= MAX_SESSIONS / 2
            && self.sessions.keys().filter(ours).count() >= MAX_SESSIONS_OF_ONE
        {
            return Err(Refusal::ManySessions);
        }
        let session =
            Session { ledger: Ledger::default(), initial_price: price, used: now, in_flight: 0 };
        self.sessions.insert(key.clone(), session);
        Ok(())
    }

    fn stage(
        &mut self,
        now: Instant,
        key: &Key,
        price: Price,
        pixels: u64,
        params: Option<&TicketParams>,
    ) -> Result<Staged, Refusal> {
        let ev = params.map(TicketParams::expected_value).unwrap_or_default();
        let session = self.sessions.get_mut(key).ok_or(Refusal::TooManySessions)?;
        // What costs nothing needs no tickets, whatever they would be worth.
        let ev = if price.is_free() { Wei::zero() } else { ev };
        let staged = session.ledger.stage(&estimated_fee(pixels, price), &ev)?;
        session.used = now;
        session.in_flight += 1;
        Ok(staged)
    }

    fn give_back(&mut self, key: &Key, staged: Staged) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.in_flight = session.in_flight.saturating_sub(1);
        session.ledger.settle(staged, Outcome::Withdrawn);
    }

    /// Nonces for the tickets that are missing, within every limit.
    fn take(
        &mut self,
        wall: SystemTime,
        request: &PaymentRequest,
        params: Option<&TicketParams>,
        staged: &Staged,
    ) -> Result<Option<UnsignedBatch>, Refusal> {
        let Some((params, tickets)) = params.zip(NonZeroU32::new(staged.tickets())) else {
            return Ok(None);
        };
        if !self.has_view {
            return Err(Refusal::ChainUnknown);
        }
        self.check_budgets(wall, request, staged.added())?;
        Ok(Some(self.sender.take(params, tickets)?))
    }

    fn check_budgets(
        &self,
        wall: SystemTime,
        request: &PaymentRequest,
        wanted: &Wei,
    ) -> Result<(), Refusal> {
        let owner = request.owner.as_deref();
        for budget in self.config.budgets.iter().filter(|it| it.covers(&request.stream, owner)) {
            let spent = self.spending.spent(wall, budget, &request.stream);
            let left = budget.limit_for(&request.pool) - &spent;
            if *wanted > left {
                return Err(Refusal::Budget {
                    used_up: *wanted > &budget.limit - &spent,
                    budget: Box::new(budget.clone()),
                    left: left.floor().to_string(),
                    wanted: wanted.ceil().to_string(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
