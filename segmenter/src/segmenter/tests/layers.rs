//! Publishers with several video and audio tracks.

use std::time::Duration;

use media::{RenditionName, Segment, Track, TrackId};
use proptest::prelude::*;

use super::rig::{Rig, audio_track, end_of, layer_track, named, presentation, sounds};
use crate::SegmenterConfig;

/// Ids and heights of the layers of a browser: the first comes first, and is not the largest.
const BROWSER: [(u32, u32); 3] = [(1, 540), (3, 1_080), (4, 270)];

fn config() -> SegmenterConfig {
    SegmenterConfig::default()
}

fn rig(layers: &[(u32, u32)]) -> Rig {
    let mut rig = Rig::new(config());
    for (id, height) in layers {
        rig.track(layer_track(*id, *height, 0xc0));
    }
    rig.track(audio_track(48_000));
    rig
}

/// A picture of a layer that is sent, all times in milliseconds.
#[derive(Clone, Copy)]
struct Sent {
    id: u32,
    at: i64,
    key: bool,
    /// How long it is under way.
    late: i64,
}

/// Pictures of all layers at 30 per second up to `end`, key frames together every 2 s.
fn simulcast(layers: &[(u32, u32)], end: i64) -> Vec<Sent> {
    let ids = layers.iter().map(|(id, _)| *id);
    let of_layer = |id| {
        let frames =
            (0..).map(|index| (index, index * 100 / 3)).take_while(move |(_, at)| *at < end);
        frames.map(move |(index, at)| Sent { id, at, key: index % 60 == 0, late: 0 })
    };
    let mut all: Vec<_> = ids.flat_map(of_layer).collect();
    all.sort_by_key(|it| it.at);
    all
}

/// Pushes pictures, and audio of the same length, as they arrive; stamps begin at 5 s.
fn play(rig: &mut Rig, mut sent: Vec<Sent>) {
    const BASE: i64 = 5_000;
    sent.sort_by_key(|picture| (picture.at + picture.late, picture.at));
    let end = sent.iter().map(|picture| picture.at).max().unwrap_or(0);
    let mut sounds = sounds(48_000, end).into_iter().peekable();
    let begin = i64::try_from(rig.now()).unwrap();
    let at = |millis: i64| u64::try_from(begin + millis).unwrap();
    for Sent { id, at: stamp, key, late } in sent {
        while let Some(sound) = sounds.next_if(|sound| *sound <= stamp + late) {
            rig.until(at(sound));
            rig.sound(BASE + sound);
        }
        rig.until(at(stamp + late));
        rig.layer(id, BASE + stamp, BASE + stamp, key);
    }
}

fn height(segment: &Segment) -> Option<u32> {
    let (_, picture) = segment.video.as_ref()?.init.track.parameters.picture()?;
    Some(picture.height)
}

/// Which segments have media of `source`.
fn sources(rig: &Rig) -> Vec<bool> {
    rig.segments.iter().map(|segment| segment.video.is_some()).collect()
}

/// Each rendition's media begins and ends with its segment, give or take a picture.
fn check_alignment(rig: &Rig) {
    for segment in &rig.segments {
        for (name, media) in named(segment).filter(|(name, _)| !name.starts_with("audio")) {
            let shown = presentation(media);
            let off = shown[0].ticks() - segment.start.ticks();
            assert!(off.abs() <= 4_500, "{name} begins {off} ticks off");
            let last = shown.iter().max().unwrap().ticks();
            assert!((end_of(segment) - last).abs() <= 45_000 + 4_500, "{name} ends too early");
        }
    }
}

fn discontinuities(rig: &Rig) -> usize {
    rig.segments.iter().filter(|segment| segment.discontinuity).count()
}

#[test]
fn layers_are_cut_together_and_the_largest_is_the_source() {
    let mut rig = rig(&BROWSER);
    play(&mut rig, simulcast(&BROWSER, 10_000));
    let rig = rig.finish();
    check_alignment(&rig);
    assert_eq!(rig.millis(), [2_000, 2_000, 2_000, 2_000, 1_999]);
    assert_eq!(rig.segments.iter().filter_map(|it| height(it)).collect::<Vec<_>>(), [1_080; 5]);
    for segment in &rig.segments {
        let all: Vec<_> = named(segment).map(|(name, media)| (name, media.samples.len())).collect();
        assert_eq!(all[0], ("source", 60));
        assert_eq!(all[2..], [("source-540p", 60), ("source-270p", 60)], "the larger first");
    }
    assert_eq!((discontinuities(&rig), rig.stats().dropped_video), (0, 0));
}

#[test]
fn a_layer_that_pauses_has_gaps_of_its_own_until_it_has_a_key_frame_at_a_cut() {
    for paused in BROWSER.map(|(id, _)| id) {
        let mut rig = rig(&BROWSER);
        let mut sent = simulcast(&BROWSER, 16_000);
        // It goes away in the third segment, and is back in the sixth, with a key frame at once.
        sent.retain(|it| it.id != paused || !(5_000..11_000).contains(&it.at));
        let back = sent.iter_mut().filter(|it| it.id == paused && it.at >= 11_000);
        back.min_by_key(|it| it.at).unwrap().key = true;
        play(&mut rig, sent);
        let rig = rig.finish();
        check_alignment(&rig);
        assert_eq!(rig.millis()[..7], [2_000; 7], "{paused}");
        assert_eq!(discontinuities(&rig), 0, "{paused}");
        let there = [true, true, false, false, false, false, true, true];
        let has = [sources(&rig), rig.ready_made("source-540p"), rig.ready_made("source-270p")];
        for ((id, height), has) in [(3, 1_080), (1, 540), (4, 270)].into_iter().zip(has) {
            let expected = if id == paused { there } else { [true; 8] };
            assert_eq!(has, expected, "{height} with {paused} paused");
        }
        assert!(rig.segments.iter().all(|segment| segment.to_transcode().is_some()));
    }
}

#[test]
fn the_smallest_layer_leads_whichever_comes_first() {
    // The large one, which came first, stops: nothing happens to the cuts of the others.
    let mut rig = rig(&BROWSER);
    let mut sent = simulcast(&BROWSER, 8_000);
    sent.retain(|it| it.id != 1 || it.at < 3_000);
    sent.sort_by_key(|it| (it.id != 1, it.at));
    play(&mut rig, sent);
    let rig = rig.finish();
    assert_eq!(rig.millis()[..3], [2_000; 3]);
    assert_eq!(rig.ready_made("source-540p"), [true, false, false, false]);
    assert_eq!((sources(&rig), discontinuities(&rig)), (vec![true; 4], 0));
}

#[test]
fn a_leader_that_stops_is_followed_by_a_new_timeline_where_no_other_begins_with_it() {
    let layers = [(1, 270), (3, 1_080)];
    let mut rig = rig(&layers);
    let mut sent = simulcast(&layers, 12_000);
    // Key frames of the large one lie between the small one's, which stops after five seconds.
    sent.iter_mut().filter(|it| it.id == 3).for_each(|it| it.key = it.at % 2_000 == 1_000);
    sent.retain(|it| it.id != 1 || it.at < 5_000);
    play(&mut rig, sent);
    let rig = rig.finish();
    assert_eq!(discontinuities(&rig), 1);
    assert_eq!(rig.ready_made("source-270p")[..2], [true; 2]);
    assert!(rig.segments.iter().all(|segment| !segment.is_gap()), "and no stand-in");
    let last = rig.segments.last().unwrap();
    assert_eq!(height(last), Some(1_080));
    assert!(end_of(last) >= 11 * 90_000, "{}", end_of(last));
}

#[test]
fn a_leader_that_stops_within_a_long_gop_leads_no_more() {
    let layers = [(1, 270), (3, 1_080)];
    let mut rig = rig(&layers);
    let mut sent = simulcast(&layers, 24_000);
    sent.iter_mut().for_each(|it| it.key = it.at % 8_000 == 0);
    sent.retain(|it| it.id != 1 || it.at < 10_000);
    play(&mut rig, sent);
    let rig = rig.finish();
    check_alignment(&rig);
    assert_eq!(rig.millis()[..2], [8_000; 2]);
    assert_eq!(discontinuities(&rig), 0, "pictures are never lost");
    assert_eq!(
        (sources(&rig), rig.ready_made("source-270p")),
        (vec![true; 3], vec![true, false, false])
    );
    assert_eq!(rig.stats().dropped_video, 60, "the rest of the small one");
}

#[test]
fn a_layer_whose_key_frames_are_elsewhere_is_never_shown() {
    let mut rig = rig(&BROWSER);
    let mut sent = simulcast(&BROWSER, 10_000);
    sent.iter_mut().filter(|it| it.id == 3).for_each(|it| it.key = it.at % 2_000 == 1_000);
    play(&mut rig, sent);
    let rig = rig.finish();
    check_alignment(&rig);
    assert_eq!(rig.millis()[..4], [2_000; 4]);
    assert_eq!(sources(&rig), [false; 5]);
    assert!(rig.segments.iter().all(|segment| !segment.is_gap()));
    assert_eq!(rig.stats().dropped_video, 300, "counted");
}

#[test]
fn key_frames_a_picture_apart_belong_together() {
    let mut rig = rig(&BROWSER);
    let mut sent = simulcast(&BROWSER, 10_000);
    for it in sent.iter_mut().filter(|it| it.id == 3 && it.at >= 100) {
        it.key = (it.at - 33).rem_euclid(2_000) < 3;
    }
    play(&mut rig, sent);
    let rig = rig.finish();
    check_alignment(&rig);
    assert_eq!((sources(&rig), rig.stats().dropped_video), (vec![true; 5], 0));
}

#[test]
fn a_layer_that_comes_late_joins_at_a_cut() {
    let mut rig = rig(&BROWSER[1..]);
    let mut sent = simulcast(&BROWSER, 10_000);
    sent.retain(|it| it.id != 1 || it.at >= 4_000);
    let late: Vec<_> = sent.iter().copied().filter(|it| it.at >= 3_900).collect();
    sent.retain(|it| it.at < 3_900);
    play(&mut rig, sent);
    rig.track(layer_track(1, 540, 0xc0));
    let begin = i64::try_from(rig.now()).unwrap();
    for Sent { id, at, key, .. } in late {
        rig.until(u64::try_from(at.max(begin)).unwrap());
        rig.layer(id, 5_000 + at, 5_000 + at, key);
    }
    let rig = rig.finish();
    assert_eq!(rig.ready_made("source-540p"), [false, false, true, true, true]);
    let names: Vec<_> = rig.segments[2].ready_made.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["source-540p", "source-270p"]);
    assert_eq!(discontinuities(&rig), 0);
}

#[test]
fn new_parameters_of_a_layer_hold_from_its_next_key_frame_at_a_cut() {
    for (changes_at, expected) in [(4_000, [true; 4]), (3_000, [true, false, true, true])] {
        let mut rig = rig(&BROWSER);
        let (before, after): (Vec<_>, Vec<_>) =
            simulcast(&BROWSER, 8_000).into_iter().partition(|it| it.at < changes_at);
        play(&mut rig, before);
        rig.track(layer_track(1, 360, 0xc1));
        for (index, Sent { id, at, key, .. }) in after.into_iter().enumerate() {
            let key = key || (id == 1 && index == 0);
            rig.until(u64::try_from(at).unwrap());
            rig.layer(id, 5_000 + at, 5_000 + at, key);
        }
        let rig = rig.finish();
        let name = "source-540p";
        assert_eq!(rig.ready_made(name), expected, "a track keeps its name");
        let marks: Vec<_> = rig.segments.iter().map(|it| it.discontinuity).collect();
        assert_eq!(marks, [false, false, true, false], "changed at {changes_at}");
        let changed = named(&rig.segments[2]).find(|(it, _)| *it == name).unwrap().1;
        assert_eq!(changed.init.track.parameters.picture().unwrap().1.height, 360);
    }
}

#[test]
fn a_slide_show_is_no_leader_that_has_stopped() {
    let mut rig = rig(&BROWSER);
    let mut sent = simulcast(&BROWSER, 30_000);
    sent.retain(|it| it.at % 2_000 == 0);
    sent.iter_mut().for_each(|it| it.late = if it.id == 4 { 30 } else { 0 });
    play(&mut rig, sent);
    let rig = rig.finish();
    assert_eq!(discontinuities(&rig), 0);
    assert_eq!(rig.segments.len(), 15);
}

#[test]
fn the_next_publishers_layers_take_the_names_of_their_size() {
    let mut rig = rig(&BROWSER);
    play(&mut rig, simulcast(&BROWSER, 4_000));
    rig.leave();
    rig.new_publisher();
    let other = [(1, 1_080), (3, 270), (4, 540)];
    for (id, height) in other {
        rig.track(layer_track(id, height, 0xc0));
    }
    rig.track(audio_track(48_000));
    play(&mut rig, simulcast(&other, 4_000));
    let rig = rig.finish();
    let media: Vec<_> = rig.segments.iter().filter(|it| !it.is_gap()).collect();
    assert_eq!(media.len(), 4);
    for segment in media {
        assert_eq!(height(segment), Some(1_080));
        for (name, media) in named(segment).skip(2) {
            let height = media.init.track.parameters.picture().unwrap().1.height;
            assert_eq!(name, RenditionName::of_layer(height, 1).as_str());
        }
    }
    assert_eq!(discontinuities(&rig), 1);
}

#[test]
fn layers_of_one_size_have_different_names() {
    let alike = [(1, 720), (3, 360), (4, 360), (5, 360)];
    let mut rig = rig(&alike);
    play(&mut rig, simulcast(&alike, 2_000));
    let rig = rig.finish();
    let names: Vec<_> = rig.segments[0].ready_made.iter().map(|it| it.name.to_string()).collect();
    assert_eq!(names, ["source-360p", "source-360p-2", "source-360p-3"]);
}

#[test]
fn what_is_open_of_the_source_is_seen_while_a_smaller_one_leads() {
    let mut rig = rig(&BROWSER);
    let sent = simulcast(&BROWSER, 4_000);
    let (first, second): (Vec<_>, Vec<_>) = sent.into_iter().partition(|it| it.at < 3_000);
    play(&mut rig, first);
    let open = rig.segmenter.open_video(None).unwrap();
    assert_eq!(open.init.track.id, TrackId(3));
    assert_eq!((open.base_decode_time, open.samples.len()), (180_000, 30));
    assert!(rig.segmenter.open_bytes() >= 30 * 8);
    for Sent { id, at, key, .. } in second {
        rig.layer(id, 5_000 + at, 5_000 + at, key);
    }
    let rig = rig.finish();
    let whole = rig.segments[1].video.as_ref().unwrap();
    let addresses = |samples: &[media::Sample]| -> Vec<_> {
        samples.iter().map(|it| it.payload.pieces().next().unwrap().as_ptr()).collect()
    };
    assert_eq!(addresses(&open.samples), addresses(&whole.samples[..30]));
}

#[test]
fn further_audio_tracks_are_cut_like_the_main_one() {
    let mut rig = rig(&BROWSER[..1]);
    rig.track(Track { id: TrackId(6), ..audio_track(44_100) });
    rig.track(Track { id: TrackId(7), ..audio_track(48_000) });
    let mut sent = simulcast(&BROWSER[..1], 12_000).into_iter().peekable();
    let (mut six, mut seven) = (0_i64, 0_i64);
    for sound in sounds(48_000, 12_000) {
        rig.until(u64::try_from(sound).unwrap());
        while let Some(it) = sent.next_if(|it| it.at <= sound) {
            rig.layer(it.id, 5_000 + it.at, 5_000 + it.at, it.key);
        }
        if sound == 6_016 {
            rig.track(Track { id: TrackId(6), ..audio_track(48_000) });
            six = six * 48_000 / 44_100;
        }
        rig.sound(5_000 + sound);
        let rate = if sound < 6_016 { 44_100 } else { 48_000 };
        while six * 1_000 / rate <= sound {
            rig.raw_alternate(6, 5 * rate + six);
            six += 1_024;
        }
        // The other one is silent for a while.
        if !(3_000..7_000).contains(&sound) {
            seven = sound * 48;
            rig.raw_alternate(7, 5 * 48_000 + seven);
        }
    }
    assert!(seven > 0);
    let rig = rig.finish();
    assert_eq!(rig.millis()[..5], [2_000; 5]);
    assert_eq!(rig.ready_made("audio-2"), [true, true, true, false, true, true]);
    assert_eq!(rig.ready_made("audio-3"), [true, true, false, true, true, true]);
    let marks: Vec<_> = rig.segments.iter().map(|it| it.discontinuity).collect();
    assert_eq!(marks, [false, false, false, false, true, false], "a new rate is a new header");
    for segment in &rig.segments {
        for (name, media) in named(segment).filter(|(name, _)| name.starts_with("audio")) {
            let first = presentation(media)[0].rescale(media::Timescale::VIDEO).ticks();
            let whole = name != "audio-3" && !segment.discontinuity;
            let off = first - segment.start.ticks();
            assert!(!whole || (0..=1_920).contains(&off), "{name} begins {off} ticks off");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn four_layers_with_jitter_lose_nothing(
        late in prop::collection::vec(0..150_i64, 4),
        jitter in prop::collection::vec(0..60_i64, 4 * 300),
        skew in prop::collection::vec(-8..8_i64, 4),
    ) {
        let layers = [(1, 1_080), (3, 720), (4, 540), (5, 270)];
        let mut rig = rig(&layers);
        let mut sent = simulcast(&layers, 10_000);
        let delays = |id: u32| late[usize::try_from(id.saturating_sub(2)).unwrap()];
        let mut latest = std::collections::BTreeMap::new();
        for (it, jitter) in sent.iter_mut().zip(jitter) {
            // Pictures of one layer arrive in order.
            let last: &mut i64 = latest.entry(it.id).or_insert(0);
            let arrives = (it.at + delays(it.id) + jitter).max(*last);
            *last = arrives;
            it.at += skew[usize::try_from(it.id.saturating_sub(2)).unwrap()].max(-it.at);
            it.late = arrives - it.at;
        }
        play(&mut rig, sent);
        let rig = rig.finish();
        check_alignment(&rig);
        prop_assert_eq!(discontinuities(&rig), 0);
        let whole = rig.segments.len() - 1;
        prop_assert!(whole >= 4, "{:?}", rig.millis());
        for segment in &rig.segments[1..whole] {
            prop_assert_eq!(named(segment).filter(|(name, _)| *name != "audio").count(), 4);
            let length = segment.duration.to_std();
            prop_assert!(length.abs_diff(Duration::from_secs(2)) <= Duration::from_millis(40));
        }
    }
}
