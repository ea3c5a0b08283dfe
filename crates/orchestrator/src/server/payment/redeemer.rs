//! Where winning tickets go.

use std::fmt;

use tickets::WinningTicket;

/// A winning ticket that could not be put down.
#[derive(Debug, thiserror::Error)]
#[error("a winning ticket can't be kept: {0}")]
pub struct RedeemError(pub String);

/// The port that winning tickets are handed to. What it has taken it must not lose: each is worth its
/// face value, and all the others of its kind were worth nothing.
pub trait Redeemer: Send + Sync + fmt::Debug + 'static {
    /// Whether another one would be taken. While not, no payment is: nobody is made to pay with
    /// tickets whose wins would be lost. May block, as for a disk.
    fn has_room(&self) -> bool;

    /// Takes a ticket, for good once it returns. May block, as for a disk.
    ///
    /// # Errors
    /// When it isn't safe yet. The redeemer keeps it all the same, and tries again with the next.
    fn redeem(&self, ticket: WinningTicket) -> Result<(), RedeemError>;
}
