use media::{ReadyMade, RenditionName, TrackSegment};

use super::{super::*, bench::*};
use crate::test_media::{ladder, segment, video};

fn ready_made(name: RenditionName, media: Option<TrackSegment>) -> ReadyMade {
    ReadyMade { name, media: media.map(Arc::new) }
}

fn rung(name: &str, has_media: bool) -> ReadyMade {
    let media = has_media.then(|| video(640, 360, 0, 60, 180_000));
    ready_made(RenditionName::new(name).unwrap(), media)
}

fn asked(bench: &Bench, index: usize) -> Vec<String> {
    bench.started[index].ladder.profiles().iter().map(|it| it.name.to_string()).collect()
}

#[test]
fn rungs_that_come_with_a_segment_are_not_asked_for() {
    let mut bench = Bench::with(1);
    bench.push(1);
    let come = vec![rung("480p", true), rung("360p", false)];
    bench.push_segment(Segment { ready_made: come, ..segment(2, bench.now, SEGMENT) });
    bench.push(3);
    assert_eq!(asked(&bench, 0), ["720p", "480p", "360p"]);
    assert_eq!(asked(&bench, 1), ["720p"], "one without media is a gap, and no work for others");
    assert_eq!(asked(&bench, 2), ["720p", "480p", "360p"]);
    let anew: Vec<_> = bench.started.iter().map(|start| start.force_session_reinit).collect();
    assert_eq!(anew, [false, true, true], "encoders follow the ladder");
    for index in 0..3 {
        bench.succeed(index);
    }
    assert_eq!(bench.sequences(), [1, 2, 3]);
    let transcoded: Vec<_> = bench.released.iter().map(|(_, it)| it.renditions.len()).collect();
    assert_eq!(transcoded, [3, 1, 3]);
}

#[test]
fn a_segment_that_brings_every_rung_waits_for_nobody() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    let all = ["720p", "480p", "360p"].map(|name| rung(name, true));
    bench.push_segment(Segment { ready_made: all.into(), ..segment(2, bench.now, SEGMENT) });
    assert_eq!(bench.sequences(), [1, 2]);
    assert_eq!(bench.started.len(), 1);
    bench.push(3);
    assert_eq!(asked(&bench, 1).len(), 3);
}

#[test]
fn filler_goes_to_nobody() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    for (sequence, rungs) in [(2, &["720p", "480p", "360p"][..]), (3, &["720p"])] {
        let ready_made = rungs.iter().map(|name| rung(name, true)).collect();
        let filler = segment(sequence, bench.now, SEGMENT);
        bench.push_segment(Segment { ready_made, filler: true, ..filler });
    }
    assert_eq!(bench.started.len(), 1, "only what the publisher sent");
    assert_eq!(bench.sequences(), [1, 2, 3], "listed at once");
    let labels: Vec<_> = bench.released.iter().map(|(_, it)| it.outcome()).collect();
    assert_eq!(labels, ["complete", "filler", "filler"]);
    assert_eq!(bench.released[2].1.gap(), Some(GapReason::PublisherAway), "what has none is a gap");
    bench.push(4);
    assert_eq!(asked(&bench, 1).len(), 3, "and media are transcoded again");
}

#[test]
fn the_largest_layer_is_transcoded_while_the_source_is_paused() {
    let mut bench = Bench::with(1);
    let layers = || {
        let layer = |side: u32| video(side * 16 / 9, side, 0, 60, 180_000);
        vec![
            ready_made(RenditionName::of_audio(2), None),
            ready_made(RenditionName::of_layer(540, 1), Some(layer(540))),
            ready_made(RenditionName::of_layer(270, 1), Some(layer(270))),
        ]
    };
    for (sequence, paused) in (1..).zip([false, true, true, false]) {
        let mut pushed = Segment { ready_made: layers(), ..segment(sequence, bench.now, SEGMENT) };
        if paused {
            pushed.video = None;
        }
        bench.push_segment(pushed);
        bench.succeed(bench.started.len() - 1);
    }
    let heights: Vec<_> = bench
        .started
        .iter()
        .map(|start| {
            let track = &start.segment.to_transcode().unwrap().init.track;
            track.parameters.picture().unwrap().1.height
        })
        .collect();
    assert_eq!(heights, [1080, 540, 540, 1080]);
    let anew: Vec<_> = bench.started.iter().map(|start| start.force_session_reinit).collect();
    assert_eq!(anew, [false, true, false, true], "another picture needs another decoder");
    assert_eq!(bench.sequences(), [1, 2, 3, 4]);
    assert!((0..4).all(|index| bench.gap(index).is_none()));
}

#[test]
fn a_layer_that_is_larger_than_the_source_is_transcoded() {
    let mut bench = Bench::with(1);
    let layer = || video(3_840, 2_160, 0, 60, 180_000);
    for (sequence, comes) in (1..).zip([false, true, true]) {
        let media = comes.then(layer);
        let ready_made = vec![ready_made(RenditionName::of_layer(2_160, 1), media)];
        bench.push_segment(Segment { ready_made, ..segment(sequence, bench.now, SEGMENT) });
        bench.succeed(bench.started.len() - 1);
    }
    let anew: Vec<_> = bench.started.iter().map(|start| start.force_session_reinit).collect();
    assert_eq!(anew, [false, true, false], "another picture needs another decoder");
    assert_eq!(bench.sequences(), [1, 2, 3]);
}

#[test]
fn another_ladder_holds_from_the_next_segment_on() {
    let mut bench = Bench::with(1);
    bench.push(1);
    let other = ladder().without(|rung| rung.name.as_str() != "480p");
    bench.dispatcher.set_ladder(bench.now, &mut bench.fleet, Arc::new(other));
    bench.drain();
    bench.push(2);
    bench.succeed(0);
    bench.succeed(1);
    assert_eq!((asked(&bench, 0).len(), asked(&bench, 1)), (3, vec!["480p".to_owned()]));
    assert!(bench.started[1].force_session_reinit);
    let transcoded: Vec<_> = bench.released.iter().map(|(_, it)| it.renditions.len()).collect();
    assert_eq!(transcoded, [3, 1]);
}
