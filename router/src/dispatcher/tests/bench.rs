//! A dispatcher in virtual time.

use media::{PresentationSegment, RenditionOutcome};

use super::super::*;
use crate::{
    attempt::AttemptStart,
    decision::Decision,
    fault::FaultClass,
    pool::{ConfiguredOrchestrator, Pools},
    test_media::{ladder, orchestrators, origin, renditions, segment},
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const SEGMENT: Duration = Duration::from_secs(2);
/// 1.5 segment durations.
pub(super) const HOLD: Duration = Duration::from_secs(3);

pub(super) const CONNECT: FaultClass = FaultClass::Network;
pub(super) const CAPPED: FaultClass = FaultClass::Capacity;
pub(super) const TOKEN: FaultClass = FaultClass::ExpiredSession;
pub(super) const MEDIA: FaultClass = FaultClass::Media;

/// Settings without a cushion: what is complete is released.
pub(super) fn at_once() -> RouterConfig {
    RouterConfig { cushion_percent: 0, ..RouterConfig::default() }
}

/// A dispatcher in virtual time, and everything it asked for.
pub(super) struct Bench {
    pub(super) dispatcher: Dispatcher,
    pub(super) fleet: Fleet,
    pub(super) now: Instant,
    pub(super) started: Vec<AttemptStart>,
    pub(super) cancelled: Vec<AttemptId>,
    pub(super) questions: Vec<(SessionId, String)>,
    pub(super) ended: Vec<(SessionId, bool)>,
    pub(super) released: Vec<(Instant, PresentationSegment)>,
    pub(super) decided: Vec<Decision>,
}

impl Bench {
    /// A stream whose orchestrators have not answered yet.
    pub(super) fn asking(count: usize) -> Self {
        Self::configured(RouterConfig { extra_work_percent: 0, ..at_once() }, count)
    }

    pub(super) fn configured(config: RouterConfig, count: usize) -> Self {
        Self::bound(config, Pools::of(orchestrators(count)), StreamPolicy::default())
    }

    pub(super) fn bound(config: RouterConfig, pools: Pools, policy: StreamPolicy) -> Self {
        let config = Arc::new(config);
        let mut fleet = Fleet::new(Arc::clone(&config), 5);
        fleet.set_pools(pools);
        let stream = fleet.admit_stream();
        let mut bench = Self {
            dispatcher: Dispatcher::new(config, stream, policy, 7),
            fleet,
            now: origin(),
            started: Vec::new(),
            cancelled: Vec::new(),
            questions: Vec::new(),
            ended: Vec::new(),
            released: Vec::new(),
            decided: Vec::new(),
        };
        bench.dispatcher.set_ladder(bench.now, &mut bench.fleet, Arc::new(ladder()));
        bench.drain();
        bench
    }

    pub(super) fn set_orchestrators(&mut self, configured: Vec<ConfiguredOrchestrator>) {
        self.set_pools(Pools::of(configured));
    }

    pub(super) fn set_pools(&mut self, pools: Pools) {
        self.fleet.set_pools(pools);
        self.dispatcher.handle_timeout(self.now, &mut self.fleet);
        self.drain();
    }

    /// A stream that has a session with each of its orchestrators.
    pub(super) fn with(count: usize) -> Self {
        let mut bench = Self::asking(count);
        bench.answer_all();
        bench
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.dispatcher.poll_output() {
            match output {
                Output::Discover { session, orchestrator, .. } => {
                    self.questions.push((session, orchestrator.address.host().to_owned()));
                }
                Output::CancelDiscovery { session } => {
                    self.questions.retain(|question| question.0 != session);
                }
                Output::StartAttempt(start) => self.started.push(start),
                Output::CancelAttempt(id) => self.cancelled.push(id),
                Output::EndSession { session, notify } => self.ended.push((session, notify)),
                Output::Release(segment) => self.released.push((self.now, segment)),
                Output::Decided(decision) => self.decided.push(*decision),
            }
        }
    }

    pub(super) fn answer_all(&mut self) {
        for (session, _) in std::mem::take(&mut self.questions) {
            let offer =
                SessionOffer { refresh: Some(self.now + 100 * SECOND), ..SessionOffer::default() };
            assert!(self.dispatcher.handle_discovered(
                self.now,
                &mut self.fleet,
                session,
                Ok(offer)
            ));
        }
        self.drain();
    }

    pub(super) fn answer_all_failed(&mut self) {
        for (session, _) in std::mem::take(&mut self.questions) {
            let answer = Err(DiscoveryFault::Failed);
            assert!(!self.dispatcher.handle_discovered(self.now, &mut self.fleet, session, answer));
        }
        self.drain();
    }

    /// Lets time pass, waking the dispatcher exactly when it wants to.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) =
            self.dispatcher.poll_timeout(self.now, &self.fleet).filter(|(at, _)| *at <= end)
        {
            assert!(at > self.now, "wakes must get on");
            self.now = at;
            self.dispatcher.handle_timeout(at, &mut self.fleet);
            self.drain();
        }
        self.now = end;
    }

    /// Lets time pass while no orchestrator answers a question.
    pub(super) fn pass_dead(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / 50 {
            self.pass(Duration::from_millis(50));
            self.answer_all_failed();
        }
    }

    pub(super) fn push(&mut self, sequence: u64) {
        self.push_segment(segment(sequence, self.now, SEGMENT));
    }

    pub(super) fn push_segment(&mut self, segment: Segment) {
        self.dispatcher.push(self.now, &mut self.fleet, Arc::new(segment));
        self.drain();
    }

    pub(super) fn start(&self, index: usize) -> AttemptStart {
        self.started[index].clone()
    }

    pub(super) fn host(&self, index: usize) -> &str {
        self.started[index].orchestrator.address.host()
    }

    pub(super) fn succeed(&mut self, index: usize) {
        let start = self.start(index);
        let media = renditions(&start.ladder);
        let delivery = Delivery { media, ..Delivery::default() };
        self.dispatcher.handle_attempt(self.now, &mut self.fleet, start.id, Ok(delivery));
        self.drain();
    }

    pub(super) fn fail(&mut self, index: usize, class: FaultClass) {
        let id = self.start(index).id;
        let fault = AttemptFault::new(class, "made to fail");
        self.dispatcher.handle_attempt(self.now, &mut self.fleet, id, Err(fault));
        self.drain();
    }

    /// The nth orchestrator is found to be there, or not.
    pub(super) fn find(&mut self, index: usize, there: bool) {
        let address = self.fleet.pools().pools[0].orchestrators[index].address.clone();
        self.fleet.found(self.now, &address, there);
        self.dispatcher.handle_timeout(self.now, &mut self.fleet);
        self.drain();
    }

    pub(super) fn sequences(&self) -> Vec<u64> {
        self.released.iter().map(|(_, segment)| segment.source.sequence.0).collect()
    }

    /// What the renditions of the `index`th release have in common: media, or a gap's reason.
    pub(super) fn gap(&self, index: usize) -> Option<GapReason> {
        let outcomes: Vec<_> = self.released[index]
            .1
            .renditions
            .iter()
            .map(|rendition| match rendition.outcome {
                RenditionOutcome::Media(_) => None,
                RenditionOutcome::Gap(reason) => Some(reason),
            })
            .collect();
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "in step");
        outcomes[0]
    }
}
