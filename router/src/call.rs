//! The calls of a stream's routing as values, so that a run can be recorded and repeated.

use std::{sync::Arc, time::Duration, time::Instant};

use media::{Ladder, Segment, VideoCodec};

use crate::{
    attempt::{AttemptId, Delivery},
    decision::PaymentFacts,
    dispatcher::Dispatcher,
    fault::{AttemptFault, DiscoveryFault},
    fleet::Fleet,
    session::{SessionId, SessionOffer},
};

/// Something that happens to a stream's routing: one method of [`Dispatcher`] each.
#[derive(Clone, Debug)]
pub enum Call {
    /// [`Dispatcher::set_ladder`].
    SetLadder(Arc<Ladder>),
    /// [`Dispatcher::set_source`].
    SetSource(VideoCodec),
    /// [`Dispatcher::set_target_duration`].
    SetTargetDuration(Duration),
    /// [`Dispatcher::push`].
    Push(Arc<Segment>),
    /// [`Dispatcher::handle_discovered`].
    Discovered(SessionId, Result<SessionOffer, DiscoveryFault>),
    /// [`Dispatcher::handle_paid`].
    Paid(AttemptId, Option<PaymentFacts>),
    /// [`Dispatcher::handle_attempt`].
    Attempt(AttemptId, Result<Delivery, AttemptFault>),
    /// [`Dispatcher::handle_timeout`].
    Timeout,
    /// [`Dispatcher::finish`].
    Finish,
    /// [`Dispatcher::abandon`].
    Abandon,
}

impl Dispatcher {
    /// Makes a call. False when an offered session is not wanted; true in all other cases.
    pub fn apply(&mut self, now: Instant, fleet: &mut Fleet, call: Call) -> bool {
        match call {
            Call::SetLadder(ladder) => self.set_ladder(now, fleet, ladder),
            Call::SetSource(codec) => self.set_source(now, fleet, codec),
            Call::SetTargetDuration(target) => self.set_target_duration(now, fleet, target),
            Call::Push(segment) => self.push(now, fleet, segment),
            Call::Discovered(session, answer) => {
                return self.handle_discovered(now, fleet, session, answer);
            }
            Call::Paid(id, facts) => self.handle_paid(now, fleet, id, facts),
            Call::Attempt(id, result) => self.handle_attempt(now, fleet, id, result),
            Call::Timeout => self.handle_timeout(now, fleet),
            Call::Finish => self.finish(now, fleet),
            Call::Abandon => self.abandon(fleet),
        }
        true
    }
}
