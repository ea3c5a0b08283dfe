//! The side that is paid.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, B256, U256};

use crate::{
    ExpirationParams, PaymentError, Price, ReceiverSecret, SenderFunds, Signature, Ticket,
    TicketParams, Wei, recipient_rand_hash, win_prob,
};

/// L1 blocks that issued params are valid for.
const VALID_BLOCKS: u64 = 40;
/// Most distinct nonces per `recipient_rand_hash`.
const MAX_NONCES: usize = 600;
/// Most `recipient_rand_hash`es whose nonces are remembered. Where all are still valid, tickets on
/// further ones are refused as if their nonces were used up.
const MAX_OPEN: usize = 1 << 17;

/// What a receiver knows of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverView {
    /// Latest L1 block.
    pub l1_block: u64,
    /// Number of the protocol's last initialized round.
    pub last_initialized_round: u64,
    /// The latest round whose block hash the contract has stored: tickets made in others can't be
    /// redeemed.
    pub round: ExpirationParams,
    /// Whether the recipient is in the active set.
    pub active: bool,
}

/// A payment as it came in, but for what the wire's reader refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who pays.
    pub sender: Address,
    /// The terms, with the round that the tickets were made in as `expiration`.
    pub params: TicketParams,
    /// The price that came with the terms.
    pub expected_price: Price,
    /// The tickets.
    pub tickets: Vec<SenderTicket>,
}

/// What tells one ticket of a payment from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderTicket {
    /// Its nonce.
    pub nonce: u32,
    /// The sender's signature, as the wire had it.
    pub signature: Vec<u8>,
}

/// What came of a payment.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "winning tickets are to be redeemed, and refused payments to be answered"]
pub struct PaymentOutcome {
    /// What to credit: the expected value of the tickets before the first that was refused.
    pub credited: Wei,
    /// How many these are.
    pub accepted: u32,
    /// Tickets to be redeemed, perhaps of a payment that is refused.
    pub winning: Vec<WinningTicket>,
    /// Why the request is to be refused, if it is.
    pub refusal: Option<PaymentError>,
}

/// All that the contract wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WinningTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// The sender's signature.
    pub signature: Signature,
    /// The recipient's number. With it a sender can make tickets that never win: keep it to yourself
    /// until the ticket is redeemed.
    pub recipient_rand: U256,
}

#[derive(Debug)]
struct Seen {
    nonces: HashSet<u32>,
    expiration_block: u64,
}

/// Issues ticket params and takes the tickets that are made on them.
#[derive(Debug)]
pub struct TicketReceiver {
    recipient: Address,
    secret: ReceiverSecret,
    view: ReceiverView,
    seen: HashMap<B256, Seen>,
    capacity: usize,
}

impl TicketReceiver {
    /// A receiver that knows no block yet.
    #[must_use]
    pub fn new(recipient: Address, secret: ReceiverSecret) -> Self {
        let view = ReceiverView::default();
        Self { recipient, secret, view, seen: HashMap::new(), capacity: MAX_OPEN }
    }

    /// Takes the latest blocks and rounds. The block number never goes back: nonces are forgotten by
    /// it.
    pub fn handle_view(&mut self, view: ReceiverView) {
        let l1_block = self.view.l1_block.max(view.l1_block);
        if l1_block > self.view.l1_block {
            self.seen.retain(|_, seen| seen.expiration_block > l1_block);
        }
        self.view = ReceiverView { l1_block, ..view };
    }

    /// Terms for tickets of `sender` at `price` that are worth `ev` wei each (livepeer-wire §4.7). The
    /// seed is random. Where nothing is to be paid the terms are for worthless tickets.
    #[must_use]
    pub fn issue(
        &self,
        sender: Address,
        price: Price,
        (ev, face_value): (U256, U256),
        seed: U256,
    ) -> TicketParams {
        let (ev, face_value) =
            if price.is_free() { (U256::ZERO, U256::ZERO) } else { (ev, face_value) };
        let mut params = TicketParams {
            recipient: self.recipient,
            face_value,
            win_prob: win_prob(ev, face_value),
            recipient_rand_hash: B256::ZERO,
            seed,
            expiration_block: self.view.l1_block.saturating_add(VALID_BLOCKS),
            expiration: self.view.round,
        };
        let recipient_rand = self.secret.recipient_rand(&params, sender, price);
        params.recipient_rand_hash = recipient_rand_hash(recipient_rand);
        params
    }

    /// Examines a payment (livepeer-wire §4.8). `funds` is what the chain says about the sender, or
    /// why it couldn't be asked.
    pub fn receive(
        &mut self,
        payment: &Payment,
        funds: Result<&SenderFunds, &str>,
    ) -> PaymentOutcome {
        let mut outcome = PaymentOutcome::default();
        let recipient_rand = match self.check_payment(payment, funds) {
            Ok(recipient_rand) => recipient_rand,
            Err(fault) => return PaymentOutcome { refusal: Some(fault), ..outcome },
        };
        for one in &payment.tickets {
            let (params, sender) = (&payment.params, payment.sender);
            let ticket = Ticket::new(params, params.expiration, sender, one.nonce);
            match self.receive_ticket(&ticket, one, params.expiration_block, recipient_rand) {
                (won, Ok(())) => {
                    if outcome.refusal.is_none() {
                        outcome.accepted += 1;
                    }
                    outcome.winning.extend(won);
                }
                (won, Err(fault)) => {
                    outcome.winning.extend(won);
                    outcome.refusal = Some(fault);
                }
            }
        }
        // They are all of the same terms.
        outcome.credited = payment.params.expected_value().times(u64::from(outcome.accepted));
        outcome
    }

    /// What all tickets of a payment have in common; gives the number that decides which ones win.
    fn check_payment(
        &self,
        payment: &Payment,
        funds: Result<&SenderFunds, &str>,
    ) -> Result<U256, PaymentError> {
        let Payment { sender, ref params, expected_price, .. } = *payment;
        let round = self.view.last_initialized_round;
        if !self.view.active {
            return Err(PaymentError::Inactive { recipient: params.recipient, round });
        }
        let funds = funds
            .map_err(|reason| PaymentError::SenderUnknown { sender, reason: reason.to_owned() })?;
        if funds.unlock_soon(round) {
            return Err(PaymentError::UnlockSoon(sender));
        }
        if params.recipient != self.recipient {
            return Err(PaymentError::Recipient);
        }
        if sender.is_zero() {
            return Err(PaymentError::Sender);
        }
        let recipient_rand = self.secret.recipient_rand(params, sender, expected_price);
        if recipient_rand_hash(recipient_rand) != params.recipient_rand_hash {
            return Err(PaymentError::RecipientRand);
        }
        Ok(recipient_rand)
    }

    /// One ticket: whether it is to be redeemed, and whether it is to be credited. A ticket that comes
    /// too late, or as one too many, may still win; one that was seen before has had its chance.
    fn receive_ticket(
        &mut self,
        ticket: &Ticket,
        signed: &SenderTicket,
        expiration_block: u64,
        recipient_rand: U256,
    ) -> (Option<WinningTicket>, Result<(), PaymentError>) {
        let signature = match Signature::from_wire(&signed.signature) {
            Ok(signature) if signature.verify(ticket.sender, ticket.hash().as_slice()).is_ok() => {
                signature
            }
            Ok(_) | Err(_) => return (None, Err(PaymentError::Signature)),
        };
        let won = ticket.wins(&signature, recipient_rand).then(|| WinningTicket {
            ticket: ticket.clone(),
            signature,
            recipient_rand,
        });
        if expiration_block <= self.view.l1_block {
            return (won, Err(PaymentError::Expired));
        }
        match self.use_nonce(ticket, expiration_block) {
            Err(fault @ PaymentError::NonceSeen { .. }) => (None, Err(fault)),
            result => (won, result),
        }
    }

    fn use_nonce(&mut self, ticket: &Ticket, expiration_block: u64) -> Result<(), PaymentError> {
        let (sender, nonce) = (ticket.sender, ticket.sender_nonce);
        let open = self.seen.len();
        if open >= self.capacity && !self.seen.contains_key(&ticket.recipient_rand_hash) {
            return Err(PaymentError::TooManyNonces { sender, nonces: open });
        }
        let seen = self
            .seen
            .entry(ticket.recipient_rand_hash)
            .or_insert_with(|| Seen { nonces: HashSet::new(), expiration_block });
        if seen.nonces.contains(&nonce) {
            return Err(PaymentError::NonceSeen { sender, nonce });
        }
        if seen.nonces.len() >= MAX_NONCES {
            return Err(PaymentError::TooManyNonces { sender, nonces: seen.nonces.len() });
        }
        seen.nonces.insert(nonce);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
