//! What a stream's routing asks of its shell.

use std::sync::Arc;

use media::{PresentationSegment, VideoCodec};

use crate::{
    attempt::{AttemptId, AttemptStart},
    decision::Decision,
    pool::ConfiguredOrchestrator,
    session::SessionId,
};

/// What the shell has to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Ask this orchestrator for a session; answer with
    /// [`handle_discovered`](crate::Dispatcher::handle_discovered).
    Discover {
        /// Its name from now on.
        session: SessionId,
        /// Whom to ask.
        orchestrator: Arc<ConfiguredOrchestrator>,
        /// What it would have to decode.
        source: VideoCodec,
    },
    /// Nobody waits for that answer any more.
    CancelDiscovery {
        /// The session asked for.
        session: SessionId,
    },
    /// Send a segment; answer with [`handle_attempt`](crate::Dispatcher::handle_attempt).
    StartAttempt(AttemptStart),
    /// Stop an attempt; its result is no longer wanted.
    CancelAttempt(AttemptId),
    /// Forget a session.
    EndSession {
        /// Which.
        session: SessionId,
        /// Tell the orchestrator, so that it frees what it holds.
        notify: bool,
    },
    /// Show this sequence number in every playlist of the presentation.
    Release(PresentationSegment),
    /// Why it came to what was just released.
    Decided(Box<Decision>),
}
