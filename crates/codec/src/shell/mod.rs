//! The parent's half: worker processes and the pool that hands them jobs.

mod pool;
mod process;
mod sound;
mod spawn;

pub use pool::{WorkerConfig, WorkerPool};
pub use sound::run_sound_process;
