//! One publisher over WebRTC, from its answer to its end.

use std::{pin::pin, time::Instant};

use peers::{Peer, PeerEvent};
use tokio::{sync::mpsc, time::sleep_until};
use tracing::{debug, info, warn};

use super::{
    WhipContext,
    feed::Feed,
    sessions::{AddressPlace, Command, SessionPlace},
    sound::next_frame,
};
use crate::{event::EndReason, publish::ConnectionId, shell::now};

/// A publisher with its peer. One task runs it; what ends it is told to the stream last.
pub(super) struct Session {
    pub(super) connection: ConnectionId,
    pub(super) context: WhipContext,
    pub(super) peer: Peer,
    pub(super) feed: Feed,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) connected: bool,
    /// By when the client has to be connected.
    pub(super) connect_by: Instant,
    pub(super) place: SessionPlace,
    pub(super) share: AddressPlace,
}

impl Session {
    pub(super) async fn run(mut self) {
        self.context.metrics.sessions.inc();
        let reason = self.serve().await;
        // Nobody finds it any more, and its address may come again.
        drop(self.place);
        drop(self.share);
        self.feed.end(reason, &self.context).await;
        self.peer.close().await;
        self.context.metrics.sessions.dec();
    }

    async fn serve(&mut self) -> EndReason {
        let shutdown = self.context.shutdown.clone();
        let mut shutdown = pin!(shutdown.cancelled());
        let mut timer = pin!(sleep_until(self.deadline().into()));
        loop {
            // Set back only when it would ring too late; set forward when it rings.
            let deadline = self.deadline().into();
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                () = &mut shutdown => return EndReason::ShuttingDown,
                () = &mut self.feed.dismissed => return EndReason::Dismissed,
                command = self.commands.recv() => match command {
                    Some(Command::Restart(credentials, reply)) => {
                        let answer = self.peer.restart(credentials).await;
                        self.feed.want_key_frames(now());
                        let answer = answer.map(|answer| answer.fragment().to_owned());
                        let answer = answer.map_err(|error| error.to_string());
                        debug!(connection = %self.connection, ok = answer.is_ok(), "ICE restart");
                        // A client that has gone meanwhile comes again.
                        drop(reply.send(answer));
                    }
                    Some(Command::End) | None => return EndReason::Unpublished,
                },
                () = &mut timer => {
                    let now = now();
                    if let Some(reason) = self.overdue(now) {
                        return reason;
                    }
                    self.feed.handle_timeout(now);
                    timer.as_mut().reset(self.deadline().into());
                }
                frame = next_frame(&mut self.feed.line) => {
                    if self.feed.handle_frame(frame, now()).is_err() {
                        return EndReason::Dismissed;
                    }
                }
                event = self.peer.next() => match event {
                    PeerEvent::Connected => self.connect(),
                    PeerEvent::Received(received) => self.feed.handle(received),
                    PeerEvent::Ended => return EndReason::ConnectionLost,
                },
            }
            match self.feed.deliver(&self.context.metrics) {
                Ok(ask) if ask.is_empty() => {}
                Ok(ask) => self.peer.ask_key_frames(ask),
                Err(_closed) => return EndReason::Dismissed,
            }
        }
    }

    fn connect(&mut self) {
        self.connected = true;
        self.feed.connected(now());
        info!(connection = %self.connection, stream = %self.feed.stream, "WebRTC publisher connected");
    }

    fn deadline(&self) -> Instant {
        let now = now();
        let own = if self.connected {
            let left = self.context.config.idle_timeout.saturating_sub(self.feed.silent_for(now));
            now + left
        } else {
            self.connect_by
        };
        self.feed.poll_timeout().map_or(own, |feed| feed.min(own))
    }

    /// Why the session ends at `now`, if it does.
    fn overdue(&self, now: Instant) -> Option<EndReason> {
        let (connection, config) = (self.connection, &self.context.config);
        if self.connected {
            return (self.feed.silent_for(now) >= config.idle_timeout).then_some(EndReason::Silent);
        }
        (now >= self.connect_by).then(|| {
            let after = config.connect_timeout;
            warn!(%connection, ?after, "a WebRTC publisher never connected: is the UDP port open?");
            EndReason::ConnectionLost
        })
    }
}
