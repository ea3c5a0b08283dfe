//! Sockets and processes.

mod control;
mod discovery;
mod echo;
mod ffmpeg;
mod forward;
mod proxy;
mod rendition;
mod run;
mod segment;

pub use proxy::FaultyOrchestrator;
pub use run::{Args, RunError, run};
