//! Why nothing is signed.

use orchestrator::LiveOfferError;
use tickets::{Address, Price, U256, Wei};

use crate::{
    RequestFault, SpendLimit,
    messages::{
        error::{ErrorAnswer, ErrorBody},
        live::{STATUS_NO_TICKETS, STATUS_PRICE, STATUS_REFRESH},
    },
};

/// Why nothing is signed. A refusal uses no nonce and spends nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request says nothing that can be signed.
    #[error(transparent)]
    Request(#[from] RequestFault),
    /// The orchestrator's info can't be used.
    #[error(transparent)]
    Offer(#[from] LiveOfferError),
    /// A live job's request can't be granted as it is.
    #[error("{0}")]
    Live(&'static str),
    /// The key is somebody else's.
    #[error("this signer pays for {ours}, not for {asked}")]
    OtherSender {
        /// The signer's address.
        ours: Address,
        /// The request's.
        asked: Address,
    },
    /// The params say not when they expire.
    #[error("ticketParams expiration block is 0")]
    NoExpirationBlock,
    /// Params, or a token, are too old.
    #[error("{0}")]
    Expired(&'static str),
    /// A ticket that pays nothing, or never wins.
    #[error("ticket is worth nothing: face value or win probability is 0")]
    Worthless,
    /// A ticket would pay less than it is worth.
    #[error("ticket faceValue too low: {face_value} wei for an EV of {ev}")]
    FaceValueTooLow {
        /// What a winning ticket pays.
        face_value: U256,
        /// What it is worth, rounded down.
        ev: Wei,
    },
    /// A winning ticket would pay too much.
    #[error("ticket faceValue {face_value} > max faceValue {max}")]
    FaceValueTooHigh {
        /// What a winning ticket pays.
        face_value: U256,
        /// The limit.
        max: U256,
    },
    /// A ticket is worth too much.
    #[error("ticket EV {ev} > max ticket EV {max}")]
    TicketEv {
        /// What a ticket is worth, rounded down.
        ev: Wei,
        /// The limit.
        max: U256,
    },
    /// A call is worth too much.
    #[error("total ticket EV {ev} > max total ticket EV {max}")]
    CallEv {
        /// What the tickets are worth, rounded down.
        ev: Wei,
        /// The limit.
        max: U256,
    },
    /// A nonce was used before.
    #[error("nonce {0} was signed before on these ticket params")]
    NonceUsed(u32),
    /// A payment's name was used for another payment.
    #[error("this payment id was used for another payment")]
    PaymentReused,
    /// The orchestrator is too dear.
    #[error("{reason}: {price} wei per pixel or unit, over {max}")]
    Price {
        /// Which ceiling.
        reason: &'static str,
        /// The orchestrator's price.
        price: Price,
        /// The ceiling.
        max: Wei,
    },
    /// The balance covers what is due.
    #[error("no tickets: the balance covers what is due")]
    NoTickets,
    /// The limit of what may be spent is reached.
    #[error("the signer's limit per {} is reached", .limit.as_str())]
    Limit {
        /// Which.
        limit: SpendLimit,
        /// Seconds after which the same may be granted; `None` where waiting doesn't help.
        retry_after: Option<u64>,
    },
    /// The signer keeps no more streams or params in mind.
    #[error("too many {0} in use")]
    Full(&'static str),
}

impl Refusal {
    /// Status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Request(_)
            | Self::Offer(_)
            | Self::Live(_)
            | Self::OtherSender { .. }
            | Self::NoExpirationBlock
            | Self::Worthless
            | Self::FaceValueTooLow { .. }
            | Self::FaceValueTooHigh { .. }
            | Self::TicketEv { .. }
            | Self::CallEv { .. } => 400,
            Self::NonceUsed(_) | Self::PaymentReused => 409,
            Self::Expired(_) => STATUS_REFRESH,
            Self::Price { .. } => STATUS_PRICE,
            Self::NoTickets => STATUS_NO_TICKETS,
            Self::Limit { .. } => 429,
            Self::Full(_) => 503,
        }
    }

    /// A short name for answers, audits and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::Live(_) => "request",
            Self::Offer(_) => "orchestrator_info",
            Self::OtherSender { .. } => "sender",
            Self::NoExpirationBlock => "no_expiration",
            Self::Expired(_) => "expired",
            Self::Worthless => "worthless",
            Self::FaceValueTooLow { .. } => "face_value_low",
            Self::FaceValueTooHigh { .. } => "face_value_high",
            Self::TicketEv { .. } => "ticket_ev",
            Self::CallEv { .. } => "call_ev",
            Self::NonceUsed(_) => "nonce",
            Self::PaymentReused => "payment_id",
            Self::Price { .. } => "price",
            Self::NoTickets => "no_tickets",
            Self::Limit { .. } => "limit",
            Self::Full(_) => "full",
        }
    }

    /// Body of the answer.
    #[must_use]
    pub fn answer(&self) -> ErrorAnswer {
        let (mut limit, mut retry_after) = (None, None);
        if let Self::Limit { limit: reached, retry_after: after } = self {
            (limit, retry_after) = (Some(reached.as_str().to_owned()), *after);
        }
        let code = Some(self.code().to_owned());
        ErrorAnswer { error: ErrorBody { message: self.to_string(), code, limit, retry_after } }
    }
}
