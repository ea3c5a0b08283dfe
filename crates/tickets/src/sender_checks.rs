//! What a sender makes sure of before it signs.

use std::num::NonZeroU64;

use alloy_primitives::U256;

use crate::{ChainView, TicketParams, Wei};

/// Fewest L1 blocks that ticket params must still live.
const FEWEST_BLOCKS: u64 = 2;

/// What one ticket, and one payment, may be worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderLimits {
    /// Most wei that one ticket may be worth on average.
    pub max_ticket_ev: U256,
    /// Most wei that the tickets of one payment may be worth on average.
    pub max_total_ev: U256,
    /// How many winning tickets the deposit must cover.
    pub deposit_multiplier: NonZeroU64,
}

/// The network's defaults (livepeer-wire §4.5).
impl Default for SenderLimits {
    fn default() -> Self {
        Self {
            max_ticket_ev: U256::from(3_000_000_000_000_u64),
            max_total_ev: U256::from(20_000_000_000_000_u64),
            deposit_multiplier: NonZeroU64::MIN,
        }
    }
}

/// What a sender has in the payment contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderFunds {
    /// Wei that winning tickets are paid from first.
    pub deposit: U256,
    /// Wei that guarantee what the deposit doesn't cover.
    pub reserve: U256,
    /// Round from which on both can be withdrawn; zero while they are locked.
    pub withdraw_round: U256,
}

impl SenderFunds {
    /// Whether the funds may be gone before a ticket is redeemed: they unlock in the next round, or
    /// have.
    #[must_use]
    pub fn unlock_soon(&self, last_initialized_round: u64) -> bool {
        let next = U256::from(last_initialized_round).saturating_add(U256::from(1));
        !self.withdraw_round.is_zero() && self.withdraw_round <= next
    }
}

/// Why no ticket is signed. The texts begin as the network's do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SenderError {
    /// The params say not when they expire.
    #[error("ticketParams expiration block is 0")]
    NoExpirationBlock,
    /// The params are too old.
    #[error("TicketParams expired: at L1 block {expiration_block}, now {l1_block}")]
    Expired {
        /// Block the params expire at.
        expiration_block: u64,
        /// Latest block the sender knows.
        l1_block: u64,
    },
    /// A ticket would pay less than it is worth.
    #[error("ticket faceValue too low: {face_value} wei for an EV of {ev}")]
    FaceValueTooLow {
        /// What a winning ticket pays.
        face_value: U256,
        /// What it is worth, rounded down.
        ev: Wei,
    },
    /// A ticket is worth more than the operator allows.
    #[error("ticket EV {ev} > max ticket EV {max}")]
    TicketEvTooHigh {
        /// What a ticket is worth, rounded down.
        ev: Wei,
        /// The limit.
        max: U256,
    },
    /// The sender is taking its money out.
    #[error("unable to validate sender: deposit and reserve is set to unlock soon")]
    UnlockSoon,
    /// There is no reserve, or none is known.
    #[error("no sender reserve")]
    NoReserve,
    /// There is no deposit, or none is known.
    #[error("no sender deposit")]
    NoDeposit,
    /// A payment is worth more than the operator allows.
    #[error("total ticket EV {ev} for {tickets} tickets > max total ticket EV {max}")]
    TotalEvTooHigh {
        /// What the tickets are worth, rounded down.
        ev: Wei,
        /// How many they are.
        tickets: u32,
        /// The limit.
        max: U256,
    },
    /// The deposit doesn't cover a win.
    #[error("ticket faceValue {face_value} > max faceValue {max}")]
    FaceValueTooHigh {
        /// What a winning ticket pays.
        face_value: U256,
        /// What the deposit allows.
        max: U256,
    },
    /// More tickets than one payment may hold.
    #[error("{tickets} tickets in one payment, of at most {max}")]
    BatchTooLarge {
        /// Tickets that were asked for.
        tickets: u32,
        /// The limit.
        max: u32,
    },
    /// The recipient takes no more tickets on these params.
    #[error("the ticket params' nonces are used up")]
    NoncesUsedUp,
    /// More unexpired params are in use than are remembered.
    #[error("too many ticket params are in use")]
    TooManyOpen,
    /// Neither the orchestrator nor the chain told a round to make tickets in.
    #[error("no round is known to make tickets in")]
    NoRound,
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// New ticket params of the same orchestrator.
    Refresh,
    /// Another orchestrator, or other limits.
    Other,
    /// Nothing but the operator: no orchestrator can be paid.
    Operator,
}

impl SenderError {
    /// What helps against it.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Expired { .. } | Self::NoncesUsedUp => Remedy::Refresh,
            Self::UnlockSoon
            | Self::NoReserve
            | Self::NoDeposit
            | Self::NoRound
            | Self::TooManyOpen => Remedy::Operator,
            Self::NoExpirationBlock
            | Self::FaceValueTooLow { .. }
            | Self::TicketEvTooHigh { .. }
            | Self::TotalEvTooHigh { .. }
            | Self::FaceValueTooHigh { .. }
            | Self::BatchTooLarge { .. } => Remedy::Other,
        }
    }

    /// A short name for records and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoExpirationBlock => "no_expiration",
            Self::Expired { .. } => "expired",
            Self::FaceValueTooLow { .. } => "face_value_low",
            Self::TicketEvTooHigh { .. } => "ticket_ev",
            Self::UnlockSoon => "unlock_soon",
            Self::NoReserve => "no_reserve",
            Self::NoDeposit => "no_deposit",
            Self::TotalEvTooHigh { .. } => "total_ev",
            Self::FaceValueTooHigh { .. } => "face_value_high",
            Self::BatchTooLarge { .. } => "batch_size",
            Self::NoncesUsedUp => "nonces",
            Self::TooManyOpen => "open_params",
            Self::NoRound => "no_round",
        }
    }
}

/// The network's checks, in its order (livepeer-wire §4.5).
pub(crate) fn check(
    params: &TicketParams,
    tickets: u32,
    limits: &SenderLimits,
    funds: &SenderFunds,
    view: &ChainView,
) -> Result<(), SenderError> {
    check_expiration(params.expiration_block, view.l1_block)?;
    let (ev, face_value) = (params.expected_value(), params.face_value);
    if !ev.is_positive() {
        return Ok(());
    }
    if ev >= Wei::new(face_value) {
        return Err(SenderError::FaceValueTooLow { face_value, ev: ev.floor() });
    }
    if ev > Wei::new(limits.max_ticket_ev) {
        return Err(SenderError::TicketEvTooHigh { ev: ev.floor(), max: limits.max_ticket_ev });
    }
    if funds.unlock_soon(view.last_initialized_round) {
        return Err(SenderError::UnlockSoon);
    }
    if funds.reserve.is_zero() {
        return Err(SenderError::NoReserve);
    }
    if funds.deposit.is_zero() {
        return Err(SenderError::NoDeposit);
    }
    let total = ev.times(u64::from(tickets));
    if total > Wei::new(limits.max_total_ev) {
        let (ev, max) = (total.floor(), limits.max_total_ev);
        return Err(SenderError::TotalEvTooHigh { ev, tickets, max });
    }
    let max = funds.deposit / U256::from(limits.deposit_multiplier.get());
    if face_value > max {
        return Err(SenderError::FaceValueTooHigh { face_value, max });
    }
    Ok(())
}

fn check_expiration(expiration_block: u64, l1_block: u64) -> Result<(), SenderError> {
    if expiration_block == 0 {
        return Err(SenderError::NoExpirationBlock);
    }
    if expiration_block.saturating_sub(l1_block) < FEWEST_BLOCKS {
        return Err(SenderError::Expired { expiration_block, l1_block });
    }
    Ok(())
}
