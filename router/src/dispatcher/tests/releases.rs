//! When numbers are listed, and with what.

use media::{RenditionOutcome, SequenceNumber};

use super::super::*;
use super::bench::{Bench, HOLD, SECOND, SEGMENT, TOKEN};
use crate::{
    pool::{Pools, StreamClass},
    test_media::{orchestrators, renditions, segment},
};

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
fn finishing_is_bounded_by_the_grace() {
    let mut bench = Bench::with(1);
    bench.push_segment(segment(1, bench.now, 10 * SECOND));
    bench.dispatcher.finish(bench.now, &mut bench.fleet);
    let end = bench.now + RouterConfig::default().finish_grace;
    bench.pass(20 * SECOND);
    assert_eq!(bench.released[0].0, end);
    assert!(bench.dispatcher.is_finished());
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
    let none = StreamPolicy { cushion_percent: Some(0), ..StreamPolicy::default() };
    let mut bench = Bench::bound(RouterConfig::default(), Pools::of(orchestrators(1)), none);
    bench.answer_all();
    bench.push(1);
    bench.succeed(0);
    assert_eq!(bench.sequences(), [1], "the stream's own cushion counts");
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
