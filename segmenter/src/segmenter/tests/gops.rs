//! Where pictures cut: GOPs of every length, scene cuts, reordering, and the target duration.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use media::{AccessUnit, Chain, SequenceNumber, Timescale, TrackId};

use super::rig::{Rig, end_of, gops, presentation, scenes, sounds, video_track};
use crate::{LongGop, Output, Segmenter, SegmenterConfig, fixture::instant};

fn config() -> SegmenterConfig {
    SegmenterConfig::default()
}

#[test]
fn every_frame_rate_with_and_without_b_frames_comes_out_cut_at_its_gops() {
    let rates = [(24, 1), (25, 1), (30_000, 1_001), (30, 1), (50, 1), (60_000, 1_001), (60, 1)];
    for (rate, reordered) in rates.into_iter().flat_map(|rate| [0, 2, 3].map(|b| (rate, b))) {
        let length = (2 * rate.0 + rate.1 / 2) / rate.1;
        let mut rig = Rig::with_both(config());
        rig.play(5_000, &gops(5, length, rate, reordered), &sounds(48_000, 10_000));
        assert_eq!(rig.segmenter.target_duration(), 2);
        let rig = rig.finish();
        assert_eq!(rig.segments.len(), 5, "{rate:?} {reordered}");
        assert_eq!(rig.stats().dropped_video, 0);
        assert_eq!(rig.stats().nudged, 0);
        for segment in &rig.segments {
            assert!(segment.independent && !segment.discontinuity);
            let video = segment.video.as_ref().unwrap();
            assert_eq!(video.samples.len(), usize::try_from(length).unwrap());
            assert!(video.samples[0].composition_offset.abs() <= 90, "decoded when shown");
            let times = presentation(video);
            assert_eq!(times[0], segment.start);
            assert!(
                times
                    .iter()
                    .all(|at| (segment.start.ticks()..end_of(segment)).contains(&at.ticks()))
            );
        }
    }
}

#[test]
fn what_is_open_is_seen_as_it_will_be() {
    let mut rig = Rig::with_both(config());
    let (mut seen, mut last): (Vec<(u64, i32, usize)>, _) = (Vec::new(), None);
    let place = |samples: &[media::Sample], mut dts: u64| {
        let mut placed = Vec::new();
        for sample in samples {
            let address = sample.payload.pieces().next().unwrap().as_ptr().addr();
            placed.push((dts, sample.composition_offset, address));
            dts += u64::from(sample.duration);
        }
        placed
    };
    for (index, picture) in gops(3, 60, (30, 1), 2).into_iter().enumerate() {
        rig.play(5_000, &[picture], &[]);
        rig.sound(5_000 + picture.0);
        let Some(open) = rig.segmenter.open_video(last).filter(|_| index % 7 > 0) else { continue };
        seen.extend(place(&open.samples, open.base_decode_time));
        last = seen.last().map(|(dts, ..)| i64::try_from(*dts).unwrap());
        assert_eq!(rig.segmenter.open_video(last).map(|it| it.samples.len()), None);
    }
    let rig = rig.finish();
    let written = rig.segments.iter().flat_map(|segment| {
        let video = segment.video.as_ref().unwrap();
        place(&video.samples, video.base_decode_time)
    });
    let written: Vec<_> = written.collect();
    assert_eq!(written.len(), 180);
    assert!(seen.len() > 150, "but for what closed unseen");
    assert!(seen.iter().all(|picture| written.contains(picture)));
}

#[test]
fn parameters_of_time_stay_the_publishers() {
    let pictures = gops(4, 60, (30, 1), 2);
    let mut rig = Rig::with_both(config());
    rig.play(1_234, &pictures, &sounds(48_000, 8_000));
    let rig = rig.finish();
    let got: Vec<_> = rig
        .segments
        .iter()
        .flat_map(|segment| presentation(segment.video.as_ref().unwrap()))
        .map(media::Timestamp::ticks)
        .collect();
    let want: Vec<_> = pictures.iter().map(|(_, pts, _)| pts * 90).collect();
    assert_eq!(got, want);
    // The first audio frame that counts is stamped 0 ms, as is the first picture.
    assert_eq!(rig.segments[0].audio.as_ref().unwrap().base_decode_time, 0);
}

#[test]
fn short_gops_are_gathered_up_to_the_goal() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(24, 15, (30, 1), 0), &sounds(48_000, 12_000));
    let rig = rig.finish();
    assert_eq!(rig.millis()[..5], [2_000; 5]);
    assert_eq!(rig.segments.len(), 6);
}

#[test]
fn scene_cuts_come_out_legal_before_and_after_settling() {
    let keys = [0, 1_200, 3_200, 4_400, 6_400, 7_600, 9_600];
    let mut rig = Rig::with_both(config());
    rig.play(0, &scenes(&keys, 9_600), &sounds(48_000, 9_600));
    let rig = rig.finish();
    assert_eq!(rig.millis(), [3_200, 3_200, 3_200]);
    assert!(rig.segments.iter().all(|segment| segment.independent));

    let mut rig = Rig::with_both(config());
    rig.play(0, &scenes(&[0, 2_000, 3_200], 4_000), &[]);
    assert_eq!(rig.segmenter.target_duration(), 2);
    let later: Vec<_> = scenes(&[1_200, 3_200, 4_400, 6_400], 8_400);
    rig.play(4_000, &later, &[]);
    let rig = rig.finish();
    assert_eq!(rig.stats().forced_cuts, 0, "{:?}", rig.millis());
}

#[test]
fn automatic_key_frames_of_obs_settle_on_eight_seconds() {
    let mut rig = Rig::with_both(config());
    let pictures = gops(4, 250, (30, 1), 2);
    let (first, rest) = pictures.split_at(260);
    rig.play(0, first, &sounds(48_000, 8_600));
    assert_eq!(rig.segmenter.target_duration(), 8);
    let rest: Vec<_> =
        rest.iter().map(|(dts, pts, key)| (dts - 8_600, pts - 8_600, *key)).collect();
    rig.play(8_600, &rest, &[]);
    let rig = rig.finish();
    assert_eq!(rig.segments.len(), 4);
    assert!(rig.segments.iter().all(|segment| segment.independent), "{:?}", rig.millis());
    assert_eq!(rig.millis()[0], 8_333);
}

#[test]
fn a_gop_longer_than_the_settled_target_is_cut_without_a_key_frame() {
    for reordered in [0, 2, 3] {
        let mut rig = Rig::with_both(config());
        rig.play(0, &gops(2, 60, (30, 1), reordered), &sounds(48_000, 4_000));
        assert_eq!(rig.segmenter.target_duration(), 2);
        rig.discontinuity();
        rig.play(90_000, &gops(2, 250, (30, 1), reordered), &sounds(48_000, 16_666));
        let rig = rig.finish();
        let pieces = &rig.segments[2..];
        let independent: Vec<_> = pieces.iter().map(|piece| piece.independent).collect();
        assert_eq!(independent, [true, false, false, false, true, false, false, false]);
        assert_eq!(rig.stats().forced_cuts, 6);
        assert_eq!(rig.stats().dropped_video, 0);
        for piece in pieces {
            let video = piece.video.as_ref().unwrap();
            let (start, end) = (piece.start.ticks(), end_of(piece));
            // Stamps are rounded to milliseconds, so a boundary between pictures may be one off.
            let outside = presentation(video)
                .iter()
                .filter(|at| !(start - 90..end + 90).contains(&at.ticks()))
                .count();
            assert_eq!(outside, 0, "the pieces part between groups of reordered pictures");
        }
    }
}

#[test]
fn before_settling_nothing_grows_beyond_twelve_and_a_half_seconds() {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(1, 40 * 30, (30, 1), 2), &sounds(48_000, 40_000));
    let mut rig = rig.finish();
    assert_eq!(rig.segmenter.target_duration(), 12);
    assert_eq!(rig.segments.len(), 4);
}

#[test]
fn a_policy_may_refuse_long_gops() {
    let mut rig = Rig::with_both(SegmenterConfig { long_gop: LongGop::Refuse, ..config() });
    rig.play(0, &gops(2, 60, (30, 1), 2), &sounds(48_000, 4_000));
    assert_eq!(rig.segmenter.target_duration(), 2);
    rig.discontinuity();
    rig.play(9_000, &gops(2, 150, (30, 1), 2), &sounds(48_000, 10_000));
    let rig = rig.finish();
    assert_eq!(rig.refused, 2);
    assert!(rig.segments.iter().all(|segment| segment.independent));
    assert_eq!(rig.stats().refused_gops, 2);
}

#[test]
fn target_settles_on_an_open_segment_and_stays_legal_when_it_ends_at_once() {
    for pushed in [1, 30, 62, 74, 75, 76, 90, 110] {
        let mut rig = Rig::with_both(config());
        let pictures = gops(1, 200, (30, 1), 2);
        rig.play(0, &pictures[..pushed], &sounds(48_000, 3_000));
        let target = rig.segmenter.target_duration();
        let rig = rig.finish();
        assert!((2..=4).contains(&target), "{pushed}: {target}");
        assert!(!rig.segments.is_empty());
    }
}

#[test]
fn variable_frame_rate_and_equal_or_backward_stamps_are_tolerated() {
    let mut rig = Rig::with_both(config());
    let mut at = 0;
    for index in 0..300_i64 {
        at += [33, 0, 100, -5, 67, 400][usize::try_from(index % 6).unwrap()];
        rig.until(u64::try_from(index * 100).unwrap());
        rig.picture(at, at, index % 12 == 0);
    }
    let rig = rig.finish();
    assert!(rig.stats().nudged >= 90);
    assert_eq!(rig.stats().dropped_video, 0);
}

#[test]
fn parts_end_before_the_part_target_is_exceeded() {
    let part_target = Some(Duration::from_millis(200));
    let mut rig = Rig::with_both(SegmenterConfig { part_target, ..config() });
    rig.play(0, &gops(3, 60, (30, 1), 0), &sounds(48_000, 6_000));
    let rig = rig.finish();
    for segment in &rig.segments {
        let (video, audio) = (segment.video.as_ref().unwrap(), segment.audio.as_ref().unwrap());
        assert!(video.parts.len() >= 10, "{}", video.parts.len());
        assert!(video.parts[0].independent && !video.parts[1].independent);
        let longest = video.parts.iter().chain(&audio.parts).map(|part| part.duration).max();
        assert!(longest.unwrap() <= media::MediaDuration::new(200, Timescale::MILLIS));
    }
}

#[test]
fn a_clock_that_stands_still_stays_within_bounds() {
    let mut rig = Rig::with_both(config());
    for index in 0..40_000 {
        rig.raw_picture(0, 0, index % 4_096 == 0);
    }
    let rig = rig.finish();
    assert!(rig.stats().overflows >= 4);
}

#[test]
fn a_flood_of_bytes_is_cut_before_it_fills_memory() {
    let mut segmenter = Segmenter::new(config(), SequenceNumber::FIRST);
    segmenter.set_track(instant(0), video_track(0xc0));
    let payload = Chain::from(Bytes::from(vec![0; 4 << 20]));
    let mut largest = 0;
    for index in 0..150_u32 {
        let at = i64::from(index) * 3_600;
        let unit = AccessUnit {
            track: TrackId::VIDEO,
            dts: at,
            pts: at,
            random_access: index == 0,
            payload: payload.clone(),
            arrived: instant(0),
        };
        segmenter.push(instant(0), SystemTime::UNIX_EPOCH, unit);
        while let Some(Output::Segment(segment)) = segmenter.poll_output() {
            largest = largest.max(segment.video.as_ref().unwrap().body_len());
        }
    }
    assert!(segmenter.stats().overflows > 0);
    assert_eq!(segmenter.stats().dropped_video, 0);
    assert!((1..65 << 20).contains(&largest), "{largest}");
}
