use container::avc;
use media::{Chain, FrameRate, Ladder, MediaDuration};
use proptest::prelude::*;

use super::*;
use crate::test_media::{h264, ladder, video as source_video};

/// 90 kHz ticks of a frame at 30 per second.
const FRAME: i64 = 3_000;

fn profile() -> RenditionProfile {
    ladder().profiles()[0].clone()
}

/// `frames` pictures of 720p in decoding order, with B pictures in between when `reorder`.
fn result(frames: i64, reorder: bool) -> DemuxedTrack {
    let payload = || Chain::from(Bytes::from_static(&[0, 0, 0, 2, 0x65, 1]));
    let shown = |index: i64| match (reorder, index % 3) {
        (false, _) => index,
        (true, 0) => index,
        (true, 1) if index + 1 < frames => index + 1,
        (true, 2) => index - 1,
        (true, _) => index,
    };
    let start = 12_345;
    let samples = (0..frames).map(|index| DemuxedSample {
        dts: start + index * FRAME,
        pts: start + 2 * FRAME + shown(index) * FRAME,
        random_access: index == 0,
        payload: payload(),
    });
    let parameters = h264(1280, 720);
    DemuxedTrack { parameters, timescale: Timescale::VIDEO, samples: samples.collect() }
}

fn times(ticks: u32) -> SourceTimes {
    SourceTimes::new(&source_video(1920, 1080, 0, ticks / 3_000, ticks))
}

fn sum(samples: &[Sample]) -> u64 {
    samples.iter().map(|sample| u64::from(sample.duration)).sum()
}

#[test]
fn goes_on_the_sources_timeline() {
    let samples = place(&result(60, true), &times(180_000), &profile()).unwrap();
    assert_eq!(sum(&samples), 180_000);
    assert_eq!(samples[0].composition_offset, 0, "shown when the source's first picture is");
    assert!(samples[0].sync && !samples[1].sync);
    assert!(samples.iter().all(|sample| sample.duration == 3_000));
    let offsets: Vec<_> = samples[..4].iter().map(|sample| sample.composition_offset).collect();
    assert_eq!(offsets, [0, 3_000, -3_000, 0], "signed, around the first picture");
}

#[test]
fn keeps_the_sources_own_first_offset() {
    let source = SourceTimes { first_offset: 6_000, ..times(180_000) };
    let samples = place(&result(60, false), &source, &profile()).unwrap();
    assert!(samples.iter().all(|sample| sample.composition_offset == 6_000));
}

#[test]
fn the_last_sample_takes_up_the_difference() {
    let samples = place(&result(60, false), &times(181_500), &profile()).unwrap();
    assert_eq!(sum(&samples), 181_500);
    assert_eq!(samples[59].duration, 4_500);
}

#[test]
fn a_picture_past_the_end_is_dropped_or_shown_at_the_last_moment() {
    let samples = place(&result(61, false), &times(180_000), &profile()).unwrap();
    assert_eq!((samples.len(), sum(&samples)), (60, 180_000));
    assert_eq!(samples[59].duration, 3_000);
    // The last picture shown is decoded before one that may refer to it.
    let mut reordered = result(61, false);
    let last = reordered.samples[60].pts;
    reordered.samples[60].pts = std::mem::replace(&mut reordered.samples[59].pts, last);
    let samples = place(&reordered, &times(180_000), &profile()).unwrap();
    assert_eq!((samples.len(), sum(&samples)), (61, 180_000));
    assert_eq!([samples[59].duration, samples[60].duration], [2_999, 1]);
    assert_eq!(samples[59].composition_offset, 2_999);
}

#[test]
fn refuses_other_durations() {
    for (frames, ticks) in [(60, 186_500), (60, 173_400)] {
        let error = place(&result(frames, false), &times(ticks), &profile()).unwrap_err();
        assert!(matches!(error, BadRendition::Duration { found: 180_000, .. }), "{error}");
    }
}

#[test]
fn refuses_too_many_or_too_few_pictures() {
    for frames in [53, 67] {
        let error = place(&result(frames, false), &times(180_000), &profile()).unwrap_err();
        assert!(matches!(error, BadRendition::FrameCount { least: 54, most: 66, .. }), "{error}");
    }
    let half = RenditionProfile { frame_rate: FrameRate::new(15, 1), ..profile() };
    let error = place(&result(60, false), &times(180_000), &half).unwrap_err();
    assert!(matches!(error, BadRendition::FrameCount { most: 33, .. }), "{error}");
    let double = RenditionProfile { frame_rate: FrameRate::new(60, 1), ..profile() };
    assert!(place(&result(60, false), &times(180_000), &double).is_ok(), "left as it was");
}

#[test]
fn lower_rates_are_measured_by_their_own_frame() {
    let rate = FrameRate::new(1, 1).unwrap();
    let slow = RenditionProfile { frame_rate: Some(rate), ..profile() };
    let mut result = result(2, false);
    result.samples[1].dts = result.samples[0].dts + 90_000;
    result.samples[1].pts = result.samples[0].pts + 90_000;
    let samples = place(&result, &times(225_000), &slow).unwrap();
    assert_eq!([samples[0].duration, samples[1].duration], [90_000, 135_000]);
}

#[test]
fn refuses_a_rendition_without_a_key_frame_first() {
    let mut result = result(60, false);
    result.samples[0].random_access = false;
    let error = place(&result, &times(180_000), &profile()).unwrap_err();
    assert!(matches!(error, BadRendition::NoKeyFrame));
    result.samples.clear();
    let error = place(&result, &times(180_000), &profile()).unwrap_err();
    assert!(matches!(error, BadRendition::NoVideo));
}

#[test]
fn refuses_disordered_stamps() {
    let disorders: [fn(&mut DemuxedTrack); 4] = [
        |track| track.samples[5].dts = track.samples[4].dts,
        |track| track.samples[5].pts = track.samples[4].pts,
        |track| track.samples[5].pts = track.samples[0].pts - 1,
        |track| track.samples[5].dts = i64::MIN,
    ];
    for disorder in disorders {
        let mut result = result(60, false);
        disorder(&mut result);
        let error = place(&result, &times(180_000), &profile()).unwrap_err();
        assert!(matches!(error, BadRendition::TimeStamps), "{error}");
    }
}

#[test]
fn the_picture_fills_the_box_and_fits_it() {
    let check = |width, height, (source_width, source_height)| {
        let CodecParameters::H264(found) = h264(width, height) else { unreachable!() };
        let source = source_video(source_width, source_height, 0, 60, 180_000);
        let preset = RenditionProfile::preset("P720p30fps16x9").unwrap();
        check_size(&found, &source, &preset).is_ok()
    };
    let (full_hd, portrait, classic) = ((1920, 1080), (1080, 1920), (1440, 1080));
    assert!(check(1280, 720, full_hd));
    assert!(check(406, 720, portrait));
    assert!(check(960, 720, classic), "inside the box");
    assert!(check(1280, 960, classic), "the longer side only");
    assert!(check(640, 360, (640, 360)), "never upscaled");
    assert!(!check(1282, 720, full_hd));
    assert!(!check(720, 1280, portrait));
    assert!(!check(640, 360, full_hd));
    assert!(!check(1279, 720, full_hd));
    assert!(!check(0, 0, full_hd));
}

#[test]
fn default_ladders_fit_their_own_profiles() {
    for (width, height) in [(1920, 1080), (1080, 1920), (1440, 1080), (1000, 562)] {
        let source = source_video(width, height, 0, 60, 180_000);
        for profile in Ladder::for_source(width, height, None).profiles() {
            let CodecParameters::H264(found) = h264(profile.width, profile.height) else {
                unreachable!()
            };
            assert!(check_size(&found, &source, profile).is_ok());
        }
    }
}

/// What an orchestrator's encoder makes of 2 s: 60 pictures of 128x72, from any decoding time.
fn encoded(base_decode_time: u64) -> TrackSegment {
    const SPS: &[u8] = &[
        103, 244, 0, 10, 145, 155, 40, 65, 127, 19, 128, 136, 0, 0, 3, 0, 8, 0, 0, 3, 1, 224, 120,
        145, 44, 176,
    ];
    const PPS: &[u8] = &[104, 235, 227, 196, 72, 68];
    let sets = |set| vec![Bytes::from_static(set)];
    let parameters = avc::parameters_from_sets(sets(SPS), sets(PPS)).unwrap();
    let parameters = CodecParameters::H264(Arc::new(parameters));
    let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
    let samples: Vec<_> = (0_u8..60)
        .map(|index| Sample {
            duration: 3_000,
            composition_offset: [6_000, 9_000, 3_000][usize::from(index % 3)],
            sync: index == 0,
            payload: Bytes::from(vec![
                0,
                0,
                0,
                3,
                if index == 0 { 0x65 } else { 0x41 },
                index,
                0x80,
            ])
            .into(),
        })
        .collect();
    let body = cmaf::fragment(&track, 1, base_decode_time, &samples).unwrap();
    let duration = MediaDuration::new(180_000, Timescale::VIDEO);
    let parts = vec![Part { duration, independent: true, body }];
    let init = Arc::new(cmaf::init_segment(&track).unwrap());
    TrackSegment { init, base_decode_time, samples, parts }
}

fn small() -> RenditionProfile {
    RenditionProfile { width: 128, height: 72, ..profile() }
}

#[test]
fn transport_streams_and_mp4_give_one_timeline_whatever_their_own() {
    let source = source_video(1920, 1080, 7_777_777, 60, 180_000);
    let sent = encoded(987_654_321);
    let mut mp4 = sent.init.bytes.to_vec();
    sent.body().for_each(|piece| mp4.extend_from_slice(piece));
    let ts = ts::TsWriter::new().segment(Some(&sent), None).unwrap();
    let inits = [Bytes::from(mp4), ts].map(|file| {
        let placed = place_rendition(&file, &source, &small(), SequenceNumber(5)).unwrap().track;
        assert_eq!(placed.base_decode_time, 7_777_777);
        assert_eq!(placed.duration(), source.duration());
        for (placed, sent) in placed.samples.iter().zip(&sent.samples) {
            assert_eq!(placed.composition_offset, sent.composition_offset - 6_000);
            assert_eq!(placed.sync, sent.sync);
            assert_eq!(placed.payload.to_contiguous(), sent.payload.to_contiguous());
        }
        let mut file = placed.init.bytes.to_vec();
        placed.body().for_each(|piece| file.extend_from_slice(piece));
        let read = mp4::read(&Bytes::from(file)).unwrap().video.unwrap();
        assert_eq!(read.samples.len(), 60);
        assert_eq!(read.samples[0].dts, 7_777_777);
        placed.init
    });
    assert_eq!(inits[0], inits[1]);
}

#[test]
fn segments_follow_one_another_without_a_gap() {
    let mut start = 0;
    for ticks in [180_000, 179_990, 181_111] {
        let source = source_video(1920, 1080, start, 60, ticks);
        let file = ts::TsWriter::new().segment(Some(&encoded(5)), None).unwrap();
        let placed = place_rendition(&file, &source, &small(), SequenceNumber(1)).unwrap().track;
        assert_eq!(placed.base_decode_time, start);
        start += placed.duration().ticks();
    }
    assert_eq!(start, 180_000 + 179_990 + 181_111);
}

#[test]
fn a_file_without_video_is_refused() {
    let source = source_video(1920, 1080, 0, 60, 180_000);
    let placed = place_rendition(&Bytes::new(), &source, &small(), SequenceNumber(1));
    assert!(placed.is_err());
}

proptest! {
    #[test]
    fn accepted_or_not_durations_sum_to_the_sources(
        steps in prop::collection::vec((1_i64..9_000, -9_000_i64..9_000), 1..80),
        ticks in 1_u32..400_000,
        frames in 1_u32..90,
        scale in prop_oneof![Just(90_000_u32), Just(12_800), Just(1_000_000), Just(1_000)],
    ) {
        let mut dts = 0;
        let samples = steps.into_iter().enumerate().map(|(index, (step, offset))| {
            dts += step;
            let pts = dts + offset;
            DemuxedSample { dts, pts, random_access: index == 0, payload: Chain::new() }
        });
        let samples = samples.collect();
        let timescale = Timescale::new(scale).unwrap();
        let track = DemuxedTrack { parameters: h264(1280, 720), timescale, samples };
        let source = SourceTimes::new(&source_video(1920, 1080, 0, frames, ticks));
        if let Ok(samples) = place(&track, &source, &profile()) {
            prop_assert_eq!(sum(&samples), u64::from(ticks));
            prop_assert!(samples.iter().all(|sample| sample.duration > 0));
            prop_assert_eq!(samples[0].composition_offset, 0);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), ts: bool) {
        let mut bytes = bytes;
        if ts {
            bytes.iter_mut().step_by(TS_PACKET).for_each(|byte| *byte = TS_SYNC);
        }
        let source = source_video(1920, 1080, 0, 60, 180_000);
        let placed =
            place_rendition(&Bytes::from(bytes), &source, &profile(), SequenceNumber(1));
        prop_assert!(placed.is_err());
    }
}
