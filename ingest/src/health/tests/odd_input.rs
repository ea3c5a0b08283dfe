use std::time::Duration;

use media::{Timescale, Track, TrackId};
use proptest::prelude::*;

use super::rig::{Rig, Second, audio, unit, video};
use crate::health::{Arrival, Cause, MAX_TRACKS};

#[derive(Clone, Debug)]
enum Step {
    Unit { track: u32, dts: i64, pts: i64, key: bool, length: i64, after: u64 },
    Track { id: u32, is_video: bool, timescale: u32, size: u32 },
    Break,
    Count { cause: usize, total: u64 },
    Look { after: u64 },
}

fn stamp() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -1_000_000_i64..1_000_000,
        Just(i64::MIN),
        Just(i64::MAX),
        Just(1_i64 << 32),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let after = || prop_oneof![0_u64..100, 0_u64..20_000, Just(10_000_000_000)];
    prop_oneof![
        8 => (1_u32..4, stamp(), stamp(), any::<bool>(), 0_i64..1 << 20, after()).prop_map(
            |(track, dts, pts, key, length, after)| Step::Unit { track, dts, pts, key, length, after }
        ),
        1 => (1_u32..30, any::<bool>(), prop_oneof![1_u32..100, any::<u32>()], any::<u32>()).prop_map(
            |(id, is_video, timescale, size)| Step::Track { id, is_video, timescale, size }
        ),
        1 => Just(Step::Break),
        1 => (0..Cause::ALL.len(), any::<u64>()).prop_map(|(cause, total)| Step::Count { cause, total }),
        2 => after().prop_map(|after| Step::Look { after }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn nothing_a_publisher_sends_can_break_the_figures(
        steps in proptest::collection::vec(step(), 0..120),
        transport in prop_oneof![Just(Arrival::Rtmp), Just(Arrival::Whip), Just(Arrival::Push)],
    ) {
        let mut rig = Rig::new();
        rig.meter.set_transport(transport);
        let start = rig.now();
        let mut passed = Duration::ZERO;
        for step in steps {
            match step {
                Step::Unit { track, dts, pts, key, length, after } => {
                    passed = (passed + Duration::from_millis(after)).min(Duration::from_secs(1 << 36));
                    let mut unit = unit(TrackId(track), dts, key, length);
                    unit.pts = pts;
                    unit.arrived = start + passed;
                    rig.meter.push(&unit);
                }
                Step::Track { id, is_video, timescale, size } => {
                    let track = if is_video { video(size, size / 2) } else { audio() };
                    let timescale = Timescale::new(timescale.max(1)).unwrap();
                    rig.meter.set_track(start + passed, &Track { id: TrackId(id), timescale, ..track });
                }
                Step::Break => rig.meter.discontinuity(),
                Step::Count { cause, total } => rig.meter.reach(start + passed, Cause::ALL[cause], total),
                Step::Look { after } => {
                    let changes = rig.meter.assess(start + passed + Duration::from_millis(after));
                    prop_assert!(changes.len() <= 30);
                }
            }
        }
        let snapshot = rig.meter.snapshot(start + passed);
        prop_assert!(snapshot.tracks.len() <= MAX_TRACKS);
        prop_assert!(snapshot.bitrate_history.len() <= 60);
        for warning in rig.meter.warnings() {
            prop_assert!(warning.finding.sentence().len() < 300, "{:?}", warning);
        }
        prop_assert!(serde_json::to_string(&snapshot).unwrap().len() < 16_384);
    }

    #[test]
    fn what_an_encoder_calls_itself_stays_short(told in ".{0,300}") {
        let mut rig = Rig::new();
        rig.meter.set_encoder(&told);
        let json = serde_json::to_value(rig.snapshot()).unwrap();
        prop_assert!(json["encoder"].as_str().unwrap_or_default().len() <= 64);
    }
}

#[test]
fn memory_of_a_publisher_is_bounded() {
    let track = size_of::<crate::health::track::TrackMeter>();
    let all = size_of::<crate::health::HealthMeter>() + MAX_TRACKS * track;
    assert!(track <= 4_608 && all <= 64 * 1_024, "{track} {all}");
}

#[test]
#[ignore = "a measurement: run it with --release --nocapture"]
fn cost_of_an_access_unit() {
    let mut rig = Rig::new();
    rig.run(5, Second::default());
    let unit = unit(TrackId::VIDEO, 0, false, 8_000);
    let units: Vec<_> = (0..1_000_000_i64)
        .map(|number| {
            let mut unit = unit.clone();
            (unit.dts, unit.pts) = (number * 3_000, number * 3_000);
            unit.arrived =
                rig.now() + Duration::from_micros(u64::try_from(number).unwrap() * 33_333);
            unit
        })
        .collect();
    let began = tokio::time::Instant::now();
    units.iter().for_each(|unit| rig.meter.push(unit));
    println!("{} ns for an access unit", began.elapsed().as_nanos() / 1_000_000);
    let began = tokio::time::Instant::now();
    let now = rig.now() + Duration::from_secs(33_333);
    for _ in 0..1_000 {
        rig.meter.assess(now);
    }
    println!("{} ns to look", began.elapsed().as_nanos() / 1_000);
}
