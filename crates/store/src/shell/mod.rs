//! The store's side of files, connections and deadlines.

mod sqlite;
mod store;
#[cfg(test)]
mod tests;

pub use store::{OPERATION_LIMIT, Store};
