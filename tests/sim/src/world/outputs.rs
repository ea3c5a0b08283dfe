//! What a dispatcher wants done, and how orchestrators answer.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ::orchestrator::PixelPrice;
use media::PresentationSegment;
use playback::RenditionId;
use router::{
    AttemptFacts, AttemptFault, AttemptId, AttemptStart, Decision, Delivery, DiscoveryFault,
    FaultClass, Output, SessionId, SessionOffer,
};

use super::{Event, LATE_ANSWERS, Work, World};
use crate::{
    orchestrator::{Answer, Job, Reply, Script, Trouble},
    tiny_media::{self, renditions},
    trace::Detail,
    violation::{Checked, ensure},
};

impl World<'_> {
    /// Carries out everything a stream's dispatcher wants done, and asks when it wants to wake.
    pub(super) fn settle(&mut self, stream: usize) -> Checked {
        loop {
            while let Some(output) =
                self.streams.get_mut(&stream).and_then(|it| it.dispatcher.poll_output())
            {
                self.act(stream, output)?;
            }
            let Some(live) = self.streams.get_mut(&stream) else { return Ok(()) };
            let Some(released) = live.released.pop_front() else { break };
            self.publish(stream, &released)?;
        }
        self.check_bounds(stream)?;
        let (now, instant) = (self.now, self.instant());
        let Some(live) = self.streams.get_mut(&stream) else { return Ok(()) };
        if live.dispatcher.is_finished() {
            return self.finished(stream);
        }
        let wake = live.dispatcher.poll_timeout(instant, &self.fleet);
        let reason = wake.map(|(_, reason)| reason);
        let wake = wake.map(|(at, _)| at.saturating_duration_since(self.origin));
        let past = wake.is_some_and(|at| at + self.scenario.timer_lag < now);
        ensure!(now, !past, "stream {stream} wants to wake in the past: {wake:?}");
        let lag = u64::try_from(self.scenario.timer_lag.as_millis()).unwrap_or(0);
        live.wake = wake.map(|at| now.max(at + self.dice.millis(0..=lag)));
        if let (Detail::Decisions, Some(at), Some(reason)) = (self.trace.detail(), wake, reason) {
            self.line(
                stream,
                format_args!("will wake for {reason:?} at {:.6} s", at.as_secs_f64()),
            );
        }
        Ok(())
    }

    fn check_bounds(&self, stream: usize) -> Checked {
        let Some(live) = self.streams.get(&stream) else { return Ok(()) };
        let (waiting, attempts) = (live.dispatcher.waiting_len(), live.dispatcher.attempts_len());
        self.watch.check_bounds(self.now, stream, waiting, attempts)
    }

    pub(super) fn act(&mut self, stream: usize, output: Output) -> Checked {
        match output {
            Output::Discover { session, orchestrator, .. } => {
                let asked = self.watch.named(self.now, &orchestrator.address.to_string())?;
                self.discover(stream, session, asked)
            }
            Output::CancelDiscovery { session } => {
                self.line(stream, format_args!("gives up question {session}"));
                self.watch.gave_up_question(self.now, stream, session)
            }
            Output::StartAttempt(start) => self.attempt(stream, start),
            Output::CancelAttempt(id) => {
                self.line(stream, format_args!("cancels attempt {id}"));
                self.watch.cancelled(self.now, stream, id)
            }
            Output::EndSession { session, notify } => {
                self.line(stream, format_args!("ends session {session}, tells it: {notify}"));
                self.watch.ended_session(self.now, stream, session)
            }
            Output::Release(segment) => self.release(stream, segment),
            Output::Decided(decision) => self.decided(stream, &decision),
        }
    }

    fn script(&self, orchestrator: usize) -> Option<&Script> {
        self.scenario.orchestrators.get(orchestrator)
    }

    fn discover(&mut self, stream: usize, session: SessionId, orchestrator: usize) -> Checked {
        self.line(stream, format_args!("asks o{orchestrator}, question {session}"));
        self.watch.asked(self.now, stream, session, orchestrator)?;
        let sessions = self.watch.sessions_of(orchestrator);
        let scenario = Arc::clone(&self.scenario);
        let Some(script) = scenario.orchestrators.get(orchestrator) else { return Ok(()) };
        let (at, reply) = script.reply(&mut self.dice, self.now, sessions);
        let event = Event::Reply(stream, session, reply, orchestrator);
        self.agenda.add(at, self.dice.seed(), event);
        Ok(())
    }

    /// An orchestrator's answer to a question arrives.
    pub(super) fn reply(
        &mut self,
        stream: usize,
        session: SessionId,
        reply: Reply,
        orchestrator: usize,
    ) -> Checked {
        let asked = self.watch.asked_at(stream, session);
        if asked.is_none() && !self.dice.percent(LATE_ANSWERS) {
            return Ok(());
        }
        let Some(script) = self.script(orchestrator) else { return Ok(()) };
        let (price, refresh) = (script.price(self.now), script.refresh);
        self.line(stream, format_args!("question {session}: o{orchestrator} {reply:?} {price:?}"));
        let round_trip = asked.map(|at| self.now - at);
        let refresh = refresh.map(|after| self.instant() + after);
        let (answer, noted) = match reply {
            Reply::Offers => {
                let price = price.and_then(|wei| PixelPrice::new(wei, 1));
                (Ok(SessionOffer { refresh, price, round_trip }), None)
            }
            Reply::Capped => (Err(DiscoveryFault::Capped), Some(DiscoveryFault::Capped)),
            Reply::Fails => (Err(DiscoveryFault::Failed), Some(DiscoveryFault::Failed)),
        };
        let call = |it: &mut router::Dispatcher, now, fleet: &mut router::Fleet| {
            it.handle_discovered(now, fleet, session, answer)
        };
        let Some(accepted) = self.call(stream, call)? else { return Ok(()) };
        let noted = noted.map_or(Ok(price), Err);
        self.watch.replied(self.now, stream, session, noted, accepted)?;
        self.settle(stream)
    }

    fn attempt(&mut self, stream: usize, start: AttemptStart) -> Checked {
        let orchestrator = self.watch.named(self.now, &start.orchestrator.address.to_string())?;
        let sequence = start.segment.sequence.0;
        self.line(
            stream,
            format_args!(
                "attempt {}: {sequence} to o{orchestrator} as {:?} within {:?}",
                start.id, start.kind, start.budget
            ),
        );
        let beside = self.watch.in_flight_on(orchestrator);
        let token = self.watch.token(stream, start.session);
        let tag = self.watch.started(self.now, stream, &start, orchestrator)?;
        let scenario = Arc::clone(&self.scenario);
        let script = scenario.orchestrators.get(orchestrator);
        let Some((script, token)) = script.zip(token) else { return Ok(()) };
        let job = Job {
            duration: start.segment.duration.to_std(),
            poison: self.watch.is_poison(stream, sequence),
            check_picture: start.check_picture,
            token,
            beside,
        };
        let (at, answer) = script.answer(&mut self.dice, self.now, job);
        let black = script.is(Trouble::FalseWork, self.now);
        let work = Work { orchestrator, segment: start.segment, ladder: start.ladder, tag, black };
        self.agenda.add(at, self.dice.seed(), Event::Answer(stream, start.id, answer, work));
        Ok(())
    }

    /// An orchestrator's answer to a segment arrives.
    pub(super) fn answer(
        &mut self,
        stream: usize,
        id: AttemptId,
        answer: Answer,
        work: &Work,
    ) -> Checked {
        let wanted = self.watch.is_in_flight(stream, id);
        if !wanted && !self.dice.percent(LATE_ANSWERS) {
            return Ok(());
        }
        let Some(script) = self.script(work.orchestrator) else { return Ok(()) };
        let (encoder, price) = (script.encoder, script.price(self.now));
        let orchestrator = work.orchestrator;
        self.line(stream, format_args!("attempt {id}: o{orchestrator} {answer:?}"));
        let deliver = |kept: usize, price: Option<u64>| {
            let mut media = renditions(&work.ladder, &work.segment, encoder, work.tag);
            media.truncate(kept);
            let facts = AttemptFacts { pixels: work.tag, ..AttemptFacts::default() };
            let price = price.and_then(|wei| PixelPrice::new(wei, 1));
            Delivery { media, facts, price }
        };
        let rungs = work.ladder.profiles().len();
        let (result, noted) = match answer {
            Answer::Delivers { quotes } => {
                let price = price.filter(|_| quotes);
                (Ok(deliver(rungs, price)), Ok(price))
            }
            Answer::Short => {
                (Ok(deliver(rungs.saturating_sub(1), None)), Err(FaultClass::WrongWork))
            }
            Answer::Fails(class) => (Err(AttemptFault::new(class, "simulated")), Err(class)),
        };
        let black = work.black && noted.is_ok();
        let known = self.watch.ending(self.now, stream, id, noted, black)?;
        ensure!(self.now, known == wanted, "attempt {id} of stream {stream} ends twice");
        let call = |it: &mut router::Dispatcher, now, fleet: &mut router::Fleet| {
            it.handle_attempt(now, fleet, id, result);
        };
        if self.call(stream, call)?.is_some() {
            self.settle(stream)?;
        }
        Ok(())
    }

    fn release(&mut self, stream: usize, segment: PresentationSegment) -> Checked {
        self.watch.released(self.now, stream, &segment)?;
        let Some(live) = self.streams.get_mut(&stream) else { return Ok(()) };
        live.released.push_back(segment);
        Ok(())
    }

    fn decided(&mut self, stream: usize, decision: &Decision) -> Checked {
        match self.trace.detail() {
            Detail::Events => self.line(
                stream,
                format_args!("releases {} as {}", decision.sequence, decision.outcome),
            ),
            Detail::Decisions => self.line(stream, format_args!("releases {decision:?}")),
        }
        self.watch.decided(self.now, stream, decision)
    }

    /// Lists a number in every playlist, as the stream's task does.
    fn publish(&mut self, stream: usize, segment: &PresentationSegment) -> Checked {
        let (now, wall) = (self.instant(), SystemTime::UNIX_EPOCH + self.now);
        let target = self.watch.target(stream);
        let Some(live) = self.streams.get_mut(&stream) else { return Ok(()) };
        if live.window.needs_target_duration(segment) {
            live.window.set_target_duration(target);
            let target = Duration::from_secs(target.into());
            self.watch.set_interval(stream, target)?;
            let call = |it: &mut router::Dispatcher, now, fleet: &mut router::Fleet| {
                it.set_target_duration(now, fleet, target);
            };
            self.call(stream, call)?;
        }
        let Some(live) = self.streams.get_mut(&stream) else { return Ok(()) };
        let appended = live.window.append(now, wall, segment);
        ensure!(self.now, appended.is_ok(), "stream {stream} lists nothing: {appended:?}");
        live.playlists.check(self.now, stream, &live.window, &live.names)
    }

    /// Everything is out.
    fn finished(&mut self, stream: usize) -> Checked {
        self.line(stream, format_args!("ends"));
        self.watch.finished(self.now, stream)?;
        let Some(mut live) = self.streams.remove(&stream) else { return Ok(()) };
        live.window.end(SystemTime::UNIX_EPOCH + self.now);
        live.playlists.check(self.now, stream, &live.window, &live.names)
    }

    pub(super) fn line(&mut self, stream: usize, line: std::fmt::Arguments<'_>) {
        self.trace.line(self.now, Some(stream), line);
    }
}

/// What an output is about, without times that differ from run to run.
pub(super) fn label(output: &Output) -> String {
    match output {
        Output::Discover { orchestrator, .. } => format!("ask {}", orchestrator.address),
        Output::CancelDiscovery { session } => format!("give up question {session}"),
        Output::StartAttempt(start) => {
            format!("send {} to {}", start.segment.sequence, start.orchestrator.address)
        }
        Output::CancelAttempt(id) => format!("cancel attempt {id}"),
        Output::EndSession { session, .. } => format!("end session {session}"),
        Output::Release(segment) => format!("release {}", segment.source.sequence),
        Output::Decided(decision) => format!("decide {}", decision.sequence),
    }
}

/// Every playlist a presentation with these ladders can have.
pub(super) fn names<'a>(ladders: impl Iterator<Item = &'a media::Ladder>) -> Vec<RenditionId> {
    let mut names =
        vec![RenditionId::Source, RenditionId::Audio, RenditionId::Named(tiny_media::layer())];
    for profile in ladders.flat_map(media::Ladder::profiles) {
        let name = RenditionId::Named(profile.name.clone());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
