//! Pays orchestrators per segment, exactly, within budgets.
//!
//! [`Payer`] decides, for each attempt, how many tickets go along, whether the operator's limits allow
//! them, and what has to be on record before they leave; and books how the attempt ended. It is a core:
//! time, block numbers, quotes and outcomes are inputs, and [`Entry`]s for a store come out. It signs
//! nothing and stores nothing.
//!
//! It deliberately knows neither the wire nor the router: whoever sends segments turns a quote into
//! [`Terms`], and a [`Payment`] into headers.
//!
//! Start reading at [`Payer`], then [`Budget`], then [`Entry`].

#![warn(missing_docs)]

mod budget;
mod entry;
mod payer;
mod record;
mod refusal;
mod report;
mod request;
mod spending;

pub use budget::{AtLimit, Budget, BudgetScope, BudgetWindow, CheaperPools};
pub use entry::{Ending, Entry, PaymentId, Sent, Settled};
pub use payer::{Payer, PayerConfig, Payment, Restored};
pub use record::{BoxFuture, PaymentRecord, RecordError};
pub use refusal::{Refusal, RefusalClass};
pub use report::{ReportLine, ReportTotals};
pub use request::{PaymentRequest, Terms};
pub use spending::SpentMinute;
