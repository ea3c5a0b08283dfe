//! Filler: where it begins and ends, and that no time is lost or doubled by it.

use media::{Timescale, Timestamp};

use super::rig::{Rig, audio_track, end_of, filler, gops, sounds, video_track};
use crate::{FillerTrack, SegmenterConfig, filler::FillerLine};

const SECOND: i64 = 90_000;

#[test]
fn stand_ins_end_with_a_frame_and_do_not_drift() {
    // AAC at 44.1 kHz: a frame is 2089.8 ticks long.
    let mut line = FillerLine::new(filler(44_100));
    let (mut start, limit) = (7, 225_000);
    for index in 1..=100 {
        let (end, first) = line.next(start, 2 * SECOND, start + limit);
        assert_eq!(first, index == 1);
        let nominal = 7 + index * 2 * SECOND;
        assert!(end.abs_diff(nominal) <= 1_045, "{index}: {end} for {nominal}");
        let (video, audio) = (line.video(start, end).unwrap(), line.audio(start, end).unwrap());
        let ticks: u32 = video.samples.iter().map(|sample| sample.duration).sum();
        assert_eq!(i64::from(ticks), end - start);
        let samples: u32 = audio.samples.iter().map(|sample| sample.duration).sum();
        let sound_end =
            Timestamp::new(audio.begin + i64::from(samples), audio.init.track.timescale);
        let off = sound_end.rescale(Timescale::VIDEO).ticks().abs_diff(end);
        assert!(off <= 2, "both tracks end together, {off}");
        start = end;
    }
}

#[test]
fn the_limit_of_a_segment_holds_and_the_shortest_has_a_frame() {
    let mut line = FillerLine::new(filler(48_000));
    let (end, _) = line.next(0, 224_999, 224_999);
    assert!(end <= 224_999 && end > 222_000, "{end}");
    let (after, _) = line.next(end, 100, end + 224_999);
    assert_eq!(after - end, 1_920);
    assert_eq!(line.video(end, after).unwrap().samples.len(), 1);
}

#[test]
fn pictures_are_spread_evenly_however_many_fit() {
    let pictures = filler(48_000).video.unwrap();
    for (length, count) in [(180_000, 20), (90_000, 10), (14_000, 2), (9, 1), (900_000, 20)] {
        let samples = pictures.samples(length);
        assert_eq!(samples.len(), count, "{length}");
        let durations: Vec<u64> = samples.iter().map(|it| it.duration.into()).collect();
        assert_eq!(durations.iter().sum::<u64>(), length);
        let (least, most) = (durations.iter().min(), durations.iter().max());
        assert!(most.unwrap() - least.unwrap() <= 1);
        assert!(samples[0].sync && samples[1..].iter().all(|sample| !sample.sync));
    }
    assert!(pictures.samples(0).is_empty());
}

fn config() -> SegmenterConfig {
    SegmenterConfig::default()
}

/// Filler is there `ready` milliseconds after the publisher has left, who is back after `away`.
fn left_for(away: u64, ready: u64) -> Rig {
    let mut rig = Rig::with_both(config());
    rig.play(0, &gops(3, 50, (30, 1), 2), &sounds(48_000, 5_000));
    assert_eq!(rig.segmenter.target_duration(), 2);
    rig.leave();
    let left = rig.now();
    rig.until(left + ready);
    rig.set_filler(filler(48_000));
    rig.until(left + away);
    rig.play(77_000, &gops(2, 60, (30, 1), 2), &sounds(48_000, 4_000));
    rig.finish()
}

#[test]
fn filler_covers_the_time_until_the_publisher_is_back() {
    for (away, count) in [(80, 0), (500, 1), (3_000, 2), (20_000, 10), (31_300, 16)] {
        let rig = left_for(away, 0);
        let filled: Vec<_> = rig.segments.iter().filter(|segment| segment.filler).collect();
        assert_eq!(filled.len(), count, "{away}");
        assert!(rig.segments.iter().all(|segment| !segment.is_gap()));
        let breaks: Vec<_> = rig.segments.iter().filter(|it| it.discontinuity).collect();
        assert_eq!(breaks.len(), 1 + usize::from(count > 0), "{away}");
        assert!(count == 0 || breaks[0].filler, "filler begins with one");
        assert!(breaks.last().is_some_and(|back| !back.filler), "and so do media");
        for segment in filled {
            let (video, audio) = (segment.video.as_ref().unwrap(), segment.audio.as_ref().unwrap());
            assert_eq!(i64::try_from(video.base_decode_time).unwrap(), segment.start.ticks());
            assert_eq!(video.duration(), segment.duration, "exact to the tick");
            let rest = &segment.ready_made;
            assert_eq!(rest.len(), 2);
            assert!(rest.iter().all(|it| it.media.is_some()));
            let begin = Timestamp::new(
                i64::try_from(audio.base_decode_time).unwrap(),
                audio.init.track.timescale,
            );
            let off = begin.rescale(Timescale::VIDEO).ticks() - segment.start.ticks();
            assert!(off.abs() <= 2, "sound begins with its picture, {off} ticks apart");
        }
        let back = rig.segments.iter().rfind(|segment| segment.discontinuity).unwrap();
        let wall = (4_967 + i64::try_from(away).unwrap()) * 90;
        assert!((back.start.ticks() - wall).abs() < 12_000, "{away}: {:?}", back.start);
    }
}

#[test]
fn stand_ins_before_filler_is_ready_stay_gaps() {
    let rig = left_for(9_000, 3_000);
    let kinds: Vec<_> = rig.segments.iter().map(|it| (it.is_gap(), it.filler)).collect();
    assert_eq!(
        kinds[3..8],
        [(true, false), (false, true), (false, true), (false, true), (false, true)]
    );
    let breaks: Vec<_> = rig.segments.iter().map(|segment| segment.discontinuity).collect();
    assert_eq!(breaks[3..9], [false, true, false, false, false, true]);
}

#[test]
fn filler_that_comes_when_media_are_back_is_not_used() {
    let mut rig = Rig::with_both(config());
    rig.set_filler(filler(48_000));
    rig.play(0, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    rig.leave();
    rig.until(4_200);
    rig.play(0, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
    rig.set_filler(filler(48_000));
    rig.leave();
    rig.until(rig.now() + 6_000);
    let rig = rig.finish();
    assert!(rig.segments.iter().all(|segment| !segment.filler));
    assert!(rig.stats().stand_ins >= 2);
}

#[test]
fn filler_of_a_second_absence_is_made_anew() {
    let mut rig = Rig::with_both(config());
    for base in [0, 50_000] {
        rig.play(base, &gops(2, 60, (30, 1), 0), &sounds(48_000, 4_000));
        rig.leave();
        if base == 0 {
            rig.set_filler(filler(48_000));
        }
        rig.until(rig.now() + 5_000);
    }
    let rig = rig.finish();
    let kinds: Vec<_> = rig.segments.iter().map(|it| (it.is_gap(), it.filler)).collect();
    let media = (false, false);
    let filled = (false, true);
    let gap = (true, false);
    assert_eq!(kinds, [media, media, filled, filled, filled, media, media, gap, gap]);
}

#[test]
fn samples_are_shared_by_all_stand_ins() {
    let rig = left_for(9_000, 0);
    let of = |index: usize| {
        let video = rig.segments[index].video.as_ref().unwrap();
        let pieces = video.samples.iter().flat_map(|sample| sample.payload.pieces());
        pieces.map(|piece| piece.as_ptr()).collect::<Vec<_>>()
    };
    assert!(rig.segments[3].filler && rig.segments[4].filler);
    assert_eq!(of(3), of(4));
    let body: Vec<_> =
        rig.segments[4].video.as_ref().unwrap().body().map(|it| it.as_ptr()).collect();
    assert!(of(4).iter().all(|piece| body.contains(piece)), "bytes by reference");
}

#[test]
fn video_alone_and_audio_alone_are_filled() {
    for with_video in [true, false] {
        let mut rig = Rig::new(config());
        let mut all = filler(48_000);
        if with_video {
            rig.track(video_track(0xc0));
            rig.play(0, &gops(2, 60, (30, 1), 0), &[]);
            all.audio = None;
            all.ready_made.retain(|(_, track)| matches!(track, FillerTrack::Pictures(_)));
        } else {
            rig.track(audio_track(48_000));
            rig.play(0, &[], &sounds(48_000, 8_000));
            (all.video, all.ready_made) = (None, Vec::new());
        }
        rig.leave();
        rig.set_filler(all);
        rig.until(rig.now() + 6_300);
        let rig = rig.finish();
        let filled: Vec<_> = rig.segments.iter().filter(|segment| segment.filler).collect();
        assert_eq!(filled.len(), 3);
        for segment in filled {
            assert_eq!(
                (segment.video.is_some(), segment.audio.is_some()),
                (with_video, !with_video)
            );
        }
        assert!(rig.segments.windows(2).all(|pair| pair[1].start.ticks() == end_of(&pair[0])));
    }
}
