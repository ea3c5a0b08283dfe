//! HTTP push: whole segments, each answered with its renditions (`PUT|POST /live/{manifest}/{seq}.ts`).
//!
//! Everything here is without I/O: what a request asks for ([`PushRequest`]), what its body holds
//! ([`PushedSegment`]), which segments are known already ([`PushLedger`]), how the answer is written
//! ([`PushAnswer`]), and every way to say no, with its status ([`PushRefusal`]).
//! [`push_service`](crate::push_service) drives them.
//!
//! Clients are those of go-livepeer's gateway: MistServer posts one segment per GOP and takes any status
//! but 200 and 422 as a broken gateway; catalyst-api sends chunked bodies and reads multipart answers.

mod answer;
mod configuration;
mod container;
#[cfg(test)]
pub(crate) mod fixture;
mod ledger;
mod ledger_book;
mod path;
mod profile;
mod refusal;
mod request;
mod segment;

pub use answer::{PushAnswer, PushedRendition};
pub use configuration::{ConfigurationError, TranscodeConfiguration};
pub use container::PushContainer;
pub use ledger::{Claim, PushLedger, SegmentDigest, SegmentHasher, Ticket};
pub use ledger_book::{LedgerBook, LedgerLimits};
pub use path::{PathError, PushPath};
pub use profile::ProfileFault;
pub use refusal::PushRefusal;
pub(crate) use request::CONFIGURATION;
pub use request::PushRequest;
pub use segment::{PushedSegment, SegmentError};
