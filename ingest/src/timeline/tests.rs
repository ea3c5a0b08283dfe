use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use media::{AacParameters, CodecParameters, H264Parameters, TrackId};
use proptest::prelude::*;

use super::*;

fn start() -> Instant {
    crate::shell::now()
}

fn video_track() -> Track {
    Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(Arc::new(H264Parameters {
            sps: Vec::new(),
            pps: Vec::new(),
            profile_level: [66, 0, 30],
            width: 16,
            height: 16,
            sample_aspect_ratio: (1, 1),
            frame_rate: None,
            may_reorder: true,
        })),
    }
}

fn audio_track(sampling_rate: u32) -> Track {
    Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(sampling_rate).unwrap(),
        parameters: CodecParameters::Aac(Arc::new(AacParameters {
            audio_specific_config: Bytes::new(),
            object_type: 2,
            sampling_rate,
            channels: 2,
            frame_samples: 1024,
        })),
    }
}

/// A timeline with both tracks, and a clock of arrivals.
struct Line {
    timeline: Timeline,
    now: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Video { dts: i64, pts: i64 },
    Audio { dts: i64 },
    Jump,
}

impl Line {
    fn new(sampling_rate: u32) -> Self {
        let mut timeline = Timeline::new();
        timeline.set_track(video_track());
        timeline.set_track(audio_track(sampling_rate));
        Self { timeline, now: start() }
    }

    fn push(&mut self, track: TrackId, timestamp: u32, composition_time_ms: i32) {
        self.timeline.push(StampedUnit {
            track,
            timestamp,
            composition_time_ms,
            offset_nanos: 0,
            random_access: true,
            payload: Chain::new(),
            arrived: self.now,
        });
    }

    fn video(&mut self, timestamp: u32) {
        self.push(TrackId::VIDEO, timestamp, 0);
    }

    fn audio(&mut self, timestamp: u32) {
        self.push(TrackId::AUDIO, timestamp, 0);
    }

    fn seen(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.timeline.poll_output())
            .filter_map(|event| match event {
                PublisherEvent::AccessUnit(unit) if unit.track == TrackId::VIDEO => {
                    Some(Seen::Video { dts: unit.dts, pts: unit.pts })
                }
                PublisherEvent::AccessUnit(unit) => Some(Seen::Audio { dts: unit.dts }),
                PublisherEvent::Discontinuity(_) => Some(Seen::Jump),
                PublisherEvent::Layout { .. }
                | PublisherEvent::Track(_)
                | PublisherEvent::Ended(_) => None,
            })
            .collect()
    }

    fn video_dts(&mut self) -> Vec<i64> {
        self.seen()
            .iter()
            .filter_map(|seen| match seen {
                Seen::Video { dts, .. } => Some(*dts),
                Seen::Audio { .. } | Seen::Jump => None,
            })
            .collect()
    }
}

#[test]
fn goes_on_over_the_32_bit_wrap() {
    let mut line = Line::new(48_000);
    for n in 0..10_u32 {
        line.video(0xffff_ff80_u32.wrapping_add(n * 40));
        line.audio(0xffff_ff80_u32.wrapping_add(n * 40));
    }
    let dts = line.video_dts();
    assert!(dts.windows(2).all(|pair| pair[1] - pair[0] == 3_600), "{dts:?}");
    assert_eq!(line.timeline.stats().jumps, 0);
}

#[test]
fn equal_and_backward_stamps_are_nudged() {
    let mut line = Line::new(48_000);
    for stamp in [0, 40, 40, 20, 120] {
        line.push(TrackId::VIDEO, stamp, 80);
    }
    assert_eq!(line.timeline.stats().repaired, 2);
    let dts: Vec<_> = line.seen();
    let expected =
        [0, 3_600, 3_601, 3_602, 10_800].map(|dts| Seen::Video { dts, pts: dts + 7_200 });
    assert_eq!(dts, expected);
}

#[test]
fn a_zero_stamp_in_the_middle_is_put_back_in_line() {
    let mut line = Line::new(48_000);
    for stamp in [100_000, 100_040, 0, 100_120] {
        line.video(stamp);
        line.audio(stamp.max(100_000));
    }
    let stats = line.timeline.stats();
    assert_eq!((stats.jumps, stats.repaired), (0, 1));
    assert_eq!(line.video_dts(), [9_000_000, 9_003_600, 9_003_601, 9_010_800]);
}

#[test]
fn a_jump_is_one_event_for_both_tracks_and_stragglers_are_dropped() {
    for (from, to) in [(600_000, 0), (0, 600_000), (0, 0xf000_0000), (3_000_000_000, 5)] {
        let mut line = Line::new(48_000);
        for n in 0..3 {
            line.video(from + n * 40);
            line.audio(from + n * 40);
        }
        assert_eq!(line.seen().len(), 6);
        // Audio jumps first, two video units of the old timeline are still on their way.
        line.audio(to);
        line.video(from + 120);
        line.audio(to + 21);
        line.video(from + 160);
        line.video(to + 40);
        line.video(to + 80);
        line.audio(to + 43);
        let seen = line.seen();
        let jumps = seen.iter().filter(|seen| **seen == Seen::Jump).count();
        assert_eq!(jumps, 1, "{from} {to} {seen:?}");
        assert!(matches!(seen[0], Seen::Video { .. }), "still on the old timeline: {seen:?}");
        assert_eq!(seen[1], Seen::Jump);
        assert_eq!(seen.len(), 7, "{seen:?}");
        let stats = line.timeline.stats();
        assert_eq!((stats.jumps, stats.stragglers, stats.repaired), (1, 1, 0));
        // Sound and picture keep their offset on the new timeline.
        let (Seen::Audio { dts: audio }, Seen::Video { dts: video, .. }) = (&seen[2], &seen[4])
        else {
            panic!("{seen:?}");
        };
        assert_eq!(video / 90 - audio / 48, 40);
    }
}

#[test]
fn a_track_with_its_own_clock_neither_flaps_nor_stays_silent() {
    let mut line = Line::new(48_000);
    let base = 50_000_000;
    for n in 0..400_u32 {
        line.video(base + n * 40);
        line.audio(n * 40);
        line.now += Duration::from_millis(40);
    }
    let seen = line.seen();
    let jumps = seen.iter().filter(|seen| **seen == Seen::Jump).count();
    assert_eq!(jumps, 1);
    let last = &seen[seen.len() - 2..];
    let [Seen::Video { dts: video, .. }, Seen::Audio { dts: audio }] = last else {
        panic!("{last:?}");
    };
    assert!((video / 90 - audio / 48).abs() <= 41, "{last:?}");
}

#[test]
fn sparse_audio_beside_video_is_no_jump() {
    let mut line = Line::new(48_000);
    for n in 0..1_000_u32 {
        line.video(n * 40);
        if n % 250 == 0 {
            line.audio(n * 40);
        }
    }
    assert_eq!(line.timeline.stats().jumps, 0);
    assert_eq!(line.seen().len(), 1_004);
}

#[test]
fn audio_is_evenly_spaced_however_its_stamps_are_rounded() {
    for rate in [22_050_u32, 44_100, 48_000] {
        for half in [0, 1] {
            let mut line = Line::new(rate);
            for n in 0..20_000_u64 {
                let stamp = (n * 1024 * 2_000 / u64::from(rate) + half) / 2;
                line.audio(u32::try_from(stamp).unwrap());
            }
            let stats = line.timeline.stats();
            assert_eq!(stats.audio_resyncs, 0);
            let dts: Vec<_> = line.seen();
            assert!(
                dts.windows(2).all(|pair| matches!(
                    pair, [Seen::Audio { dts: a }, Seen::Audio { dts: b }] if b - a == 1024
                )),
                "{rate}"
            );
        }
    }
}

#[test]
fn the_offset_to_the_stamps_stays_within_a_millisecond_for_ever() {
    // Sampling clocks up to 200 ppm off the clock that stamps, for eight hours each.
    for drift_ppm in [-200_i64, -20, 20, 200] {
        let mut line = Line::new(48_000);
        let mut worst = 0;
        let frames = 8_i64 * 3_600 * 48_000 / 1024;
        for n in 0..frames {
            let nanos = i128::from(n) * 1024 * 1_000_000_000 / 48_000;
            let nanos = nanos + nanos * i128::from(drift_ppm) / 1_000_000;
            let millis = u32::try_from(nanos / 1_000_000).unwrap();
            line.audio(millis);
            while let Some(event) = line.timeline.poll_output() {
                let PublisherEvent::AccessUnit(unit) = event else { continue };
                // Against the true time, of which the stamp shows whole milliseconds: half a
                // millisecond less on average, for picture and sound alike.
                let error = i128::from(unit.dts) * 1_000_000_000 / 48_000 - nanos + 500_000;
                worst = worst.max(error.abs());
            }
        }
        assert!(worst <= 1_000_000, "{drift_ppm} ppm: {worst} ns");
        assert_eq!(line.timeline.stats().audio_resyncs, 0);
    }
}

#[test]
fn lost_audio_frames_resync_at_once() {
    let mut line = Line::new(48_000);
    for stamp in [0, 21, 43, 64, 200, 221, 243] {
        line.audio(stamp);
    }
    assert_eq!(line.timeline.stats().audio_resyncs, 1);
    let seen = line.seen();
    assert_eq!(seen[4], Seen::Audio { dts: 9_600 });
    assert_eq!(seen[5], Seen::Audio { dts: 9_600 + 1_024 });
}

#[test]
fn units_without_a_track_are_counted() {
    let mut timeline = Timeline::new();
    timeline.push(StampedUnit {
        track: TrackId::VIDEO,
        timestamp: 0,
        composition_time_ms: 0,
        offset_nanos: 0,
        random_access: true,
        payload: Chain::new(),
        arrived: start(),
    });
    assert!(timeline.poll_output().is_none());
    assert_eq!(timeline.stats().untracked, 1);
}

proptest! {
    #[test]
    fn no_unit_is_lost_unseen_and_decoding_times_rise(
        units in proptest::collection::vec((any::<bool>(), prop_oneof![
            any::<u32>(), 0_u32..10_000, 0xffff_f000_u32..=0xffff_ffff
        ]), 1..200)
    ) {
        let mut line = Line::new(44_100);
        for (video, stamp) in &units {
            if *video { line.video(*stamp) } else { line.audio(*stamp) }
        }
        line.timeline.finish();
        let stragglers = line.timeline.stats().stragglers;
        let seen = line.seen();
        let mut last = [i64::MIN; 2];
        let mut out = 0;
        for unit in seen {
            let (lane, dts) = match unit {
                Seen::Jump => { last = [i64::MIN; 2]; continue }
                Seen::Video { dts, .. } => (0, dts),
                Seen::Audio { dts } => (1, dts),
            };
            out += 1;
            prop_assert!(dts > last[lane]);
            last[lane] = dts;
        }
        prop_assert_eq!(out + stragglers, u64::try_from(units.len()).unwrap());
    }
}

#[test]
fn nanoseconds_move_presentation_alone() {
    let mut timeline = Timeline::new();
    timeline.set_track(video_track());
    assert!(matches!(timeline.poll_output(), Some(PublisherEvent::Track(_))));
    for (timestamp, offset_nanos, expected) in [(0, 0, (0, 0)), (40, 500_000, (3_600, 3_645))] {
        timeline.push(StampedUnit {
            track: TrackId::VIDEO,
            timestamp,
            composition_time_ms: 0,
            offset_nanos,
            random_access: true,
            payload: Chain::new(),
            arrived: start(),
        });
        let Some(PublisherEvent::AccessUnit(unit)) = timeline.poll_output() else { panic!() };
        assert_eq!((unit.dts, unit.pts), expected);
    }
}
