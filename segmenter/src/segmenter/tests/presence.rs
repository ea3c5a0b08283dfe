//! Publishers that leave, come back, jump, and end.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::rig::{Rig, audio_track, end_of, gops, scenes, sounds};
use crate::{SegmenterConfig, fixture::instant};

fn config() -> SegmenterConfig {
    SegmenterConfig::default()
}

fn wall(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + millis)
}

fn left_for(away: u64) -> Rig {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(3, 50, (30, 1), 2), &sounds(48_000, 5_000));
    assert_eq!(rig.segmenter.target_duration(), 2);
    rig.leave();
    let left = rig.now();
    rig.until(left + away);
    rig.play(77_000, &gops(2, 60, (30, 1), 2), &sounds(48_000, 4_000));
    rig.finish()
}

#[test]
fn a_returning_publisher_goes_on_where_wall_time_is() {
    for (away, lengths) in [(80, vec![]), (500, vec![500]), (3_000, vec![2_000, 1_000])] {
        let rig = left_for(away);
        let gaps: Vec<_> = rig.segments.iter().filter(|segment| segment.is_gap()).collect();
        let got: Vec<_> = gaps.iter().map(|gap| gap.duration.to_std().as_millis()).collect();
        assert_eq!(got.len(), lengths.len(), "{away}: {got:?}");
        assert!(got.iter().zip(&lengths).all(|(a, b): (&u128, &u128)| a.abs_diff(*b) <= 60));
        let back = rig.segments.iter().position(|segment| segment.discontinuity).unwrap();
        assert_eq!(back, 3 + lengths.len());
        let segment = &rig.segments[back];
        let off = segment
            .program_date_time
            .duration_since(wall(4_967 + away))
            .unwrap_or_else(|error| error.duration());
        assert!(off < Duration::from_millis(150), "{away}: {off:?}");
        assert_eq!(rig.segments.iter().filter(|segment| segment.discontinuity).count(), 1);
        let video = segment.video.as_ref().unwrap();
        assert_eq!(i64::try_from(video.base_decode_time).unwrap(), segment.start.ticks());
        assert!(Arc::ptr_eq(&video.init, &rig.segments[0].video.as_ref().unwrap().init));
    }
}

#[test]
fn twenty_seconds_away_make_stand_ins_in_step_with_wall_time() {
    let rig = left_for(20_000);
    let gaps: Vec<_> = rig.segments.iter().filter(|segment| segment.is_gap()).collect();
    assert_eq!(gaps.len(), 10);
    for pair in gaps.windows(2) {
        assert_eq!((pair[1].closed - pair[0].closed).as_millis(), 2_000);
    }
    let off = gaps[0].closed - instant(4_967);
    assert!(off.as_millis().abs_diff(2_000) <= 60, "{off:?}");
}

#[test]
fn a_publisher_found_dead_late_is_made_up_for_at_once() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    rig.until(14_000);
    rig.leave();
    rig.until(14_000);
    assert_eq!(rig.segments.iter().filter(|segment| segment.is_gap()).count(), 5);
    assert_eq!(rig.finish().segments.len(), 7);
}

#[test]
fn what_is_open_when_the_publisher_leaves_has_its_true_duration() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &scenes(&[0], 1_000), &sounds(48_000, 900));
    rig.leave();
    assert_eq!(rig.millis(), [1_000]);
    let segment = &rig.segments[0];
    for track in [&segment.video, &segment.audio].into_iter().flatten() {
        assert_eq!(track.duration(), segment.duration, "both tracks end where the segment ends");
    }
    rig.check();
}

#[test]
fn nothing_stands_in_for_a_stream_that_never_was() {
    let mut rig = Rig::with_both(config());
    rig.sound(0);
    rig.picture(0, 0, false);
    rig.leave();
    rig.until(60_000);
    assert!(rig.segmenter.poll_timeout().is_none());
    let rig = rig.finish();
    assert!(rig.segments.is_empty());
    assert_eq!(rig.segmenter.next_sequence(), media::SequenceNumber::FIRST);
}

#[test]
fn after_the_end_nothing_comes() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(1, 60, (30, 1), 0), &sounds(48_000, 2_000));
    rig.end();
    let segments = rig.segments.len();
    rig.picture(5_000, 5_000, true);
    rig.leave();
    rig.until(60_000);
    assert_eq!(rig.segments.len(), segments);
    assert_eq!(rig.finish().stats().dropped_unknown, 1);
}

#[test]
fn a_jump_of_the_clock_goes_on_without_a_hole() {
    let mut rig = Rig::with_both(config());
    rig.play(1_000_000, &gops(2, 60, (30, 1), 2), &sounds(48_000, 4_000));
    rig.discontinuity();
    rig.play(0, &gops(2, 60, (30, 1), 2), &sounds(48_000, 4_000));
    let rig = rig.finish();
    let discontinuities: Vec<_> =
        rig.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(discontinuities, [false, false, true, false]);
    let seam = end_of(&rig.segments[1]);
    let before = rig.segments[1].video.as_ref().unwrap();
    let after = rig.segments[2].video.as_ref().unwrap();
    assert_eq!(before.base_decode_time + before.duration().ticks(), seam.unsigned_abs());
    assert_eq!(after.base_decode_time, seam.unsigned_abs());
}

#[test]
fn jumps_nobody_announced_become_new_timelines() {
    for jump in [-30_000, 30_000] {
        let mut rig = Rig::with_both(config());
        rig.play(100_000, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
        assert_eq!(rig.segmenter.target_duration(), 2);
        rig.play(104_000 + jump, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
        let rig = rig.finish();
        assert!(rig.stats().clock_jumps >= 1, "{jump}");
        assert_eq!(rig.stats().dropped_video, 0);
        assert!(rig.segments.iter().any(|segment| segment.discontinuity));
    }
}

#[test]
fn data_lost_for_longer_than_the_goal_is_stood_in_for() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    rig.discontinuity();
    rig.until(7_500);
    rig.play(7_500, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    let rig = rig.finish();
    let gaps: Vec<_> = rig.segments.iter().map(|segment| segment.is_gap()).collect();
    assert_eq!(gaps, [false, false, true, true, false, false]);
}

#[test]
fn audio_alone_comes_back_without_doubling_time() {
    let mut rig = Rig::new(config());
    rig.track(audio_track(48_000));
    rig.play(0, &[], &sounds(48_000, 8_000));
    assert_eq!(rig.segmenter.target_duration(), 2);
    rig.leave();
    rig.until(11_000);
    rig.play(500_000, &[], &sounds(48_000, 12_000));
    let rig = rig.finish();
    let back = rig.segments.iter().find(|segment| segment.discontinuity).unwrap();
    let expected = back.program_date_time.duration_since(wall(0)).unwrap().as_millis();
    let media = back.start.ticks() / 90;
    assert!(media.unsigned_abs().abs_diff(expected.try_into().unwrap()) < 200);
}

#[test]
fn stand_ins_go_on_until_the_returning_publisher_sends_a_key_frame() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    rig.leave();
    rig.until(5_000);
    let pictures = gops(2, 150, (30, 1), 2);
    let audio = sounds(48_000, 10_000);
    rig.play(0, &pictures[30..], &audio[50..]);
    let rig = rig.finish();
    let published: Vec<_> = rig.segments.iter().map(|segment| segment.closed).collect();
    let longest = published.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= Duration::from_millis(5_100), "{longest:?}");
    assert_eq!(rig.stats().dropped_video, 120);
    assert!(rig.stats().stand_ins >= 3);
}
