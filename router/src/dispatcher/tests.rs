use media::{PresentationSegment, RenditionOutcome, SequenceNumber};

use orchestrator::PixelPrice;

use super::*;
use crate::{
    attempt::AttemptStart,
    decision::{AttemptKind, AttemptOutcome, Decision},
    fault::FaultClass,
    fleet::Standing,
    pool::{ConfiguredOrchestrator, Pool, PoolName, Pools, StreamClass},
    price::PriceCap,
    selection::Rejection,
    test_media::{ladder, orchestrators, origin, renditions, segment},
};

const SECOND: Duration = Duration::from_secs(1);
const SEGMENT: Duration = Duration::from_secs(2);
/// 1.5 segment durations.
const HOLD: Duration = Duration::from_secs(3);

const CONNECT: FaultClass = FaultClass::Network;
const CAPPED: FaultClass = FaultClass::Capacity;
const TOKEN: FaultClass = FaultClass::ExpiredSession;
const MEDIA: FaultClass = FaultClass::Media;

/// Settings without a cushion: what is complete is released.
fn at_once() -> RouterConfig {
    RouterConfig { cushion_percent: 0, ..RouterConfig::default() }
}

/// A dispatcher in virtual time, and everything it asked for.
struct Bench {
    dispatcher: Dispatcher,
    fleet: Fleet,
    now: Instant,
    started: Vec<AttemptStart>,
    cancelled: Vec<AttemptId>,
    questions: Vec<(SessionId, String)>,
    ended: Vec<(SessionId, bool)>,
    released: Vec<(Instant, PresentationSegment)>,
    decided: Vec<Decision>,
}

impl Bench {
    /// A stream whose orchestrators have not answered yet.
    fn asking(count: usize) -> Self {
        Self::configured(RouterConfig { extra_work_percent: 0, ..at_once() }, count)
    }

    fn configured(config: RouterConfig, count: usize) -> Self {
        Self::bound(config, Pools::of(orchestrators(count)), StreamPolicy::default())
    }

    fn bound(config: RouterConfig, pools: Pools, policy: StreamPolicy) -> Self {
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

    fn set_orchestrators(&mut self, configured: Vec<ConfiguredOrchestrator>) {
        self.fleet.set_pools(Pools::of(configured));
        self.dispatcher.handle_timeout(self.now, &mut self.fleet);
    }

    /// A stream that has a session with each of its orchestrators.
    fn with(count: usize) -> Self {
        let mut bench = Self::asking(count);
        bench.answer_all();
        bench
    }

    fn drain(&mut self) {
        while let Some(output) = self.dispatcher.poll_output() {
            match output {
                Output::Discover { session, orchestrator } => {
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

    fn answer_all(&mut self) {
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

    fn answer_all_failed(&mut self) {
        for (session, _) in std::mem::take(&mut self.questions) {
            let answer = Err(DiscoveryFault::Failed);
            assert!(!self.dispatcher.handle_discovered(self.now, &mut self.fleet, session, answer));
        }
        self.drain();
    }

    /// Lets time pass, waking the dispatcher exactly when it wants to.
    fn pass(&mut self, time: Duration) {
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
    fn pass_dead(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / 50 {
            self.pass(Duration::from_millis(50));
            self.answer_all_failed();
        }
    }

    fn push(&mut self, sequence: u64) {
        self.push_segment(segment(sequence, self.now, SEGMENT));
    }

    fn push_segment(&mut self, segment: Segment) {
        self.dispatcher.push(self.now, &mut self.fleet, Arc::new(segment));
        self.drain();
    }

    fn start(&self, index: usize) -> AttemptStart {
        self.started[index].clone()
    }

    fn host(&self, index: usize) -> &str {
        self.started[index].orchestrator.address.host()
    }

    fn succeed(&mut self, index: usize) {
        let start = self.start(index);
        let media = renditions(&start.ladder);
        let delivery = Delivery { media, ..Delivery::default() };
        self.dispatcher.handle_attempt(self.now, &mut self.fleet, start.id, Ok(delivery));
        self.drain();
    }

    fn fail(&mut self, index: usize, class: FaultClass) {
        let id = self.start(index).id;
        let fault = AttemptFault::new(class, "made to fail");
        self.dispatcher.handle_attempt(self.now, &mut self.fleet, id, Err(fault));
        self.drain();
    }

    fn sequences(&self) -> Vec<u64> {
        self.released.iter().map(|(_, segment)| segment.source.sequence.0).collect()
    }

    /// What the renditions of the `index`th release have in common: media, or a gap's reason.
    fn gap(&self, index: usize) -> Option<GapReason> {
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

#[test]
fn releases_all_renditions_at_once_and_in_order() {
    let mut bench = Bench::with(1);
    for sequence in 1..=3 {
        bench.push(sequence);
    }
    assert_eq!(bench.started.len(), 3, "several in flight on one session");
    bench.succeed(2);
    bench.succeed(1);
    assert!(bench.released.is_empty());
    bench.succeed(0);
    assert_eq!(bench.sequences(), [1, 2, 3]);
    assert!((0..3).all(|index| bench.gap(index).is_none()));
    let names: Vec<_> = bench.released[0].1.renditions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["720p", "480p", "360p"], "the ladder's order");
}

#[test]
fn in_flight_per_session_is_bounded_and_the_rest_waits() {
    let mut bench = Bench::with(1);
    for sequence in 1..=5 {
        bench.push(sequence);
    }
    assert_eq!(bench.started.len(), 3);
    bench.succeed(0);
    assert_eq!(bench.started.len(), 4);
    assert_eq!(bench.start(3).segment.sequence, SequenceNumber(4));
}

#[test]
fn lists_gaps_at_the_deadline_and_discards_what_comes_later() {
    let mut bench = Bench::with(1);
    bench.push(1);
    let closed = bench.now;
    bench.pass(HOLD - Duration::from_millis(1));
    assert!(bench.released.is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.released[0].0, closed + HOLD);
    assert_eq!(bench.gap(0), Some(GapReason::Deadline));
    assert_eq!(bench.cancelled, [bench.start(0).id]);
    bench.succeed(0);
    assert_eq!(bench.released.len(), 1);
    assert_eq!(bench.dispatcher.stats().discarded, 1);
}

#[test]
fn segments_that_close_too_late_to_be_sent_are_no_outage() {
    let mut bench = Bench::with(1);
    let closed = bench.now;
    bench.pass(2 * HOLD);
    for sequence in 1..=2 {
        bench.push_segment(segment(sequence, closed, SEGMENT));
    }
    // Not due yet, but the time left is too short for an attempt.
    bench.push_segment(segment(3, bench.now - HOLD + SEGMENT / 20, SEGMENT));
    assert!(bench.started.is_empty());
    assert_eq!(bench.sequences(), [1, 2, 3]);
    assert!((0..3).all(|index| bench.gap(index) == Some(GapReason::Deadline)));
    bench.push(4);
    bench.fail(0, TOKEN);
    assert_eq!(bench.released.len(), 3, "held for the new session");
    bench.answer_all();
    bench.succeed(1);
    assert_eq!(bench.gap(3), None);
}

#[test]
fn publications_keep_the_interval_of_the_target_duration() {
    let mut bench = Bench::with(1);
    bench.dispatcher.set_target_duration(bench.now, &mut bench.fleet, 2 * SECOND);
    bench.push(1);
    bench.succeed(0);
    let first = bench.released[0].0;
    bench.pass(SEGMENT);
    bench.push(2);
    bench.pass(4 * SECOND);
    let margin = RouterConfig::default().publication_margin;
    assert_eq!(bench.released[1].0, first + 3 * SECOND - margin, "1.5 targets, not close + hold");
    assert_eq!(bench.gap(1), Some(GapReason::Deadline));
}

#[test]
fn a_short_last_segment_has_the_hold_of_the_one_ahead() {
    let mut bench = Bench::with(1);
    bench.push_segment(segment(1, bench.now, 8 * SECOND));
    bench.push_segment(segment(2, bench.now, Duration::from_millis(200)));
    bench.pass(5 * SECOND);
    assert!(bench.released.is_empty());
    bench.succeed(0);
    bench.succeed(1);
    assert_eq!(bench.sequences(), [1, 2]);
    bench.push_segment(segment(3, bench.now, Duration::from_millis(200)));
    let closed = bench.now;
    bench.pass(2 * SECOND);
    assert_eq!(bench.released[2].0, closed + RouterConfig::default().minimum_hold);
}

#[test]
fn another_orchestrator_takes_over_within_the_same_deadline() {
    let mut bench = Bench::with(3);
    bench.push(1);
    assert_eq!(bench.host(0), "o0");
    assert_eq!(bench.start(0).budget, SEGMENT, "two thirds of the hold");
    bench.fail(0, CONNECT);
    assert_eq!(bench.host(1), "o1");
    assert_eq!(bench.start(1).number, 2);
    assert_eq!(bench.ended.len(), 1, "the failing session is dropped");
    bench.pass(SEGMENT);
    assert_eq!(bench.host(2), "o2", "the second used up its share");
    assert_eq!(bench.start(2).budget, SECOND, "the last gets all that is left");
    bench.succeed(2);
    assert_eq!(bench.gap(0), None);
    assert_eq!(bench.dispatcher.stats().retries, 2);
}

#[test]
fn the_orchestrator_that_took_over_keeps_the_stream() {
    let mut bench = Bench::with(2);
    bench.push(1);
    bench.fail(0, CONNECT);
    bench.succeed(1);
    bench.pass(SEGMENT);
    bench.answer_all();
    bench.push(2);
    assert_eq!(bench.host(2), "o1", "although the first one is back");
}

#[test]
fn gives_up_at_once_after_the_allowed_attempts() {
    let mut bench = Bench::with(5);
    bench.answer_all();
    bench.push(1);
    for index in 0..4 {
        bench.fail(index, CONNECT);
        bench.answer_all();
    }
    assert_eq!(bench.started.len(), 4);
    assert_eq!(bench.gap(0), Some(GapReason::AttemptsFailed));
}

#[test]
fn a_segment_no_orchestrator_can_do_is_quarantined_after_two() {
    let mut bench = Bench::with(4);
    bench.push(1);
    bench.fail(0, MEDIA);
    bench.fail(1, MEDIA);
    assert_eq!(bench.started.len(), 2);
    assert_eq!(bench.gap(0), Some(GapReason::Quarantined));
    assert!(bench.ended.is_empty(), "no session is to blame");
    bench.push(2);
    assert_eq!(bench.host(2), "o0");
}

#[test]
fn one_that_blames_a_good_segment_is_at_fault_itself() {
    let mut bench = Bench::with(2);
    let address = bench.fleet.pools().pools[0].orchestrators[0].address.clone();
    for sequence in 1..=3 {
        bench.push(sequence);
        let index = bench.started.len() - 1;
        if bench.host(index) == "o0" {
            bench.fail(index, MEDIA);
            assert_eq!(bench.host(index + 1), "o1");
        }
        bench.succeed(bench.started.len() - 1);
    }
    assert!(bench.fleet.view(&address).success < 1_000);
    assert_eq!(bench.sequences(), [1, 2, 3]);
}

#[test]
fn a_rejected_token_gets_a_new_session_with_the_same_orchestrator() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.fail(0, TOKEN);
    assert_eq!(bench.ended, [(bench.start(0).session, true)]);
    assert_eq!(bench.questions.len(), 1, "asked again without delay");
    bench.answer_all();
    assert_ne!(bench.start(1).session, bench.start(0).session);
    bench.succeed(1);
    assert_eq!(bench.gap(0), None);
}

#[test]
fn an_orchestrator_that_rejects_each_of_its_tokens_is_set_aside() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.fail(0, TOKEN);
    bench.answer_all();
    bench.fail(1, TOKEN);
    assert!(bench.questions.is_empty());
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.questions.len(), 1);
}

#[test]
fn capacity_costs_neither_the_segment_an_attempt_nor_the_orchestrator_its_name() {
    let mut bench = Bench::with(4);
    bench.push(1);
    for index in 0..3 {
        bench.fail(index, CAPPED);
        assert_eq!(bench.start(index).number, 1);
    }
    bench.succeed(3);
    assert_eq!(bench.host(3), "o3");
    assert_eq!(bench.gap(0), None);
    bench.pass(RouterConfig::default().capped_pause);
    assert_eq!(bench.questions.len(), 3, "all are asked again after one pause");
}

#[test]
fn capped_discovery_waits_for_room_within_the_deadline() {
    let mut bench = Bench::asking(1);
    let (session, _) = bench.questions.remove(0);
    let capped = Err(DiscoveryFault::Capped);
    assert!(!bench.dispatcher.handle_discovered(bench.now, &mut bench.fleet, session, capped));
    bench.push(1);
    bench.pass(SECOND);
    bench.answer_all();
    bench.succeed(0);
    assert_eq!(bench.gap(0), None);
}

#[test]
fn several_failures_of_one_session_are_one_fault() {
    let mut bench = Bench::with(1);
    for sequence in 1..=3 {
        bench.push(sequence);
    }
    for index in 0..3 {
        bench.fail(index, CONNECT);
    }
    assert_eq!(bench.ended.len(), 1);
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.questions.len(), 1, "the first, short time set aside");
    bench.answer_all();
    assert_eq!(bench.started.len(), 6, "all three are tried again in time");
}

#[test]
fn a_late_answer_is_tolerated_once_then_the_session_goes() {
    let mut bench = Bench::with(1);
    for sequence in 1..=2 {
        bench.push(sequence);
        bench.pass(HOLD);
        assert_eq!(bench.ended.len(), usize::from(sequence == 2));
    }
}

#[test]
fn with_all_dead_the_source_goes_on_and_stops_being_held() {
    let mut bench = Bench::asking(2);
    bench.answer_all_failed();
    let mut delays = Vec::new();
    for sequence in 1..=8 {
        bench.push(sequence);
        let closed = bench.now;
        bench.pass_dead(SEGMENT);
        delays.extend(bench.released.drain(..).map(|(at, segment)| {
            assert!(segment.renditions.iter().all(|rendition| matches!(
                rendition.outcome,
                RenditionOutcome::Gap(GapReason::NoOrchestrator)
            )));
            at.saturating_duration_since(segment.source.closed)
        }));
        assert!(bench.now >= closed);
    }
    assert_eq!(delays.len(), 8);
    assert!(delays.iter().all(|delay| *delay <= HOLD));
    assert!(delays[3..].iter().all(Duration::is_zero), "{delays:?}");
}

#[test]
fn renditions_are_back_within_three_segments_of_the_orchestrators_return() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    bench.push(2);
    bench.fail(1, CONNECT);
    let mut sequence = 3;
    // A long outage: every back-off is at its longest.
    for _ in 0..40 {
        bench.pass_dead(SEGMENT);
        bench.push(sequence);
        sequence += 1;
    }
    let returned = sequence;
    let mut served = bench.started.len();
    while bench.started.len() == served {
        for _ in 0..20 {
            bench.pass(Duration::from_millis(100));
            bench.answer_all();
        }
        bench.push(sequence);
        sequence += 1;
        assert!(sequence - returned <= 3);
    }
    served = bench.started.len() - 1;
    bench.succeed(served);
    assert_eq!(bench.gap(bench.released.len() - 1), None);
}

#[test]
fn an_orchestrator_whose_every_result_is_bad_does_not_hold_the_source() {
    let mut bench = Bench::with(1);
    for sequence in 1..=6 {
        bench.push(sequence);
        for _ in 0..20 {
            if let Some(index) = bench.started.len().checked_sub(1) {
                bench.fail(index, FaultClass::WrongWork);
            }
            bench.pass(SEGMENT / 20);
            bench.answer_all();
        }
        if sequence > 3 {
            let (at, segment) = bench.released.last().unwrap();
            assert_eq!(segment.source.sequence.0, sequence);
            assert!(*at - segment.source.closed < SECOND);
        }
    }
}

#[test]
fn a_result_with_the_wrong_number_of_renditions_is_a_failed_attempt() {
    let mut bench = Bench::with(1);
    bench.push(1);
    let start = bench.start(0);
    let mut media = renditions(&start.ladder);
    media.pop();
    bench.dispatcher.handle_attempt(
        bench.now,
        &mut bench.fleet,
        start.id,
        Ok(Delivery { media, ..Delivery::default() }),
    );
    bench.drain();
    assert_eq!(bench.ended.len(), 1);
    assert!(bench.released.is_empty());
}

#[test]
fn what_cannot_be_transcoded_is_released_in_order_without_being_sent() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.push_segment(Segment { independent: false, ..segment(2, bench.now, SEGMENT) });
    bench.push_segment(Segment { video: None, ..segment(3, bench.now, SEGMENT) });
    let sound = bench.start(0).segment.video.clone();
    let silent = Segment { video: None, audio: sound, ..segment(4, bench.now, SEGMENT) };
    bench.push_segment(silent);
    assert_eq!(bench.started.len(), 1);
    assert!(bench.released.is_empty(), "nothing overtakes the first");
    bench.succeed(0);
    assert_eq!(bench.sequences(), [1, 2, 3, 4]);
    assert_eq!(bench.gap(0), None);
    assert_eq!(bench.gap(1), Some(GapReason::NotTranscodable));
    assert_eq!(bench.gap(2), Some(GapReason::PublisherAway));
    assert_eq!(bench.gap(3), Some(GapReason::NotTranscodable));
}

#[test]
fn without_ladder_or_orchestrators_the_source_is_released_at_once_and_alone() {
    let mut bench = Bench::with(1);
    bench.dispatcher.set_ladder(bench.now, &mut bench.fleet, Arc::default());
    bench.push(1);
    assert!(bench.released[0].1.renditions.is_empty());
    let mut bench = Bench::asking(0);
    bench.push(1);
    assert!(bench.released[0].1.renditions.is_empty());
    assert!(bench.questions.is_empty());
    assert!(bench.dispatcher.poll_timeout(bench.now, &bench.fleet).is_none());
}

#[test]
fn orchestrators_may_come_and_go_while_the_stream_runs() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.set_orchestrators(orchestrators(2).split_off(1));
    bench.drain();
    assert!(bench.ended.is_empty(), "its attempt may end");
    bench.answer_all();
    bench.push(2);
    assert_eq!(bench.host(1), "o1");
    bench.succeed(0);
    assert_eq!(bench.ended, [(bench.start(0).session, true)]);
    bench.set_orchestrators(Vec::new());
    bench.drain();
    bench.fail(1, CONNECT);
    assert_eq!(bench.gap(1), Some(GapReason::NoOrchestrator));
    bench.push(3);
    assert_eq!(bench.gap(2), Some(GapReason::NoOrchestrator), "its renditions stay listed");
}

#[test]
fn a_session_is_replaced_before_its_token_expires() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    bench.pass(99 * SECOND);
    assert!(bench.questions.is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.questions.len(), 1);
    bench.push(2);
    assert_eq!(bench.start(1).session, bench.start(0).session, "the old one serves until then");
    bench.answer_all();
    assert!(bench.ended.is_empty(), "its attempt may end");
    bench.succeed(1);
    assert_eq!(bench.ended, [(bench.start(0).session, true)]);
    bench.push(3);
    assert_ne!(bench.start(2).session, bench.start(0).session);
}

#[test]
fn a_refused_refresh_leaves_the_session_in_use() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    bench.pass(100 * SECOND);
    let (session, _) = bench.questions.remove(0);
    let capped = Err(DiscoveryFault::Capped);
    assert!(!bench.dispatcher.handle_discovered(bench.now, &mut bench.fleet, session, capped));
    bench.push(2);
    assert_eq!(bench.start(1).session, bench.start(0).session);
    bench.pass(SECOND);
    assert_eq!(bench.questions.len(), 1, "asked again");
}

#[test]
fn a_discontinuity_starts_the_sessions_encoder_anew() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.push_segment(Segment { discontinuity: true, ..segment(2, bench.now, SEGMENT) });
    bench.push(3);
    let reinit: Vec<_> = bench.started.iter().map(|start| start.force_session_reinit).collect();
    assert_eq!(reinit, [false, true, false]);
}

#[test]
fn other_encoder_parameters_are_a_discontinuity_everywhere_and_equal_ones_share_a_header() {
    let mut bench = Bench::with(1);
    for sequence in 1..=2 {
        bench.push(sequence);
    }
    bench.succeed(0);
    bench.succeed(1);
    bench.push(3);
    let start = bench.start(2);
    let mut media = renditions(&start.ladder);
    let other = media[0].init.track.clone();
    media[1].init =
        Arc::new(media::InitSegment { track: other, bytes: bytes::Bytes::from_static(b"other") });
    bench.dispatcher.handle_attempt(
        bench.now,
        &mut bench.fleet,
        start.id,
        Ok(Delivery { media, ..Delivery::default() }),
    );
    bench.drain();
    let inits: Vec<_> = bench
        .released
        .iter()
        .map(|(_, segment)| match &segment.renditions[0].outcome {
            RenditionOutcome::Media(track) => Arc::clone(&track.init),
            RenditionOutcome::Gap(reason) => panic!("gap: {reason:?}"),
        })
        .collect();
    assert!(Arc::ptr_eq(&inits[0], &inits[1]) && Arc::ptr_eq(&inits[1], &inits[2]));
    let marks: Vec<_> = bench.released.iter().map(|(_, it)| it.source.discontinuity).collect();
    assert_eq!(marks, [false, false, true]);
}

#[test]
fn a_full_queue_releases_the_oldest_and_loses_none() {
    let mut bench = Bench::with(1);
    let bound = u64::try_from(RouterConfig::default().waiting_segments).unwrap();
    for sequence in 1..=bound + 2 {
        bench.push(sequence);
    }
    assert_eq!(bench.sequences(), [1, 2]);
    assert_eq!(bench.gap(0), Some(GapReason::Deadline));
    assert_eq!(bench.dispatcher.stats().overflowed, 2);
}

#[test]
fn finishing_lets_attempts_end_and_ends_every_session() {
    let mut bench = Bench::with(2);
    bench.push(1);
    bench.push(2);
    bench.dispatcher.finish(bench.now, &mut bench.fleet);
    bench.drain();
    assert!(bench.released.is_empty());
    bench.succeed(1);
    assert!(!bench.dispatcher.is_finished());
    bench.succeed(0);
    assert_eq!(bench.sequences(), [1, 2]);
    assert!(bench.dispatcher.is_finished());
    let mut ended = bench.ended.clone();
    ended.sort_unstable();
    assert_eq!(ended.len(), 2);
    assert_eq!(ended.iter().filter(|(_, notify)| *notify).count(), 1, "one was never used");
    assert!(bench.dispatcher.poll_timeout(bench.now, &bench.fleet).is_none());
}

#[test]
fn a_stream_that_ends_still_wakes_for_one_that_may_be_used_again() {
    let mut bench = Bench::with(2);
    let address = bench.fleet.pools().pools[0].orchestrators[1].address.clone();
    bench.fleet.failed(bench.now, &address, CONNECT, "another stream's");
    bench.push_segment(segment(1, bench.now, 8 * SECOND));
    bench.dispatcher.finish(bench.now, &mut bench.fleet);
    bench.fail(0, MEDIA);
    bench.pass(SECOND);
    assert_eq!(bench.started.len(), 2);
    assert_eq!(bench.host(1), "o1");
}

#[test]
fn finishing_is_bounded_by_the_grace() {
    let mut bench = Bench::with(1);
    bench.push_segment(segment(1, bench.now, 10 * SECOND));
    bench.dispatcher.finish(bench.now, &mut bench.fleet);
    let end = bench.now + RouterConfig::default().finish_grace;
    bench.pass(20 * SECOND);
    assert_eq!(bench.released[0].0, end);
    assert!(bench.dispatcher.is_finished());
}

// Hedges, probes, pools, records.

fn hedging() -> RouterConfig {
    RouterConfig { extra_work_percent: 100, ..at_once() }
}

/// Lets the first orchestrator take `time` for each of `count` segments.
fn accustom(bench: &mut Bench, sequences: std::ops::Range<u64>, time: Duration) {
    for sequence in sequences {
        let index = bench.started.len();
        bench.push(sequence);
        bench.pass(time);
        bench.succeed(index);
        bench.pass(SEGMENT.saturating_sub(time));
    }
}

#[test]
fn a_second_orchestrator_is_asked_when_the_first_passes_what_it_usually_takes() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(400));
    let first = bench.started.len();
    bench.push(6);
    bench.pass(Duration::from_millis(499));
    assert_eq!(bench.started.len(), first + 1);
    bench.pass(Duration::from_millis(2));
    assert_eq!(bench.started.len(), first + 2, "after a quarter more than usual");
    assert_eq!(bench.host(first + 1), "o1");
    assert_eq!(bench.start(first + 1).kind, AttemptKind::Hedge);
    bench.pass(Duration::from_millis(300));
    bench.succeed(first + 1);
    assert_eq!(bench.cancelled, [bench.start(first).id], "the first good result wins");
    assert_eq!(bench.gap(5), None);
    let decision = bench.decided.last().unwrap();
    let ends: Vec<_> = decision.attempts.iter().map(|it| &it.outcome).collect();
    assert!(matches!(ends[0], AttemptOutcome::Cancelled { .. }), "{ends:?}");
    assert_eq!(*ends[1], AttemptOutcome::Delivered);
    assert_eq!(bench.dispatcher.stats().hedges, 1);
}

#[test]
fn a_hedge_that_fails_is_replaced_at_once() {
    let mut bench = Bench::configured(hedging(), 3);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(400));
    let first = bench.started.len();
    bench.push(6);
    bench.pass(SEGMENT / 2);
    assert_eq!(bench.start(first + 1).kind, AttemptKind::Hedge);
    bench.fail(first + 1, CONNECT);
    assert_eq!(bench.start(first + 2).kind, AttemptKind::Retry);
    assert_eq!(bench.host(first + 2), "o2", "the first one is still at it");
    bench.succeed(first + 2);
    assert_eq!(bench.gap(5), None);
    assert!(bench.cancelled.contains(&bench.start(first).id));
}

#[test]
fn a_hedged_attempt_may_still_win() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(200));
    let first = bench.started.len();
    bench.push(6);
    bench.pass(SECOND);
    bench.succeed(first);
    assert_eq!(bench.cancelled, [bench.start(first + 1).id]);
    assert_eq!(bench.gap(5), None);
}

#[test]
fn a_segment_that_one_found_bad_is_not_hedged() {
    let mut bench = Bench::configured(hedging(), 3);
    bench.answer_all();
    bench.push(1);
    bench.fail(0, MEDIA);
    bench.pass(SEGMENT * 9 / 10);
    assert_eq!(bench.started.len(), 2, "a third could be the third to find it bad");
    bench.fail(1, MEDIA);
    assert_eq!(bench.gap(0), Some(GapReason::Quarantined));
}

#[test]
fn hedges_stay_within_their_budget() {
    let mut bench = Bench::configured(RouterConfig { extra_work_percent: 25, ..at_once() }, 2);
    bench.answer_all();
    for sequence in 1..=40 {
        bench.push(sequence);
        bench.pass(SEGMENT);
    }
    let stats = bench.dispatcher.stats();
    let extra = stats.hedges + stats.probes;
    assert!((1..=1 + 40 / 4).contains(&extra), "{extra} of {}", stats.attempts);
}

#[test]
fn a_slow_orchestrator_is_left_within_five_segments_and_back_after_it_heals() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    let slow = bench.fleet.pools().pools[0].orchestrators[0].address.clone();
    let mut pace = Duration::from_millis(500);
    let mut served = Vec::new();
    let mut standings = Vec::new();
    for sequence in 1..=40_u64 {
        match sequence {
            11 => pace *= 3,
            25 => pace /= 3,
            _ => {}
        }
        let first = bench.started.len();
        bench.push(sequence);
        let end = bench.now + SEGMENT;
        let mut answered = Vec::new();
        while bench.now < end {
            bench.pass(Duration::from_millis(50));
            for index in first..bench.started.len() {
                let takes =
                    if bench.host(index) == "o0" { pace } else { Duration::from_millis(600) };
                let due = bench.now + takes;
                if !answered.iter().any(|(it, _)| *it == index) {
                    answered.push((index, due));
                }
            }
            let over: Vec<_> =
                answered.iter().filter(|(_, due)| *due <= bench.now).map(|(it, _)| *it).collect();
            for index in over {
                answered.retain(|(it, _)| *it != index);
                answered.push((index, end + HOLD));
                bench.succeed(index);
            }
        }
        served.push(bench.host(first).to_owned());
        standings.push(bench.fleet.standing(bench.now, &slow));
    }
    assert!(bench.released.iter().all(|(_, it)| it.renditions.len() == 3));
    assert!((0..40).all(|index| bench.gap(index).is_none()), "no segment was lost over it");
    assert!(served[..10].iter().all(|host| host == "o0"));
    assert!(served[15..24].iter().all(|host| host == "o1"), "{served:?}");
    assert!(standings[10..15].contains(&Standing::Slow), "{standings:?}");
    assert_eq!(standings[39], Standing::Ready, "{standings:?}");
}

#[test]
fn the_next_pool_takes_over_when_the_preferred_one_fails_and_no_other_is_touched() {
    let all = orchestrators(3);
    let pool = |name: &str, index: usize| Pool {
        name: PoolName::new(name).unwrap(),
        orchestrators: vec![all[index].clone()],
        ..Pool::default()
    };
    let pools = Pools {
        pools: vec![pool("spill", 0), pool("premium", 1), pool("standard", 2)],
        region: None,
    };
    let named = ["premium", "standard"].map(|name| PoolName::new(name).unwrap());
    let policy = StreamPolicy { pools: named.to_vec(), ..StreamPolicy::default() };
    let mut bench = Bench::bound(at_once(), pools, policy);
    bench.answer_all();
    bench.push(1);
    bench.fail(0, CONNECT);
    assert_eq!([bench.host(0), bench.host(1)], ["o1", "o2"]);
    bench.fail(1, CONNECT);
    bench.pass(HOLD);
    assert!(bench.started.iter().all(|start| start.orchestrator.address.host() != "o0"));
}

#[test]
fn a_price_above_the_cap_is_refused_at_discovery_and_in_the_middle() {
    let wei = |wei| PixelPrice::new(wei, 1);
    let pool = Pool {
        orchestrators: orchestrators(2),
        price_cap: PriceCap { most: wei(100), allows_absent: false },
        ..Pool::default()
    };
    let pools = Pools { pools: vec![pool], region: None };
    let mut bench = Bench::bound(at_once(), pools, StreamPolicy::default());
    let quote = |price| Ok(SessionOffer { price, ..SessionOffer::default() });
    let [dear, fair] = [bench.questions[0].0, bench.questions[1].0];
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(!dispatcher.handle_discovered(*now, fleet, dear, quote(wei(101))));
    assert!(dispatcher.handle_discovered(*now, fleet, fair, quote(wei(100))));
    bench.drain();
    bench.push(1);
    assert_eq!(bench.host(0), "o1");
    let media = renditions(&bench.start(0).ladder);
    let delivery = Delivery { media, price: wei(150), ..Delivery::default() };
    let id = bench.start(0).id;
    bench.dispatcher.handle_attempt(bench.now, &mut bench.fleet, id, Ok(delivery));
    bench.drain();
    assert_eq!(bench.gap(0), None, "what was done is used");
    bench.push(2);
    assert_eq!(bench.started.len(), 1, "nothing more is sent at that price");
    bench.pass(HOLD);
    let held_up = bench.decided.last().unwrap().held_up.clone().unwrap();
    let reasons: Vec<_> = held_up.candidates.iter().map(|it| it.rejected).collect();
    assert_eq!(reasons, [Some(Rejection::Price), Some(Rejection::Price)]);
}

#[test]
fn a_price_that_one_stream_hears_of_is_too_much_for_the_others_as_well() {
    let wei = |wei| PixelPrice::new(wei, 1);
    let pool = Pool {
        orchestrators: orchestrators(1),
        price_cap: PriceCap { most: wei(100), allows_absent: false },
        ..Pool::default()
    };
    let pools = Pools { pools: vec![pool], region: None };
    let mut bench = Bench::bound(at_once(), pools, StreamPolicy::default());
    let offer = SessionOffer { price: wei(100), ..SessionOffer::default() };
    let session = bench.questions.remove(0).0;
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(dispatcher.handle_discovered(*now, fleet, session, Ok(offer)));
    let address = fleet.pools().pools[0].orchestrators[0].address.clone();
    fleet.answered(&address, None, wei(101));
    bench.push(1);
    assert!(bench.started.is_empty());
    assert_eq!(bench.ended, [(session, false)]);
    bench.pass(RouterConfig::default().price_pause);
    assert_eq!(bench.questions.len(), 1, "asked again later");
}

#[test]
fn a_token_that_is_old_from_the_start_does_not_have_its_orchestrator_asked_again_and_again() {
    let mut bench = Bench::asking(1);
    let mut asked = 0;
    for _ in 0..100 {
        for (session, _) in std::mem::take(&mut bench.questions) {
            asked += 1;
            let offer = SessionOffer { refresh: Some(bench.now), ..SessionOffer::default() };
            let Bench { dispatcher, fleet, now, .. } = &mut bench;
            assert!(dispatcher.handle_discovered(*now, fleet, session, Ok(offer)));
            bench.drain();
        }
        bench.pass(SECOND / 20);
    }
    assert!((4..=6).contains(&asked), "{asked} in five seconds");
}

#[test]
fn a_fault_that_one_stream_meets_is_known_to_the_others() {
    let mut bench = Bench::with(2);
    bench.push(1);
    bench.fail(0, CONNECT);
    let stream = bench.fleet.admit_stream();
    let config = Arc::clone(&bench.dispatcher.config);
    let mut other = Dispatcher::new(config, stream, StreamPolicy::default(), 8);
    other.set_ladder(bench.now, &mut bench.fleet, Arc::new(ladder()));
    let asked: Vec<_> = std::iter::from_fn(|| other.poll_output())
        .filter_map(|output| {
            let Output::Discover { orchestrator, .. } = output else { return None };
            Some(orchestrator.address.host().to_owned())
        })
        .collect();
    assert_eq!(asked, ["o1"]);
}

#[test]
fn a_stream_that_found_no_room_is_woken_when_there_is_some_and_comes_before_the_next() {
    let one = ConfiguredOrchestrator { in_flight: 1, ..orchestrators(1).remove(0) };
    let mut bench = Bench::bound(at_once(), Pools::of(vec![one]), StreamPolicy::default());
    bench.answer_all();
    bench.push(1);
    let [mut second, mut third] = [8, 9].map(|seed| {
        let stream = bench.fleet.admit_stream();
        let config = Arc::clone(&bench.dispatcher.config);
        let mut other = Dispatcher::new(config, stream, StreamPolicy::default(), seed);
        other.set_ladder(bench.now, &mut bench.fleet, Arc::new(ladder()));
        let Some(Output::Discover { session, .. }) = other.poll_output() else { panic!("asks") };
        let offer = Ok(SessionOffer::default());
        assert!(other.handle_discovered(bench.now, &mut bench.fleet, session, offer));
        other.push(bench.now, &mut bench.fleet, Arc::new(segment(1, bench.now, SEGMENT)));
        assert!(other.poll_output().is_none(), "there is no room");
        other
    });
    let before = bench.fleet.version();
    bench.succeed(0);
    assert_ne!(bench.fleet.version(), before, "those that wait are woken");
    third.handle_timeout(bench.now, &mut bench.fleet);
    assert!(third.poll_output().is_none(), "another waits longer");
    second.handle_timeout(bench.now, &mut bench.fleet);
    assert!(matches!(second.poll_output(), Some(Output::StartAttempt(_))));
}

#[test]
fn a_stream_that_loses_its_segments_asks_whoever_it_had_left_alone() {
    let config = RouterConfig { sessions: 1, extra_work_percent: 0, ..at_once() };
    let mut bench = Bench::configured(config, 2);
    let (session, host) = bench.questions.remove(0);
    assert_eq!(host, "o0");
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(dispatcher.handle_discovered(*now, fleet, session, Ok(SessionOffer::default())));
    bench.answer_all_failed();
    bench.pass(SEGMENT);
    assert!(bench.questions.is_empty(), "one session is enough");
    bench.push(1);
    bench.pass(HOLD);
    assert_eq!(bench.gap(0), Some(GapReason::Deadline));
    let asked: Vec<_> = bench.questions.iter().map(|(_, host)| host.as_str()).collect();
    assert_eq!(asked, ["o1"]);
}

#[test]
fn the_record_tells_who_was_considered_and_why_not() {
    let mut bench = Bench::with(3);
    bench.push(1);
    bench.fail(0, CONNECT);
    bench.succeed(1);
    let decision = bench.decided.first().unwrap();
    assert_eq!(decision.outcome, "complete");
    assert_eq!(decision.attempts.len(), 2);
    let [first, second] = &decision.attempts[..] else { panic!("two attempts") };
    assert_eq!(first.kind, AttemptKind::First);
    assert!(first.candidates.iter().all(|it| it.cost.is_some() && it.rejected.is_none()));
    assert!(matches!(first.outcome, AttemptOutcome::Failed { class: FaultClass::Network, .. }));
    assert_eq!(second.kind, AttemptKind::Retry);
    let reasons: Vec<_> = second.candidates.iter().map(|it| it.rejected).collect();
    assert_eq!(reasons, [Some(Rejection::BreakerOpen), None, None]);
    assert_eq!(second.outcome, AttemptOutcome::Delivered);
}

#[test]
fn what_is_there_early_waits_for_the_cushion_unless_speed_counts() {
    let of = |class| {
        let policy = StreamPolicy { class, ..StreamPolicy::default() };
        let mut bench = Bench::bound(RouterConfig::default(), Pools::of(orchestrators(1)), policy);
        bench.answer_all();
        bench.push(1);
        let closed = bench.now;
        bench.pass(SEGMENT / 10);
        bench.succeed(0);
        bench.pass(SEGMENT);
        bench.released[0].0 - closed
    };
    assert_eq!(of(StreamClass::Balanced), SEGMENT * 3 / 4);
    assert_eq!(of(StreamClass::LowLatency), SEGMENT / 10);
    let mut bench =
        Bench::bound(RouterConfig::default(), Pools::of(orchestrators(1)), StreamPolicy::default());
    bench.answer_all();
    bench.push(1);
    bench.succeed(0);
    assert!(bench.released.is_empty());
    bench.dispatcher.finish(bench.now, &mut bench.fleet);
    bench.drain();
    assert_eq!(bench.sequences(), [1], "a stream that ends waits for nothing");
}
