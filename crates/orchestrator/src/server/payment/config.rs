//! What an orchestrator asks for its work.

use tickets::{Address, Price, PrivateKey, TicketPolicy};

/// How an [`super::super::OrchestratorServer`] is paid.
#[derive(Clone, Debug)]
pub struct PaidConfig {
    /// Signs results and answers. Its address is the one gateways know the orchestrator by.
    pub key: PrivateKey,
    /// Whom tickets pay: the registered orchestrator, as a rule the key's address.
    pub recipient: Address,
    /// What a pixel costs, before the cost of redeeming; both numbers at most `i64::MAX`. Free work is
    /// possible: it needs no tickets, but signatures all the same.
    pub price: Price,
    /// Whether the cost of redeeming tickets is put on top of the price.
    pub adjust_price: bool,
    /// What tickets are to be worth.
    pub tickets: TicketPolicy,
}

impl PaidConfig {
    /// The network's defaults, at this price, paid to the key's own address.
    #[must_use]
    pub fn new(key: PrivateKey, price: Price) -> Self {
        let (recipient, tickets) = (key.address(), TicketPolicy::default());
        Self { key, recipient, price, adjust_price: true, tickets }
    }
}
