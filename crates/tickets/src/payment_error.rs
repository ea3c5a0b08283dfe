//! Why an orchestrator takes no payment.

use alloy_primitives::Address;

/// A refused payment, in the words that gateways match on (livepeer-wire §4.8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// The orchestrator isn't in the active set, so it couldn't redeem.
    #[error("orchestrator {recipient} is inactive in round {round}, cannot process payments")]
    Inactive {
        /// Whom the tickets would pay.
        recipient: Address,
        /// The current round.
        round: u64,
    },
    /// The payment says no price, or an impossible one.
    #[error("invalid expected price sent with payment err={0:?}")]
    InvalidPrice(String),
    /// The payment names no sender.
    #[error("Could not find Sender for payment: {0}")]
    NoSender(String),
    /// The chain couldn't be asked about the sender.
    #[error("could not get sender info for {sender}: {reason}")]
    SenderUnknown {
        /// Who wants to pay.
        sender: Address,
        /// What went wrong.
        reason: String,
    },
    /// The sender may take its money out before tickets are redeemed.
    #[error("deposit and reserve for sender {0} is set to unlock soon")]
    UnlockSoon(Address),
    /// The tickets pay somebody else.
    #[error("invalid ticket recipient")]
    Recipient,
    /// The tickets have no sender.
    #[error("invalid ticket sender")]
    Sender,
    /// The terms aren't those that were issued, to this sender, at this price.
    #[error("invalid recipientRand for ticket recipientRandHash")]
    RecipientRand,
    /// The signature isn't the sender's.
    #[error("invalid ticket signature")]
    Signature,
    /// The ticket was sent before.
    #[error("invalid ticket senderNonce: already seen sender={sender} nonce={nonce}")]
    NonceSeen {
        /// Who pays.
        sender: Address,
        /// The ticket's.
        nonce: u32,
    },
    /// No more tickets are taken on these terms.
    #[error("invalid ticket senderNonce: too many values sender={sender} nonces={nonces}")]
    TooManyNonces {
        /// Who pays.
        sender: Address,
        /// How many were seen.
        nonces: usize,
    },
    /// The terms are too old.
    #[error("TicketParams expired")]
    Expired,
}

impl PaymentError {
    /// Whether the payment's other tickets aren't even looked at.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Signature
            | Self::NonceSeen { .. }
            | Self::TooManyNonces { .. }
            | Self::Expired => false,
            Self::Inactive { .. }
            | Self::InvalidPrice(_)
            | Self::NoSender(_)
            | Self::SenderUnknown { .. }
            | Self::UnlockSoon(_)
            | Self::Recipient
            | Self::Sender
            | Self::RecipientRand => true,
        }
    }
}
