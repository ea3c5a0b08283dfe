//! Prices, tickets and credit of an orchestrator that is paid.

use std::time::Duration;

use tickets::{
    AccountError, Accounts, Address, InsufficientReserve, PaymentError, PaymentOutcome, Price,
    ReceiverSecret, SessionKey, TicketPolicy, TicketReceiver, U256, Wei, WinningTicket,
};

use super::{ChainState, PaymentTotals, ReceivedPayment, SenderAccount};
use crate::Quote;

/// Credit of a session that neither paid nor worked for so long is forgotten.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// How often that is looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// Why a payment, or a segment that it was to pay for, is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PaymentRefusal {
    #[error(transparent)]
    Payment(#[from] PaymentError),
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Why no terms are given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuoteRefusal {
    #[error(transparent)]
    Reserve(#[from] InsufficientReserve),
    #[error("could not get sender info for {sender}: {reason}")]
    SenderUnknown { sender: Address, reason: String },
}

/// What came of a payment.
#[derive(Debug)]
#[must_use = "winning tickets are to be redeemed, and refused payments to be answered"]
pub(crate) struct Taken {
    pub(crate) winning: Vec<WinningTicket>,
    pub(crate) result: Result<(), PaymentRefusal>,
}

/// An orchestrator's books. Times count from any fixed moment.
#[derive(Debug)]
pub(crate) struct PaymentDesk {
    recipient: Address,
    receiver: TicketReceiver,
    accounts: Accounts,
    base_price: Price,
    adjust_price: bool,
    policy: TicketPolicy,
    totals: PaymentTotals,
    swept: Duration,
}

impl PaymentDesk {
    /// Books without an entry. `secret` is random: with another one, no ticket params issued before
    /// are valid.
    pub(crate) fn new(
        recipient: Address,
        secret: ReceiverSecret,
        (base_price, adjust_price): (Price, bool),
        policy: TicketPolicy,
    ) -> Self {
        Self {
            recipient,
            receiver: TicketReceiver::new(recipient, secret),
            accounts: Accounts::default(),
            base_price,
            adjust_price,
            policy,
            totals: PaymentTotals::default(),
            swept: Duration::ZERO,
        }
    }

    /// Terms for a session's next tickets, with a fresh random seed (livepeer-wire §4.6, §4.7). The
    /// price is the session's, once it has paid.
    pub(crate) fn quote(
        &mut self,
        key: &SessionKey,
        chain: &ChainState,
        account: Result<&SenderAccount, &str>,
        seed: U256,
    ) -> Result<Quote, QuoteRefusal> {
        self.receiver.handle_view(chain.view);
        let sender = key.sender;
        let face_value = if self.base_price.is_free() {
            U256::ZERO
        } else {
            let unknown =
                |reason: &str| QuoteRefusal::SenderUnknown { sender, reason: reason.to_owned() };
            let float = account.map_err(unknown)?.float.max_float();
            self.policy.face_value(chain.gas_price, float)?
        };
        let fixed = self.accounts.price(key);
        let price = fixed.unwrap_or_else(|| self.price_with_overhead(chain.gas_price, face_value));
        let sizes = (self.policy.ticket_ev, face_value);
        let params = self.receiver.issue(sender, price, sizes, seed);
        Ok(Quote { session_id: key.session_id.clone(), price, params })
    }

    /// Takes a payment for a session, and its tickets (livepeer-wire §4.8).
    pub(crate) fn take(
        &mut self,
        now: Duration,
        key: &SessionKey,
        payment: &ReceivedPayment,
        chain: &ChainState,
        account: Result<&SenderAccount, &str>,
    ) -> Taken {
        self.receiver.handle_view(chain.view);
        self.sweep(now);
        let taken = match self.check_terms(key, payment, chain) {
            Err(fault) => Taken { winning: Vec::new(), result: Err(fault.into()) },
            Ok(()) => match &payment.with_tickets {
                None => Taken { winning: Vec::new(), result: Ok(()) },
                Some(tickets) => self.take_tickets(now, key, tickets, account),
            },
        };
        let counter = match &taken.result {
            Ok(()) => &mut self.totals.payments,
            Err(_) => &mut self.totals.refused,
        };
        *counter = counter.saturating_add(1);
        taken
    }

    /// Whether a session may have a segment worked on at that price.
    pub(crate) fn check_credit(&self, key: &SessionKey, price: Price) -> Result<(), AccountError> {
        self.accounts.check(key, price, self.policy.ticket_ev)
    }

    /// Charges work that was done; gives what it cost.
    pub(crate) fn debit(
        &mut self,
        now: Duration,
        key: &SessionKey,
        pixels: u64,
        price: Price,
    ) -> Wei {
        let fee = self.accounts.debit(now, key, pixels, price);
        self.totals.debited += &fee;
        fee
    }

    /// A session's credit.
    pub(crate) fn balance(&self, key: &SessionKey) -> Wei {
        self.accounts.balance(key)
    }

    /// The sums.
    pub(crate) const fn totals(&self) -> &PaymentTotals {
        &self.totals
    }

    /// Everything but the tickets. Those bind the price to terms that were given; without any, only
    /// the session's price can be meant.
    fn check_terms(
        &self,
        key: &SessionKey,
        payment: &ReceivedPayment,
        chain: &ChainState,
    ) -> Result<(), PaymentError> {
        if !chain.view.active {
            let round = chain.view.last_initialized_round;
            return Err(PaymentError::Inactive { recipient: self.recipient, round });
        }
        let price = payment.price;
        let fault = match self.accounts.price(key) {
            Some(fixed) if fixed != price => format!("{price} is not the session's price {fixed}"),
            None if price.is_free() && !self.base_price.is_free() => {
                format!("{price} was never quoted")
            }
            Some(_) | None => return Ok(()),
        };
        Err(PaymentError::InvalidPrice(fault))
    }

    fn take_tickets(
        &mut self,
        now: Duration,
        key: &SessionKey,
        payment: &tickets::Payment,
        account: Result<&SenderAccount, &str>,
    ) -> Taken {
        let is_new = self.accounts.price(key).is_none();
        let price = payment.expected_price;
        // Room for the credit first: tickets that are taken have to be credited.
        if let Err(fault) = self.accounts.credit(now, key, &Wei::zero(), price) {
            return Taken { winning: Vec::new(), result: Err(fault.into()) };
        }
        let funds = account.map(|account| &account.funds);
        let PaymentOutcome { credited, accepted, winning, refusal } =
            self.receiver.receive(payment, funds);
        // What came before a fault is credited, though the request is refused.
        let booked = self.accounts.credit(now, key, &credited, price);
        let result = refusal.map_or(Ok(()), |fault| Err(fault.into()));
        let result = booked.map_err(PaymentRefusal::from).and(result);
        if is_new && credited.is_zero() {
            self.accounts.end(key);
        }
        self.totals.credited += &credited;
        self.totals.tickets = self.totals.tickets.saturating_add(u64::from(accepted));
        let won = u64::try_from(winning.len()).unwrap_or(u64::MAX);
        self.totals.winning = self.totals.winning.saturating_add(won);
        Taken { winning, result }
    }

    /// The base price, and what redeeming costs on top. What rounds to nothing stays as it is: the
    /// network knows no finer price than a thousandth of a wei.
    fn price_with_overhead(&self, gas_price: U256, face_value: U256) -> Price {
        let (tx_cost, face_value) = self.policy.overhead(gas_price, face_value);
        if !self.adjust_price || tx_cost.is_zero() || face_value.is_zero() {
            return self.base_price;
        }
        let adjusted = self.base_price.with_overhead(&tx_cost, &face_value);
        adjusted.filter(|price| *price > self.base_price).unwrap_or(self.base_price)
    }

    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) >= SWEEP {
            self.swept = now;
            self.accounts.forget_idle(now, IDLE);
        }
    }
}

#[cfg(test)]
mod tests;
