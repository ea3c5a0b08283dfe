//! Probabilistic micropayments of the Livepeer network.
//!
//! A gateway pays for each segment with lottery tickets that it signs; an orchestrator credits their
//! expected value and redeems the few that win. This crate owns both sides' arithmetic and rules:
//! [`Ticket`]s, [`Signature`]s, the [`TicketSender`] and the [`TicketReceiver`], a session's
//! [`Ledger`], what requests and segments are signed over ([`signed`]), and the [`keystore`] a key is
//! kept in.
//!
//! It deliberately has no network, no clock and no randomness: block numbers, rounds, funds, seeds and
//! salts are inputs. It knows no message format either; who speaks the wire converts. Amounts of wei
//! are integers ([`U256`]) or exact fractions ([`Wei`]), never floating point.
//!
//! Start reading at [`Ticket`], then [`TicketParams`], then [`TicketSender`] and [`Ledger`].

#![warn(missing_docs)]

mod accounts;
mod batch;
mod big_bytes;
mod estimate;
mod face_value;
mod keccak;
pub mod keystore;
mod ledger;
mod nonces;
mod params;
mod payment_error;
mod price;
mod private_key;
mod receiver;
mod receiver_secret;
mod sender;
mod sender_checks;
mod signature;
pub mod signed;
mod ticket;
mod wei;

pub use accounts::{AccountError, Accounts, SessionKey};
pub use alloy_primitives::{Address, B256, U256};
pub use batch::{BatchError, SignerFault, TicketBatch, UnsignedBatch};
pub use big_bytes::{big_bytes, from_big_bytes};
pub use estimate::{PaidRendition, estimated_fee, estimated_pixels};
pub use face_value::{InsufficientReserve, SenderFloat, TicketPolicy, win_prob};
pub use keccak::keccak256;
pub use ledger::{Ledger, LedgerError, LedgerTotals, Outcome, Settlement, Staged};
pub use nonces::NonceMark;
pub use params::{ExpirationParams, TicketParams};
pub use payment_error::PaymentError;
pub use price::Price;
pub use private_key::{KeyError, PrivateKey};
pub use receiver::{
    Payment, PaymentOutcome, ReceiverView, SenderTicket, TicketReceiver, WinningTicket,
};
pub use receiver_secret::{ReceiverSecret, recipient_rand_hash};
pub use sender::{ChainView, MAX_BATCH, MAX_NONCE, TicketSender};
pub use sender_checks::{Remedy, SenderError, SenderFunds, SenderLimits};
pub use signature::{Signature, SignatureError};
pub use ticket::{Ticket, expected_value};
pub use wei::{Wei, WeiError};
