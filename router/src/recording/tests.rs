use media::{ReadyMade, RenditionName, Segment, SequenceNumber};

use super::*;
use crate::{
    attempt::{AttemptStart, Delivery},
    fault::{AttemptFault, FaultClass},
    session::SessionOffer,
    test_media::{ladder, orchestrators, origin, renditions, segment},
};

/// A run of one stream in which the first attempt of every third segment fails.
fn recorded() -> (Vec<String>, u64) {
    let mut now = origin();
    let config = Arc::new(RouterConfig::default());
    let (recorder, first) = Recorder::start(now, &config, 5);
    let mut lines = vec![first];
    let mut fleet = Fleet::new(Arc::clone(&config), 5);
    fleet.set_pools(Pools::of(orchestrators(3)));
    lines.push(Recorder::pools(fleet.pools()));
    let stream = fleet.admit_stream();
    let policy = StreamPolicy::default();
    lines.push(Recorder::stream(stream.0, 9, &policy));
    let mut dispatcher = Dispatcher::new(config, stream, policy, 9);
    let mut calls = vec![Call::SetLadder(Arc::new(ladder()))];
    let (mut sequence, mut attempts) = (0, 0);
    while sequence < 30 {
        let mut next = Vec::new();
        for call in calls.drain(..) {
            let kept = recorder.call(&call);
            dispatcher.apply(now, &mut fleet, call);
            lines.push(recorder.made(now, stream.0, kept, &dispatcher));
            while let Some(output) = dispatcher.poll_output() {
                match output {
                    Output::Discover { session, .. } => {
                        let refresh = Some(now + Duration::from_secs(20));
                        let offer = SessionOffer { refresh, ..SessionOffer::default() };
                        next.push(Call::Discovered(session, Ok(offer)));
                    }
                    Output::StartAttempt(start) => {
                        attempts += 1;
                        next.push(Call::Attempt(start.id, result(&start)));
                    }
                    Output::CancelDiscovery { .. }
                    | Output::CancelAttempt(_)
                    | Output::EndSession { .. }
                    | Output::Release(_)
                    | Output::Decided(_) => {}
                }
            }
        }
        now += Duration::from_millis(137);
        if next.is_empty() {
            sequence += 1;
            let length = Duration::from_secs(2);
            next.push(Call::Push(Arc::new(with_ready_made(segment(sequence, now, length)))));
            next.push(Call::Timeout);
            let there = !sequence.is_multiple_of(4);
            let address = fleet.pools().pools[0].orchestrators[0].address.clone();
            if fleet.found(now, &address, there) {
                lines.push(recorder.life(now, &address, there));
            }
        }
        calls = next;
    }
    (lines, attempts)
}

/// Every fifth segment brings a rung along; in every seventh the source is paused, and a layer is not.
fn with_ready_made(mut segment: Segment) -> Segment {
    let rendition = |name, media: &Option<_>| ReadyMade { name, media: media.clone() };
    if segment.sequence.0.is_multiple_of(5) {
        segment.ready_made = vec![rendition(RenditionName::new("480p").unwrap(), &segment.video)];
    }
    if segment.sequence.0.is_multiple_of(7) {
        let video = segment.video.take();
        segment.ready_made.push(rendition(RenditionName::of_layer(540, 1), &video));
    }
    segment
}

fn result(start: &AttemptStart) -> Result<Delivery, AttemptFault> {
    if start.number == 1 && start.segment.sequence.0.is_multiple_of(3) {
        return Err(AttemptFault::new(FaultClass::Orchestrator, "made to fail"));
    }
    assert_ne!(start.segment.sequence, SequenceNumber(0));
    Ok(Delivery { media: renditions(&start.ladder), ..Delivery::default() })
}

#[test]
fn a_replay_makes_the_same_choices() {
    let (lines, attempts) = recorded();
    let done = replay(origin(), lines.iter().map(String::as_str)).unwrap();
    assert_eq!((done.streams, done.attempts), (1, attempts));
    assert!(done.choices > 60, "{done:?}");
    let lived = |line: &&String| line.contains("\"life\"");
    assert!(lines.iter().filter(lived).count() >= 10, "silences are recorded");
    let deaf: Vec<_> = lines.iter().filter(|line| !lived(line)).map(String::as_str).collect();
    let differs = replay(origin(), deaf.into_iter());
    assert!(matches!(differs, Err(ReplayError::Differs { .. })), "and decide: {differs:?}");
}

#[test]
fn another_choice_a_gap_or_a_torn_line_is_told_with_its_place() {
    let (mut lines, _) = recorded();
    let last = lines.len() - 1;
    let torn = lines[last][..10].to_owned();
    let told = |lines: &[String]| replay(origin(), lines.iter().map(String::as_str)).unwrap_err();
    let mut changed = lines.clone();
    changed[last] = torn;
    assert!(matches!(told(&changed), ReplayError::Malformed { line, .. } if line == last + 1));
    changed = lines.clone();
    changed.push(Recorder::lost());
    assert!(matches!(told(&changed), ReplayError::Incomplete(_)));
    let index = lines.iter().position(|line| line.contains("https://o1:8935 (session")).unwrap();
    lines[index] = lines[index].replace("ask https://o1", "ask https://o7");
    assert!(matches!(told(&lines), ReplayError::Differs { line, .. } if line == index + 1));
}
