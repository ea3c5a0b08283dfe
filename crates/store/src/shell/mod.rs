//! The store's side of files, connections and deadlines.

mod appender;
mod engine;
mod error;
mod ledger;
mod memory;
mod migration;
mod postgres;
mod record;
mod seat;
mod sqlite;
mod statement;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod value;

pub use appender::APPEND_QUEUE;
pub use record::RESTORE_LIMIT;
pub use store::{OPERATION_LIMIT, Store};
