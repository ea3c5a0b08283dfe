//! Audio: beside pictures, without them, before and after them.

use std::sync::Arc;

use media::Timescale;

use super::rig::{Rig, audio_track, end_of, gops, presentation, sounds, video_track};
use crate::SegmenterConfig;

fn config() -> SegmenterConfig {
    SegmenterConfig::default()
}

#[test]
fn audio_of_a_segment_lies_between_its_boundaries_at_every_sampling_rate() {
    for rate in [44_100, 48_000, 24_000] {
        let mut rig = Rig::new(config());
        rig.track(video_track(0xc0));
        rig.track(audio_track(rate));
        rig.play(700, &gops(5, 60, (30_000, 1_001), 2), &sounds(i64::from(rate), 10_010));
        let rig = rig.finish();
        assert_eq!(rig.segments.len(), 5);
        assert_eq!(rig.stats().interleave_timeouts, 0);
        for segment in &rig.segments {
            let audio = segment.audio.as_ref().unwrap();
            let frame = 1_024 * 90_000 / i64::from(rate);
            for at in presentation(audio) {
                let at = at.rescale(Timescale::VIDEO).ticks();
                assert!((segment.start.ticks()..end_of(segment)).contains(&at));
            }
            let end = i64::try_from(audio.base_decode_time + audio.duration().ticks()).unwrap();
            let end = end * 90_000 / i64::from(rate);
            assert!((end - end_of(segment)).abs() <= frame);
        }
        let regular = |sample: &media::Sample| sample.duration == 1_024;
        let all = rig.segments.iter().flat_map(|segment| &segment.audio.as_ref().unwrap().samples);
        assert!(all.rev().skip(1).all(regular), "ms stamps must come out as a grid");
    }
}

#[test]
fn audio_before_the_first_key_frame_is_dropped_whatever_the_order_of_arrival() {
    let mut rig = Rig::with_both(config());
    let pictures: Vec<_> = gops(3, 60, (30, 1), 0)
        .into_iter()
        .map(|(dts, pts, key)| (dts + 500, pts + 500, key))
        .collect();
    rig.play(0, &pictures, &sounds(48_000, 6_500));
    let rig = rig.finish();
    assert_eq!(rig.stats().dropped_audio, 24);
    assert_eq!(rig.segments[0].start.ticks(), 0);
    // The first frame kept is stamped 512 ms.
    assert_eq!(rig.segments[0].audio.as_ref().unwrap().base_decode_time, 12 * 48);

    let mut rig = Rig::with_both(config());
    for at in sounds(48_000, 1_500) {
        rig.sound(at);
    }
    rig.play(0, &gops(3, 60, (30, 1), 0), &[]);
    let rig = rig.finish();
    assert_eq!(rig.stats().dropped_audio, 0, "audio that came too early is kept for its picture");
}

#[test]
fn audio_alone_is_cut_at_the_goal_after_the_wait_for_video() {
    let mut rig = Rig::new(config());
    rig.track(audio_track(44_100));
    rig.play(0, &[], &sounds(44_100, 11_900));
    let waited = rig.segments[0].closed - crate::fixture::instant(0);
    assert_eq!(waited.as_millis(), 5_000);
    assert_eq!(rig.segmenter.target_duration(), 2);
    let rig = rig.finish();
    assert_eq!(rig.stats().dropped_audio, 0);
    assert_eq!(rig.segments.len(), 6);
    assert!(rig.segments.iter().all(|segment| segment.video.is_none() && !segment.discontinuity));
    assert!(rig.millis()[..5].iter().all(|length| (1_990..2_030).contains(length)));
}

#[test]
fn video_that_comes_late_begins_a_new_segment_with_a_discontinuity() {
    let mut rig = Rig::new(config());
    rig.track(audio_track(48_000));
    rig.play(0, &[], &sounds(48_000, 9_000));
    rig.track(video_track(0xc0));
    rig.play(9_000, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    let rig = rig.finish();
    let with_video: Vec<_> = rig.segments.iter().map(|segment| segment.video.is_some()).collect();
    assert_eq!(with_video, [false, false, false, false, false, true, true]);
    let discontinuities: Vec<_> =
        rig.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(discontinuities, [false, false, false, false, false, true, false]);
    assert_eq!(rig.stats().dropped_audio, 0);
}

#[test]
fn video_alone_never_waits_for_audio() {
    let mut rig = Rig::new(config());
    rig.track(video_track(0xc0));
    rig.play(0, &gops(3, 60, (30, 1), 2), &[]);
    assert_eq!(rig.segments.len(), 2);
    assert!(rig.segmenter.poll_timeout().is_none());
    assert_eq!(rig.finish().stats().interleave_timeouts, 0);
}

#[test]
fn announced_audio_that_never_comes_delays_one_segment_only() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(4, 60, (30, 1), 0), &[]);
    assert_eq!(rig.segments.len(), 3);
    let delay = |index: usize, at: u64| rig.segments[index].closed - crate::fixture::instant(at);
    assert_eq!(delay(0, 2_000).as_millis(), 500);
    assert_eq!(delay(1, 4_000).as_millis(), 0);
    assert_eq!(rig.finish().stats().interleave_timeouts, 1);
}

#[test]
fn audio_a_little_late_completes_its_segment_and_very_late_audio_goes_to_the_next() {
    for (late, timeouts) in [(300, 0), (1_200, 4)] {
        let mut rig = Rig::with_both(config());
        let frames = sounds(48_000, 10_000);
        let mut frames = frames.into_iter().peekable();
        for (dts, pts, key) in gops(5, 60, (30, 1), 0) {
            while let Some(at) = frames.next_if(|at| at + late <= dts) {
                rig.until(u64::try_from(at + late).unwrap());
                rig.sound(at);
            }
            rig.until(u64::try_from(dts).unwrap());
            rig.picture(dts, pts, key);
        }
        let rig = rig.finish();
        assert_eq!(rig.stats().interleave_timeouts, timeouts, "{late}");
        assert_eq!(rig.stats().dropped_audio, 0);
        assert!(rig.segments.iter().all(|segment| !segment.discontinuity));
    }
}

#[test]
fn a_second_track_that_joins_after_segments_are_out_needs_a_discontinuity() {
    let mut rig = Rig::new(config());
    rig.track(video_track(0xc0));
    rig.play(0, &gops(2, 60, (30, 1), 0), &[]);
    rig.track(audio_track(48_000));
    rig.play(4_000, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    let rig = rig.finish();
    let audio: Vec<_> = rig.segments.iter().map(|segment| segment.audio.is_some()).collect();
    assert_eq!(audio, [false, false, false, true]);
    assert!(rig.segments[3].discontinuity);
    assert_eq!(rig.segments.iter().filter(|segment| segment.discontinuity).count(), 1);
}

#[test]
fn sparse_audio_leaves_segments_without_it_and_comes_back_in_place() {
    let mut rig = Rig::with_both(config());
    let frames: Vec<_> =
        sounds(48_000, 12_000).into_iter().filter(|at| !(2_500..8_600).contains(at)).collect();
    rig.play(0, &gops(6, 60, (30, 1), 0), &frames);
    let rig = rig.finish();
    let audio: Vec<_> = rig.segments.iter().map(|segment| segment.audio.is_some()).collect();
    assert_eq!(audio, [true, true, false, false, true, true]);
    let back = rig.segments[4].audio.as_ref().unwrap().base_decode_time;
    assert!((8_600 * 48..8_630 * 48).contains(&back), "{back}");
    assert_eq!(rig.stats().dropped_audio, 0);
}

#[test]
fn pictures_that_stop_leave_an_audio_only_stream() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(2, 60, (30, 1), 0), &sounds(48_000, 12_000));
    assert_eq!(rig.segmenter.target_duration(), 2);
    let rig = rig.finish();
    assert_eq!(rig.stats().dropped_audio, 0);
    assert!(rig.segments.len() >= 5);
    let last = rig.segments.last().unwrap();
    assert!(last.video.is_none() && last.audio.is_some());
    assert_eq!(rig.segments.iter().filter(|segment| segment.discontinuity).count(), 1);
}

#[test]
fn new_parameters_take_hold_at_a_key_frame_and_known_ones_share_their_header() {
    let mut rig = Rig::with_both(config());
    let pictures = gops(2, 30, (30, 1), 0);
    rig.play(0, &pictures, &sounds(48_000, 2_000));
    rig.track(video_track(0xc0));
    rig.play(2_000, &pictures, &sounds(48_000, 2_000));
    rig.track(video_track(0xd0));
    rig.play(4_000, &pictures, &sounds(48_000, 2_000));
    rig.track(video_track(0xc0));
    rig.track(audio_track(44_100));
    rig.play(6_000, &pictures, &sounds(44_100, 2_000));
    let rig = rig.finish();
    assert_eq!(rig.millis()[..3], [2_000; 3]);
    assert_eq!(rig.segments.len(), 4);
    let discontinuities: Vec<_> =
        rig.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(discontinuities, [false, false, true, true], "repeated parameters change nothing");
    let inits: Vec<_> = rig.segments.iter().map(|s| &s.video.as_ref().unwrap().init).collect();
    assert!(Arc::ptr_eq(inits[0], inits[1]) && Arc::ptr_eq(inits[0], inits[3]));
    assert!(!Arc::ptr_eq(inits[0], inits[2]));
    let last = rig.segments[3].audio.as_ref().unwrap();
    assert_eq!(last.init.track.timescale.get(), 44_100);
    assert_eq!(last.base_decode_time, 6 * 44_100);
    assert_eq!(rig.stats().dropped_audio + rig.stats().dropped_video, 0);
}

#[test]
fn parameters_that_change_within_a_gop_wait_for_its_end() {
    let mut rig = Rig::with_both(config());
    let pictures = gops(3, 45, (30, 1), 2);
    let (before, after) = pictures.split_at(70);
    rig.play(0, before, &sounds(48_000, 2_300));
    rig.track(video_track(0xd0));
    let after: Vec<_> =
        after.iter().map(|(dts, pts, key)| (dts - 2_300, pts - 2_300, *key)).collect();
    rig.play(2_300, &after, &[]);
    let rig = rig.finish();
    let starts: Vec<_> = rig.segments.iter().map(|segment| segment.start.ticks() / 90).collect();
    assert_eq!(starts, [0, 1_500, 3_000]);
    assert!(!rig.segments[1].discontinuity && rig.segments[2].discontinuity);
    assert_eq!(rig.stats().dropped_video, 0);
}
