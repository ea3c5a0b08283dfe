//! Ends a child whose parent has gone: standard input closes with the parent, however it dies.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How long a child may take to end by itself after its parent has gone.
const GRACE: Duration = Duration::from_secs(3);

/// Waits until the main thread drops its end of `done`, and ends the process when that takes too long:
/// a decoder that never returns, a server that reads no more.
#[expect(clippy::exit, reason = "the main thread is stuck in a library call; nothing else ends it")]
pub(crate) fn end_process_unless_done(done: &Receiver<()>) {
    if done.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
        std::process::exit(1);
    }
}
