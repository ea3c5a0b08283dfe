//! What an orchestrator that is paid adds: prices, ticket params, credit.
//!
//! [`PaymentDesk`] decides and keeps the books, without I/O: what is known of the chain, the time and
//! random seeds are inputs. The ports [`PaymentChain`] and [`Redeemer`] carry what it needs of the
//! chain, and what has to get there. `shell/till.rs` brings the three together on the wire.

mod chain;
mod config;
mod desk;
mod received;
mod redeemer;
mod totals;

pub use chain::{ChainState, OfflineChain, PaymentChain, SenderAccount, StaticChain};
pub use config::PaidConfig;
pub(super) use desk::{PaymentDesk, PaymentRefusal, QuoteRefusal};
pub(super) use received::ReceivedPayment;
pub use redeemer::{RedeemError, Redeemer};
pub use totals::PaymentTotals;
