//! The side that pays.

use std::num::NonZeroU32;

use alloy_primitives::Address;

use crate::{
    ExpirationParams, NonceMark, SenderError, SenderFunds, SenderLimits, TicketParams,
    UnsignedBatch,
    nonces::{NoNonces, Nonces},
    sender_checks::check,
};

/// Most tickets in one payment, whose header grows by about 100 bytes with each.
pub const MAX_BATCH: u32 = 100;
/// Highest nonce: recipients take no more distinct ones per `recipient_rand_hash`.
pub const MAX_NONCE: u32 = 600;

/// What is known of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainView {
    /// Latest L1 block. On a second-layer chain this is not the chain's own block number.
    pub l1_block: u64,
    /// Number of the protocol's last initialized round.
    pub last_initialized_round: u64,
    /// The round that tickets are made in where an orchestrator names none.
    pub round: ExpirationParams,
}

/// Hands out nonces, each once, after the network's and the operator's checks. The tickets of a batch
/// are signed elsewhere.
#[derive(Debug)]
pub struct TicketSender {
    address: Address,
    limits: SenderLimits,
    funds: SenderFunds,
    view: ChainView,
    nonces: Nonces,
}

impl TicketSender {
    /// A sender that has no funds and knows no block yet.
    #[must_use]
    pub fn new(address: Address, limits: SenderLimits) -> Self {
        Self {
            address,
            limits,
            funds: SenderFunds::default(),
            view: ChainView::default(),
            nonces: Nonces::default(),
        }
    }

    /// Who pays.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Takes the latest blocks and rounds.
    pub fn handle_view(&mut self, view: ChainView) {
        self.view = view;
    }

    /// Takes what the payment contract says.
    pub fn handle_funds(&mut self, funds: SenderFunds) {
        self.funds = funds;
    }

    /// Takes other limits, for batches from now on.
    pub fn handle_limits(&mut self, limits: SenderLimits) {
        self.limits = limits;
    }

    /// Takes up a mark that was recorded before a restart.
    pub fn handle_mark(&mut self, mark: NonceMark) {
        self.nonces.remember(mark);
    }

    /// Highest nonce used with the params; zero when none was.
    #[must_use]
    pub fn last_nonce(&self, params: &TicketParams) -> u32 {
        self.nonces.last(&params.recipient_rand_hash)
    }

    /// Whether so many tickets could be made on these terms now (livepeer-wire §4.5), but for nonces.
    pub fn check(&self, params: &TicketParams, tickets: u32) -> Result<(), SenderError> {
        check(params, tickets, &self.limits, &self.funds, &self.view)
    }

    /// Takes nonces for so many tickets. They are used from now on, whether or not the tickets are
    /// ever sent; a refusal uses none.
    pub fn take(
        &mut self,
        params: &TicketParams,
        tickets: NonZeroU32,
    ) -> Result<UnsignedBatch, SenderError> {
        self.check(params, tickets.get())?;
        if tickets.get() > MAX_BATCH {
            return Err(SenderError::BatchTooLarge { tickets: tickets.get(), max: MAX_BATCH });
        }
        let expiration = self.round_for(params)?;
        let (hash, expiration_block) = (params.recipient_rand_hash, params.expiration_block);
        let l1_block = self.view.l1_block;
        let first_nonce = self
            .nonces
            .take(hash, expiration_block, tickets.get(), MAX_NONCE, l1_block)
            .map_err(|reason| match reason {
                NoNonces::UsedUp => SenderError::NoncesUsedUp,
                NoNonces::Forgotten => SenderError::Expired { expiration_block, l1_block },
                NoNonces::TooManyOpen => SenderError::TooManyOpen,
            })?;
        Ok(UnsignedBatch {
            sender: self.address,
            params: params.clone(),
            expiration,
            first_nonce,
            count: tickets,
        })
    }

    fn round_for(&self, params: &TicketParams) -> Result<ExpirationParams, SenderError> {
        [params.expiration, self.view.round]
            .into_iter()
            .find(ExpirationParams::is_complete)
            .ok_or(SenderError::NoRound)
    }
}

#[cfg(test)]
mod tests;
