//! Where entries are kept: a port that a store implements.

use std::{fmt, future::Future, pin::Pin, time::SystemTime};

use crate::{entry::Entry, payer::Restored, report::ReportLine};

/// A future of the port's methods.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The record could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(#[from] Box<dyn std::error::Error + Send + Sync>);

impl RecordError {
    /// Wraps the store's own error.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Keeps every entry, for good: what a [`Payer`](crate::Payer) says has to be there before a ticket
/// leaves the house.
pub trait PaymentRecord: fmt::Debug + Send + Sync + 'static {
    /// What earlier runs left. Payments that were sent and never settled are settled here, as in doubt:
    /// call it once, at the start, while nothing is in flight.
    fn restore(&self, at: SystemTime) -> BoxFuture<'_, Result<Restored, RecordError>>;

    /// Keeps these entries, all or none, in their order. They survive the end of the process from the
    /// moment this returns.
    ///
    /// After an error, or when the future was dropped, they may have been kept all the same. So the same
    /// batch is to be appended again, with the same entries in the same order, until this returns `Ok`,
    /// and before anything else is: a batch that is on record already changes nothing and is `Ok`. What
    /// has the name of a payment that is on record, and is not the same in all, stays an error.
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<(), RecordError>>;

    /// Where every wei went since then, by stream, orchestrator and day.
    fn report(&self, since: SystemTime) -> BoxFuture<'_, Result<Vec<ReportLine>, RecordError>>;
}
