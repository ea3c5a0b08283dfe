//! What an orchestrator asks for its work, and how it wants to be paid.

use tickets::{Address, Price, TicketParams};

use crate::{proto, ticket_fields};

/// Terms of payment, all from one message. The params commit to the price and to the round, so terms
/// of two messages must never be mixed (livepeer-wire §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The session's id, from the token: credit belongs to it.
    pub session_id: String,
    /// What a pixel costs.
    pub price: Price,
    /// What tickets have to be; with them the recipient, and the round they are to be made in.
    pub params: TicketParams,
}

/// Why an orchestrator can't be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// It takes no payment, as off-chain.
    #[error("the orchestrator sent no ticket params")]
    NoParams,
    /// It says not what it costs.
    #[error("missing orchestrator price")]
    NoPrice,
    /// A field holds no value of its kind.
    #[error("the orchestrator's ticket params can't be used: {0}")]
    Malformed(&'static str),
}

impl Quote {
    /// Who is to be paid.
    #[must_use]
    pub const fn recipient(&self) -> Address {
        self.params.recipient
    }

    pub(crate) fn read(wire: &proto::OrchestratorInfo) -> Result<Self, QuoteError> {
        let params = wire.ticket_params.as_ref().ok_or(QuoteError::NoParams)?;
        let price = wire.price_info.as_ref().ok_or(QuoteError::NoPrice)?;
        let round = params.expiration_params.as_ref();
        let session_id = wire.auth_token.as_ref().map(|token| token.session_id.clone());
        Ok(Self {
            session_id: session_id.unwrap_or_default(),
            price: ticket_fields::read_price(price).map_err(QuoteError::Malformed)?,
            params: ticket_fields::read_params(params, round).map_err(QuoteError::Malformed)?,
        })
    }

    /// Puts the terms into what an orchestrator says of itself, beside its token.
    #[cfg(feature = "server")]
    pub(crate) fn write(&self, info: &mut proto::OrchestratorInfo) {
        let expiration_params = Some(ticket_fields::write_expiration(&self.params.expiration));
        let params = ticket_fields::write_params(&self.params);
        info.ticket_params = Some(proto::TicketParams { expiration_params, ..params });
        info.price_info = Some(ticket_fields::write_price(self.price));
    }
}
