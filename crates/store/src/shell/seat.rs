//! Places for connections: whoever has one lent is the only one that uses it.

use sqlx::Connection;
use tokio::sync::{Mutex, MutexGuard};

use super::error::EngineError;

/// A place for a connection. One that is lost, or in the middle of something when it is given up, is ended,
/// and opened anew for the next operation.
#[derive(Debug)]
pub(super) struct Seat<C> {
    connection: Option<C>,
    closed: bool,
}

impl<C> Default for Seat<C> {
    fn default() -> Self {
        Self { connection: None, closed: false }
    }
}

impl<C: Connection> Seat<C> {
    /// A place that has one.
    pub(super) fn with(connection: C) -> Mutex<Self> {
        Mutex::new(Self { connection: Some(connection), closed: false })
    }

    /// Its connection, if it has one.
    ///
    /// # Errors
    /// [`EngineError::Closed`] once it gives none any more.
    pub(super) fn take(&mut self) -> Result<Option<C>, EngineError> {
        if self.closed { Err(EngineError::Closed) } else { Ok(self.connection.take()) }
    }

    /// Gives one back.
    pub(super) fn put(&mut self, connection: C) {
        self.connection = Some(connection);
    }

    /// Ends its connection, in order; it gives none any more.
    pub(super) async fn close(&mut self) {
        self.closed = true;
        if let Some(connection) = self.connection.take() {
            // The other side notices in any case.
            drop(connection.close().await);
        }
    }
}

/// The first of two that is free, or else the second once it is.
pub(super) async fn free<C>(seats: &[Mutex<Seat<C>>; 2]) -> MutexGuard<'_, Seat<C>> {
    let [first, second] = seats;
    match first.try_lock() {
        Ok(seat) => seat,
        Err(_) => second.lock().await,
    }
}

/// A connection in a transaction. It returns to its place when that ends; dropped, it ends itself, and
/// what was not committed is undone.
#[derive(Debug)]
pub(super) struct Lent<'e, C> {
    seat: MutexGuard<'e, Seat<C>>,
    connection: C,
}

impl<'e, C: Connection> Lent<'e, C> {
    /// One of this place, which has begun a transaction.
    pub(super) const fn new(seat: MutexGuard<'e, Seat<C>>, connection: C) -> Self {
        Self { seat, connection }
    }

    /// The connection.
    pub(super) const fn connection(&mut self) -> &mut C {
        &mut self.connection
    }

    /// The transaction has ended: gives the connection back.
    pub(super) fn give_back(mut self) {
        self.seat.put(self.connection);
    }
}
