//! Publishers that send whole segments.

use std::sync::Arc;

use super::rig::{Rig, audio_track, gops, scenes, sounds, video_track};
use crate::{Cut, LongGop, SegmenterConfig};

fn config() -> SegmenterConfig {
    SegmenterConfig { cut: Cut::ByPublisher, ..SegmenterConfig::default() }
}

/// Pictures at 30 per second in GOPs of half a second, with B-frames, and audio.
fn push(rig: &mut Rig, base: i64, seconds: i64) {
    rig.play(base, &gops(2 * seconds, 15, (30, 1), 2), &sounds(48_000, seconds * 1_000));
}

/// Segments of so many seconds, each closed by the publisher.
fn push_all(rig: &mut Rig, base: i64, lengths: &[i64]) {
    let mut at = base;
    for seconds in lengths {
        push(rig, at, *seconds);
        rig.close();
        at += seconds * 1_000;
    }
}

fn millis_off(rig: &Rig, expected: &[u128]) -> u128 {
    let millis = rig.millis();
    assert_eq!(millis.len(), expected.len(), "{millis:?}");
    millis.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn segments_end_where_the_publisher_says_and_at_once() {
    let mut rig = Rig::with_both(config());
    for (index, seconds) in [1, 3, 2, 5].into_iter().enumerate() {
        push(&mut rig, [0, 1_000, 4_000, 6_000][index], seconds);
        assert_eq!(rig.segments.len(), index, "no other cut, whatever the goal");
        rig.close();
        assert_eq!(rig.segments.len(), index + 1);
        let segment = &rig.segments[index];
        assert!(segment.video.is_some() && segment.audio.is_some());
        assert_eq!(segment.closed, crate::fixture::instant(rig.now()));
    }
    let rig = rig.finish();
    // Stamps in milliseconds: the end is known to within one.
    assert!(millis_off(&rig, &[1_000, 3_000, 2_000, 5_000]) <= 1, "{:?}", rig.millis());
    assert!(rig.segments.iter().all(|segment| !segment.discontinuity && segment.independent));
    let stats = rig.stats();
    assert_eq!((stats.dropped_video, stats.forced_cuts, stats.clock_jumps), (0, 0, 0));
    // Audio behind the last picture of all has no segment.
    assert!(stats.dropped_audio <= 2, "{stats:?}");
}

#[test]
fn one_millisecond_more_or_less_does_not_add_up() {
    let mut rig = Rig::with_both(config());
    for index in 0..100 {
        // 29.97 per second, 60 pictures: 2002 ms, with a jitter.
        let base = index * 2_002 + [0, 1, -1][usize::try_from(index).unwrap() % 3];
        rig.play(base, &gops(1, 60, (30_000, 1_001), 2), &sounds(48_000, 2_002));
        rig.close();
    }
    let rig = rig.finish();
    assert_eq!(rig.segments.len(), 100);
    assert_eq!(rig.segments.iter().filter(|segment| segment.discontinuity).count(), 0);
    let total: u128 = rig.millis().iter().sum();
    assert!(total.abs_diff(200_200) <= 110, "{total}");
}

#[test]
fn closing_nothing_makes_nothing() {
    let mut rig = Rig::with_both(config());
    rig.close();
    push_all(&mut rig, 0, &[2]);
    rig.close();
    rig.until(10_000);
    rig.close();
    assert_eq!(rig.finish().segments.len(), 1);
}

#[test]
fn a_late_last_picture_is_no_discontinuity() {
    let mut rig = Rig::with_both(config());
    push_all(&mut rig, 0, &[2]);
    push_all(&mut rig, 2_400, &[2]);
    let rig = rig.finish();
    assert!(!rig.segments[1].discontinuity);
    assert!(millis_off(&rig, &[2_000, 2_400]) <= 1, "{:?}", rig.millis());
}

#[test]
fn lost_and_misplaced_segments_begin_a_new_timeline() {
    for base in [6_000, 0, 1_000, -50_000] {
        let mut rig = Rig::with_both(config());
        push_all(&mut rig, 0, &[2, 2]);
        push_all(&mut rig, base, &[2, 2]);
        let rig = rig.finish();
        let discontinuities: Vec<_> =
            rig.segments.iter().map(|segment| segment.discontinuity).collect();
        assert_eq!(discontinuities, [false, false, true, false], "{base}");
        assert!(millis_off(&rig, &[2_000; 4]) <= 1, "{:?}", rig.millis());
        assert_eq!(rig.stats().dropped_video, 0);
    }
}

#[test]
fn too_long_a_segment_is_cut_at_its_key_frames() {
    let mut rig = Rig::with_both(config());
    push_all(&mut rig, 0, &[2]);
    assert_eq!(rig.segmenter.target_duration(), 2);
    push_all(&mut rig, 2_000, &[2, 5]);
    let rig = rig.finish();
    assert!(millis_off(&rig, &[2_000, 2_000, 2_000, 2_000, 1_000]) <= 1, "{:?}", rig.millis());
    assert!(rig.segments.iter().all(|segment| segment.independent && !segment.discontinuity));
}

#[test]
fn too_long_a_gop_is_cut_or_refused_as_ever() {
    for (long_gop, cuts, refused) in [(LongGop::Cut, 1, 0), (LongGop::Refuse, 0, 1)] {
        let mut rig = Rig::with_both(SegmenterConfig { long_gop, ..config() });
        push_all(&mut rig, 0, &[2]);
        assert_eq!(rig.segmenter.target_duration(), 2);
        rig.play(2_000, &scenes(&[0], 4_000), &sounds(48_000, 4_000));
        rig.close();
        let rig = rig.finish();
        assert_eq!((rig.stats().forced_cuts, rig.refused), (cuts, refused));
    }
}

#[test]
fn stand_ins_cover_the_time_since_the_last_segment() {
    let mut rig = Rig::with_both(config());
    push_all(&mut rig, 0, &[2, 2]);
    rig.until(9_500);
    assert_eq!(rig.segments.len(), 2, "silence is the owner's to notice");
    rig.leave();
    rig.until(12_500);
    // From the last arrival, 4 s, whole goals up to 12.5 s.
    assert_eq!(rig.stats().stand_ins, 4);
    push_all(&mut rig, 4_000, &[2, 2]);
    let rig = rig.finish();
    let gaps: Vec<_> = rig.segments.iter().map(|segment| segment.is_gap()).collect();
    assert_eq!(gaps, [false, false, true, true, true, true, true, false, false]);
    assert!(rig.segments[7].discontinuity);
    let passed =
        rig.segments[7].program_date_time.duration_since(rig.segments[0].program_date_time);
    let passed = passed.unwrap();
    assert!(passed.as_millis().abs_diff(12_500) <= 100, "{passed:?}");
}

#[test]
fn new_parameters_take_hold_with_the_next_segment() {
    let mut rig = Rig::with_both(config());
    push_all(&mut rig, 0, &[2]);
    rig.track(video_track(0xc1));
    push_all(&mut rig, 2_000, &[2]);
    rig.track(audio_track(44_100));
    rig.play(4_000, &gops(2, 30, (30, 1), 2), &sounds(44_100, 2_000));
    rig.close();
    let rig = rig.finish();
    let discontinuities: Vec<_> =
        rig.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(discontinuities, [false, true, true]);
    let inits: Vec<_> =
        rig.segments.iter().map(|s| Arc::clone(&s.video.as_ref().unwrap().init)).collect();
    assert!(!Arc::ptr_eq(&inits[0], &inits[1]) && Arc::ptr_eq(&inits[1], &inits[2]));
    let rates: Vec<_> = rig
        .segments
        .iter()
        .map(|segment| segment.audio.as_ref().unwrap().init.track.timescale.get())
        .collect();
    assert_eq!(rates, [48_000, 48_000, 44_100]);
    assert_eq!(rig.stats().clock_jumps, 0);
}

#[test]
fn a_segment_without_pictures_is_audio_only() {
    let mut rig = Rig::with_both(config());
    push_all(&mut rig, 0, &[2]);
    rig.play(2_000, &[], &sounds(48_000, 2_000));
    rig.close();
    assert_eq!(rig.segments.len(), 2);
    push_all(&mut rig, 4_000, &[2]);
    let rig = rig.finish();
    let tracks: Vec<_> =
        rig.segments.iter().map(|s| (s.video.is_some(), s.audio.is_some())).collect();
    assert_eq!(tracks, [(true, true), (false, true), (true, true)]);
    let discontinuities: Vec<_> =
        rig.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(discontinuities, [false, true, true]);
    assert!(millis_off(&rig, &[2_000; 3]) <= 40, "{:?}", rig.millis());
    assert_eq!(rig.stats().stand_ins, 0);
}

#[test]
fn audio_alone_is_cut_by_the_publisher_too() {
    let mut rig = Rig::new(config());
    rig.track(audio_track(48_000));
    for (base, millis) in [(0, 3_000), (3_008, 1_000), (4_010, 300), (4_310, 2_000)] {
        rig.play(base, &[], &sounds(48_000, millis));
        rig.close();
    }
    let rig = rig.finish();
    // Three tenths of a second wait for the next segment.
    assert!(millis_off(&rig, &[3_008, 1_002, 2_325]) <= 22, "{:?}", rig.millis());
    assert!(rig.segments.iter().all(|segment| !segment.discontinuity));
    assert_eq!(rig.stats().dropped_audio, 0);
}

#[test]
fn pictures_before_a_key_frame_are_left_out() {
    let mut rig = Rig::with_both(config());
    push_all(&mut rig, 0, &[2]);
    let pictures: Vec<_> = gops(4, 15, (30, 1), 0).into_iter().skip(1).collect();
    rig.play(2_000, &pictures, &sounds(48_000, 2_000));
    rig.close();
    let rig = rig.finish();
    assert_eq!(rig.stats().dropped_video, 14);
    assert!(rig.segments[1].independent);
    assert!(!rig.segments[1].discontinuity, "half a second can be bridged");
}
