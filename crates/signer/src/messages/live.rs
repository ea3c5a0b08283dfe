//! `POST /generate-live-payment`: go-livepeer's call for live jobs (livepeer-wire §7).

/// Path of the call.
pub const PATH: &str = "/generate-live-payment";
/// Ticket params or token are too old: ask the orchestrator again.
pub const STATUS_REFRESH: u16 = 480;
/// The orchestrator is too dear.
pub const STATUS_PRICE: u16 = 481;
/// The balance covers what is due: send nothing, keep the state.
pub const STATUS_NO_TICKETS: u16 = 482;
