//! The gateway's cores in virtual time, everything derived from one seed.
//!
//! Several [`router::Dispatcher`]s share one [`router::Fleet`], and each feeds a
//! [`playback::Window`]. Publishers and orchestrators are scripted: a seed decides who sends what when,
//! who is slow, hangs, dies, lies or asks too much. After every step the `Watch`
//! compares what the cores did with its own books, which share no code with them.
//!
//! [`run`] runs one seed; equal seeds give equal traces.
//!
//! Start reading at `scenario.rs` (what can happen), then `world.rs` (how time passes), then `watch.rs`
//! (what must hold).

mod agenda;
mod dice;
mod orchestrator;
mod publisher;
mod scenario;
mod summary;
mod tiny_media;
mod trace;
mod violation;
mod watch;
mod world;

pub use summary::Summary;
pub use trace::Detail;
pub use violation::Violation;
pub use world::run;
