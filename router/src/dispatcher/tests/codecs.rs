//! Sources that not every orchestrator decodes.

use media::VideoCodec;
use orchestrator::BodyContainer;

use super::super::*;
use super::bench::{Bench, SECOND, at_once};
use crate::{
    config::RouterConfig, fault::DiscoveryFault, rejection::Rejection, test_media::orchestrators,
};

fn answer(bench: &mut Bench, question: usize, able: bool) {
    let (session, _) = bench.questions.remove(question);
    let refresh = Some(bench.now + 100 * SECOND);
    let answer = if able {
        Ok(SessionOffer { refresh, ..SessionOffer::default() })
    } else {
        Err(DiscoveryFault::Incapable)
    };
    bench.dispatcher.handle_discovered(bench.now, &mut bench.fleet, session, answer);
    bench.drain();
}

fn set_source(bench: &mut Bench, codec: VideoCodec) {
    bench.dispatcher.set_source(bench.now, &mut bench.fleet, codec);
    bench.drain();
}

#[test]
fn a_source_goes_to_those_that_decode_it() {
    let mut bench = Bench::asking(2);
    set_source(&mut bench, VideoCodec::Hevc);
    assert_eq!(bench.questions.len(), 2, "asked anew");
    answer(&mut bench, 0, false);
    answer(&mut bench, 0, true);
    bench.push(1);
    bench.succeed(0);
    assert_eq!((bench.sequences(), bench.gap(0)), (vec![1], None));
    let other = &bench.decided[0].attempts[0].candidates;
    assert!(other.iter().any(|it| it.rejected == Some(Rejection::Incapable)), "{other:?}");
    // What it can't do is no fault of its own: it is asked again for what it can.
    set_source(&mut bench, VideoCodec::H264);
    assert_eq!(bench.questions.len(), 2);
}

#[test]
fn where_nobody_decodes_it_the_source_is_released_at_once_and_says_why() {
    let mut bench = Bench::asking(2);
    set_source(&mut bench, VideoCodec::Hevc);
    answer(&mut bench, 0, false);
    answer(&mut bench, 0, false);
    for sequence in 1..=4 {
        bench.push(sequence);
        assert_eq!(bench.sequences().last(), Some(&sequence), "nothing is waited for");
        bench.pass(2 * SECOND);
    }
    assert!((0..4).all(|index| bench.gap(index) == Some(GapReason::NoDecoder)));
    assert_eq!(bench.decided[0].outcome, "no_decoder");
    // It is asked again in a while; one that learned it takes the stream over.
    bench.pass(RouterConfig::default().incapable_pause - 8 * SECOND);
    assert_eq!(bench.questions.len(), 2);
    answer(&mut bench, 0, true);
    answer(&mut bench, 0, false);
    bench.push(5);
    assert_eq!(bench.started.len(), 1);
    bench.succeed(0);
    assert_eq!(bench.gap(4), None);
}

#[test]
fn av1_is_no_question_for_who_is_sent_transport_streams() {
    let mut all = orchestrators(2);
    all[0].container = BodyContainer::MpegTs;
    all[1].container = BodyContainer::Cmaf;
    let config = RouterConfig { extra_work_percent: 0, ..at_once() };
    let pools = crate::pool::Pools::of(all.clone());
    let mut bench = Bench::bound(config, pools, StreamPolicy::default());
    set_source(&mut bench, VideoCodec::Av1);
    let asked: Vec<_> = bench.questions.iter().map(|(_, host)| host.clone()).collect();
    assert_eq!(asked, [all[1].address.host()]);
    answer(&mut bench, 0, true);
    bench.push(1);
    assert_eq!(bench.host(0), all[1].address.host());
    let mut bench = Bench::asking(0);
    bench.set_orchestrators(vec![all[0].clone()]);
    bench.questions.clear();
    set_source(&mut bench, VideoCodec::Av1);
    assert!(bench.questions.is_empty());
    bench.push(1);
    assert_eq!(bench.gap(0), Some(GapReason::NoDecoder));
}

#[test]
fn a_change_of_codec_ends_the_sessions_that_were_asked_for_another() {
    let mut bench = Bench::asking(1);
    bench.answer_all();
    bench.push(1);
    let attempt = bench.start(0);
    set_source(&mut bench, VideoCodec::Hevc);
    assert_eq!(bench.questions.len(), 1);
    assert!(bench.ended.is_empty(), "an attempt is still under way");
    bench.succeed(0);
    assert_eq!(bench.ended, [(attempt.session, true)]);
    assert_eq!(bench.gap(0), None, "and counts");
    // The same codec again is no change.
    answer(&mut bench, 0, true);
    set_source(&mut bench, VideoCodec::Hevc);
    assert!(bench.questions.is_empty());
}
