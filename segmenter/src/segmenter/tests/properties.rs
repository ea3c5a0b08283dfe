//! Random publishers: the rules hold whatever they do.

use std::time::Duration;

use proptest::prelude::*;

use media::TrackId;

use super::rig::{Rig, audio_track, filler, layer_track, video_track};
use crate::{Cut, LongGop, SegmenterConfig};

/// One thing a publisher, or the world, may do.
#[derive(Clone, Debug)]
enum Step {
    Picture {
        step: i64,
        reorder: i64,
        key: bool,
    },
    Sound {
        step: i64,
    },
    Wait(u64),
    Discontinuity,
    Close,
    Leave,
    Filler(u32),
    Settle,
    VideoTrack(u8),
    AudioTrack(u32),
    Jump {
        video: i64,
        audio: i64,
    },
    /// A picture of a layer, near the main one's time or on a clock of its own.
    Layer {
        id: u32,
        step: i64,
        reorder: i64,
        key: bool,
        alone: bool,
    },
    LayerTrack {
        id: u32,
        height: u32,
    },
    Alternate {
        id: u32,
        step: i64,
    },
    AlternateTrack {
        id: u32,
        rate: u32,
    },
    NewPublisher,
}

/// Ids of layers and of further audio tracks.
const LAYERS: std::ops::Range<u32> = 3..6;
const ALTERNATES: std::ops::Range<u32> = 6..8;

/// What publishers with several tracks do besides.
fn layered_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        300 => step(),
        300 => (LAYERS, 33..34_i64, 0..120_i64, prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(id, step, reorder, key, alone)| Step::Layer { id, step, reorder, key, alone }),
        100 => (ALTERNATES, 21..23_i64).prop_map(|(id, step)| Step::Alternate { id, step }),
        5 => (LAYERS, 1..4_u32).prop_map(|(id, size)| Step::LayerTrack { id, height: 270 * size }),
        5 => (ALTERNATES, prop_oneof![Just(48_000), Just(44_100_u32)])
            .prop_map(|(id, rate)| Step::AlternateTrack { id, rate }),
        1 => Just(Step::NewPublisher),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        120 => (prop_oneof![8 => 33..34_i64, 1 => 0..200_i64, 1 => -40..900_i64], 0..120_i64,
            prop::bool::weighted(0.05))
            .prop_map(|(step, reorder, key)| Step::Picture { step, reorder, key }),
        120 => prop_oneof![8 => 21..23_i64, 1 => -30..100_i64].prop_map(|step| Step::Sound { step }),
        60 => (0..80_u64).prop_map(Step::Wait),
        2 => (0..6_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Discontinuity),
        4 => Just(Step::Close),
        1 => Just(Step::Leave),
        1 => prop_oneof![Just(48_000), Just(44_100), Just(24_000)].prop_map(Step::Filler),
        1 => Just(Step::Settle),
        1 => (0xc0..0xc3_u8).prop_map(Step::VideoTrack),
        1 => prop_oneof![Just(48_000), Just(44_100)].prop_map(Step::AudioTrack),
        1 => (-20_000..20_000_i64, -20_000..20_000_i64)
            .prop_map(|(video, audio)| Step::Jump { video, audio }),
    ]
}

fn config() -> impl Strategy<Value = SegmenterConfig> {
    let part = prop::option::of(100..600_u64);
    let choices = (any::<bool>(), any::<bool>());
    (200..4_000_u64, part, choices).prop_map(|(goal, part, (cut, by_publisher))| SegmenterConfig {
        cut: if by_publisher { Cut::ByPublisher } else { Cut::AtGoal },
        goal: Duration::from_millis(goal),
        part_target: part.map(Duration::from_millis),
        long_gop: if cut { LongGop::Cut } else { LongGop::Refuse },
        ..SegmenterConfig::default()
    })
}

fn run(config: SegmenterConfig, steps: Vec<Step>) {
    let mut rig = Rig::new(config);
    let (mut video, mut audio) = (1_000_i64, 1_000_i64);
    let mut key_at = video;
    let (mut layers, mut alternates, mut rates) = ([1_000_i64; 3], [1_000_i64; 2], [48_000; 2]);
    let nth = |id: u32, of: std::ops::Range<u32>| usize::try_from(id - of.start).unwrap();
    for step in steps {
        match step {
            Step::Picture { step, reorder, key } => {
                video += step;
                key_at = if key { video } else { key_at };
                rig.picture(video, video + if key { 0 } else { reorder }, key);
            }
            Step::Sound { step } => {
                audio += step;
                rig.sound(audio);
            }
            Step::Wait(millis) => rig.until(rig.now() + millis),
            Step::Discontinuity => rig.discontinuity(),
            Step::Close => rig.close(),
            Step::Leave => rig.leave(),
            Step::Filler(rate) => rig.set_filler(filler(rate)),
            Step::Settle => {
                rig.segmenter.target_duration();
            }
            Step::VideoTrack(pps) => rig.track(video_track(pps)),
            Step::AudioTrack(rate) => rig.track(audio_track(rate)),
            Step::Layer { id, step, reorder, key, alone } => {
                let clock = &mut layers[nth(id, LAYERS)];
                // Layers mostly stay with the main track, and answer its key frames.
                *clock = if alone || key { *clock + step } else { (*clock + step).max(video - 40) };
                let answers = key_at == video && !alone;
                let at = if answers { video } else { *clock };
                rig.layer(id, at, at + if key || answers { 0 } else { reorder }, key || answers);
            }
            Step::LayerTrack { id, height } => rig.track(layer_track(id, height, 0xc0)),
            Step::Alternate { id, step } => {
                let index = nth(id, ALTERNATES);
                alternates[index] = (alternates[index] + step).max(audio - 100);
                rig.raw_alternate(id, alternates[index] * rates[index] / 1_000);
            }
            Step::AlternateTrack { id, rate } => {
                rates[nth(id, ALTERNATES)] = i64::from(rate);
                rig.track(media::Track { id: TrackId(id), ..audio_track(rate) });
            }
            Step::NewPublisher => rig.new_publisher(),
            Step::Jump { video: v, audio: a } => (video, audio) = (video + v, audio + a),
        }
    }
    rig.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_holds_for_any_publisher(
        config in config(),
        tracks in 0..4_u8,
        steps in prop::collection::vec(step(), 0..1_500),
    ) {
        let mut all = Vec::new();
        if tracks & 1 == 0 {
            all.push(Step::VideoTrack(0xc0));
        }
        if tracks & 2 == 0 {
            all.push(Step::AudioTrack(48_000));
        }
        all.extend(steps);
        run(config, all);
    }

    #[test]
    fn every_rule_holds_for_publishers_of_several_tracks(
        config in config(),
        steps in prop::collection::vec(layered_step(), 0..1_500),
    ) {
        let mut all = vec![Step::VideoTrack(0xc0), Step::AudioTrack(48_000)];
        all.extend(LAYERS.map(|id| Step::LayerTrack { id, height: 180 * (id - 2) }));
        all.extend(ALTERNATES.map(|id| Step::AlternateTrack { id, rate: 48_000 }));
        all.extend(steps);
        run(config, all);
    }

    #[test]
    fn stamps_at_the_ends_of_their_range_do_not_panic(
        stamps in prop::collection::vec((any::<i64>(), any::<i64>(), any::<bool>()), 0..200),
    ) {
        let mut rig = Rig::with_both(SegmenterConfig::default());
        rig.track(layer_track(3, 360, 0xc0));
        rig.track(media::Track { id: TrackId(6), ..audio_track(44_100) });
        for (dts, pts, key) in stamps {
            rig.raw_picture(dts, pts, key);
            rig.layer(3, dts / 90, pts / 90, key);
            rig.raw_sound(pts);
            rig.raw_alternate(6, pts);
        }
        rig.finish();
    }
}
