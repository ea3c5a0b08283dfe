//! What outlives the process: the persistence ports of the house, over SQLite or Postgres.
//!
//! This crate owns the schema, the conversions between rows and the house's words, and the bounds of
//! every table. It deliberately decides nothing: what is worth keeping, and what is made of it later,
//! is the business of those who declare the ports ([`router::FleetMemory`], [`payer::PaymentRecord`]) and of
//! the root.
//!
//! - Everything kept has a bound, and the oldest goes first: [`router::MAX_REMEMBERED`],
//!   [`router::MAX_EVIDENCE`], [`MAX_STREAMS`], [`MAX_PAYMENTS`]. Money is an exception: where payments
//!   go, the sums of each day stay, and where those go, the sum of all of them ([`MAX_DAY_LINES`],
//!   [`MAX_SPENDERS`]).
//! - Every operation ends within [`OPERATION_LIMIT`], one way or the other; a start of the ledger within
//!   [`RESTORE_LIMIT`].
//! - What was appended to the ledger survives the end of the process, and of the machine's power: the
//!   write-ahead log is synced before an append returns. Appends that come together share one
//!   transaction, and one sync.
//! - The ledger is of one gateway. On a server a second one is refused for as long as the first one's
//!   connection lasts, and one that lost its connection goes on only where no other wrote in between. In a
//!   file, one that names a payment again is refused.
//! - A server that is lost makes operations fail within their limit, and is found again without a restart.
//!   No error, log line or `Debug` shows its password.
//! - A sequence number never goes back.
//! - A row that can't be read costs that row: it is left out and reported, the others come back. A sum
//!   of money that can't be read is an error.
//!
//! Rows and conversions know no engine, and statements are written once (`shell/memory`, `shell/ledger`),
//! over a transaction of whichever engine. An engine is a file below `shell/` that gives transactions, and
//! migrations of its own.
//!
//! Start reading at [`Store`], then `schema.rs`.

mod error;
mod evidence;
mod micros;
mod payment;
mod remembered;
mod schema;
mod sequence;
mod shell;
mod sums;

pub use error::{RowError, StoreError, StorePlace};
pub use evidence::{MAX_PICTURE_BYTES, MAX_PICTURES, MAX_TEXT_BYTES, StoredEvidence};
pub use payment::{MAX_MARKS, MAX_PAYMENTS, PAYMENT_DAYS, StoredPayment};
pub use sequence::MAX_STREAMS;
pub use shell::{APPEND_QUEUE, OPERATION_LIMIT, RESTORE_LIMIT, Store};
pub use sums::{MAX_DAY_LINES, MAX_SPENDERS};
