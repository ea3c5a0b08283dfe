//! Whatever stamps come, time goes on in each track, and nothing overflows.

use proptest::prelude::*;

use super::super::*;
use crate::fixture::start;

const SETS: [&[u8]; 2] = [
    &[
        0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00,
        0x01, 0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e, 0x48,
    ],
    &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0],
];

#[derive(Clone, Debug)]
enum Step {
    /// A packet of the video or sound track, its timestamp, and its source.
    Unit(bool, u32, bool),
    Report(bool, u64, u32),
    /// In milliseconds.
    Wait(u64),
}

/// Timestamps near those before, mostly.
fn timestamp() -> impl Strategy<Value = u32> {
    prop_oneof![10 => 0_u32..200_000, 1 => any::<u32>(), 1 => Just(u32::MAX), 1 => Just(1 << 31)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (any::<bool>(), timestamp(), prop::bool::weighted(0.02))
            .prop_map(|(sound, stamp, other)| Step::Unit(sound, stamp, other)),
        5 => (any::<bool>(), any::<u64>(), timestamp())
            .prop_map(|(sound, ntp, stamp)| Step::Report(sound, ntp, stamp)),
        5 => (any::<bool>(), 0_u64..1 << 32, timestamp())
            .prop_map(|(sound, ntp, stamp)| Step::Report(sound, (1 << 62) + ntp, stamp)),
        10 => (0_u64..100).prop_map(Step::Wait),
        1 => (0_u64..100_000_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn time_goes_on(steps in proptest::collection::vec(step(), 1..300), relative in any::<bool>()) {
        let (tracks, mut now) = ([TrackId::VIDEO, TrackId::AUDIO], start());
        let mut receiver = Receiver::new(ReceiverConfig::default(), now);
        receiver.add_h264(TrackId::VIDEO, &SETS.map(Bytes::from_static));
        receiver.add_opus(TrackId::AUDIO);
        let (mut ends, mut sequences, mut stamps) = ([i64::MIN; 2], [0_u16; 2], [0_u32; 2]);
        for step in steps {
            match step {
                Step::Unit(sound, stamp, other) => {
                    let own = usize::from(sound);
                    sequences[own] = sequences[own].wrapping_add(1);
                    let before = if relative { stamps[own] } else { 0 };
                    stamps[own] = before.wrapping_add(stamp);
                    receiver.handle_packet(tracks[own], Packet {
                        ssrc: u32::from(other),
                        sequence: sequences[own],
                        timestamp: stamps[own],
                        marker: true,
                        payload: Bytes::from_static(if sound { &[0xFC] } else { &[0x65, 0x88, 0x80] }),
                        arrived: now,
                    });
                }
                Step::Report(sound, ntp, stamp) => {
                    let rtp = stamps[usize::from(sound)].wrapping_add(stamp);
                    let report = SenderReport { ssrc: 0, ntp, rtp, arrived: now };
                    receiver.handle_sender_report(tracks[usize::from(sound)], report);
                }
                Step::Wait(ms) => {
                    now += Duration::from_millis(ms);
                    receiver.handle_timeout(now);
                }
            }
            while let Some(output) = receiver.poll_output() {
                let (own, pts, length) = match output {
                    Output::AccessUnit(unit) => (0, unit.pts, 1),
                    Output::Opus(packet) => (1, packet.pts, i64::from(packet.samples)),
                    Output::Track(_) | Output::ClockReset { .. } | Output::KeyFrameWanted(_) => continue,
                };
                prop_assert!(pts >= ends[own], "{pts} after {}", ends[own]);
                ends[own] = pts + length;
            }
        }
        for (track, own) in tracks.iter().zip([0, 1]) {
            let health = receiver.health(*track).unwrap();
            let dropped: u64 = health.dropped.iter().sum();
            // One may be held until the next one tells what it means.
            let known = health.handed_out + dropped;
            prop_assert!(known + 1 >= u64::from(sequences[own]), "{health:?}");
        }
    }
}
