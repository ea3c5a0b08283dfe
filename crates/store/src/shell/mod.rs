//! The store's side of files, connections and deadlines.

mod appender;
mod error;
mod ledger;
mod link;
mod record;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

pub use appender::APPEND_QUEUE;
pub use record::RESTORE_LIMIT;
pub use store::{OPERATION_LIMIT, Store};
