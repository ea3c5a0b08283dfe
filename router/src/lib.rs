//! Segments to orchestrators and back: selection, deadlines, retries, in-step release.
//!
//! This crate owns the way of a closed [`media::Segment`] to a [`media::PresentationSegment`]: which
//! orchestrator transcodes it, how often it is tried, whether what came back is what was asked for,
//! and when its sequence number appears in every playlist at once. It deliberately does not know how
//! to talk to an orchestrator (`orchestrator` does) nor what a playlist looks like (`playback` does).
//!
//! The core is [`Dispatcher`], one per stream: no I/O, no clock of its own, and chance only from a
//! seed. [`Router`] and [`StreamRoute`] are its shell.
//!
//! - A number is released to all renditions at once, in order, exactly once (HLS rules MV-9, MV-10).
//! - An orchestrator can delay the source by a bounded, configured time and never stop it.
//! - A result that comes after its gap was listed is discarded (PL-20).
//! - A result is checked and put on the source's timeline before anyone sees it (X-2, MV-5).
//!
//! Start reading at [`Dispatcher`], then `roster.rs` and `rendition.rs`, then `shell/`.

mod attempt;
mod back_off;
mod call;
mod config;
mod decision;
mod dispatcher;
mod extra_work;
mod fault;
mod fleet;
mod memory;
mod output;
mod pool;
mod price;
mod reason;
mod recording;
mod rejection;
mod released_inits;
mod rendition;
mod roster;
mod selection;
mod session;
mod shell;
#[cfg(test)]
mod test_media;
mod waiting;

pub use attempt::{AttemptId, AttemptStart, Delivery};
pub use call::Call;
pub use config::RouterConfig;
pub use decision::{
    AttemptFacts, AttemptKind, AttemptOutcome, AttemptRecord, Decision, HeldUp, PaymentFacts,
};
pub use dispatcher::{Dispatcher, Stats};
pub use fault::{AttemptFault, DiscoveryFault, FaultClass};
pub use fleet::{Fleet, OrchestratorStatus, Standing, StreamId};
pub use memory::{
    BoxFuture, Evidence, FleetMemory, MAX_EVIDENCE, MAX_REMEMBERED, MemoryError,
    RememberedOrchestrator,
};
pub use output::Output;
pub use pool::{ConfiguredOrchestrator, Pool, PoolName, Pools, StreamClass, StreamPolicy};
pub use price::PriceCap;
pub use reason::Reason;
pub use recording::{Replay, ReplayError, replay};
pub use rejection::Rejection;
pub use rendition::{BadRendition, PlacedRendition, place_rendition};
pub use selection::Candidate;
pub use session::{SessionId, SessionOffer};
pub use shell::{
    AttemptPayment, Bill, DecisionRecord, PaymentEnd, PaymentRefused, PaymentRefusedClass,
    Payments, PictureCheck, PictureFinding, PicturesToCompare, Router, RouterMetrics, RouterPorts,
    StreamRoute,
};
