use std::time::Duration;

use super::*;
use crate::{
    Packet, Receiver, ReceiverConfig,
    fixture::{packet, start},
};

/// CELT, 20 ms, stereo, one frame.
const FRAME: &[u8] = &[0xFC, 1, 2, 3];

/// What comes out of packets of (sequence number, timestamp, payload), 20 ms apart in arrival.
fn run(packets: &[(u16, u32, &[u8])]) -> (Vec<(i64, Missing)>, TrackHealth) {
    let mut receiver = Receiver::new(ReceiverConfig::default(), start());
    receiver.add_opus(TrackId::AUDIO);
    let mut out = Vec::new();
    let mut now = start();
    for (sequence, timestamp, payload) in packets {
        let packet = packet(*sequence, *timestamp, false, payload);
        receiver.handle_packet(TrackId::AUDIO, Packet { arrived: now, ..packet });
        now += Duration::from_millis(20);
    }
    receiver.handle_timeout(now + Duration::from_secs(1));
    while let Some(output) = receiver.poll_output() {
        if let Output::Opus(packet) = output {
            out.push((packet.pts, packet.missing));
        }
    }
    (out, receiver.health(TrackId::AUDIO).unwrap())
}

#[test]
fn samples_are_evenly_spaced_over_the_end_of_the_timestamps() {
    let base = u32::MAX - 1_000;
    let stamp = |n: u32| base.wrapping_add(n * 960);
    let packets: Vec<_> = (0..5_u16).map(|n| (n, stamp(u32::from(n)), FRAME)).collect();
    let (out, health) = run(&packets);
    let even: Vec<_> = (0..5).map(|n| (n * 960, Missing::Nothing)).collect();
    assert_eq!((out, health.handed_out, health.dropped), (even, 5, [0; 6]));
}

#[test]
fn silence_is_told_from_loss() {
    let (out, health) = run(&[(0, 0, FRAME), (1, 960 * 4, FRAME), (3, 960 * 6, FRAME)]);
    assert_eq!(out[1], (3_840, Missing::Silence(2_880)));
    assert_eq!(out[2], (5_760, Missing::Lost(960)));
    assert_eq!(health.lost, 1);
}

#[test]
fn a_malformed_packet_is_as_good_as_lost() {
    let bomb = &[0xE3, 0xBF, 0, 0][..];
    let (out, health) = run(&[(0, 0, FRAME), (1, 960, bomb), (2, 1_920, FRAME)]);
    assert_eq!(out[1..], [(1_920, Missing::Lost(960))]);
    assert_eq!(health.dropped_for(DropReason::Malformed), 1);
}

#[test]
fn padding_is_no_sound() {
    let (out, health) = run(&[(0, 0, FRAME), (1, 960, &[]), (2, 960, FRAME)]);
    assert_eq!(out[1], (960, Missing::Nothing));
    assert_eq!(health.dropped, [0; 6]);
}

#[test]
fn stamps_that_are_rounded_are_not_gaps_and_overlaps_are_dropped() {
    let packets =
        [(0, 0, FRAME), (1, 980, FRAME), (2, 1_900, FRAME), (3, 2_000, FRAME), (4, 2_880, FRAME)];
    let (out, health) = run(&packets);
    let pts: Vec<_> = out.iter().map(|(pts, _)| *pts).collect();
    assert_eq!(pts, [0, 980, 1_940, 2_900]);
    assert!(out.iter().all(|(_, missing)| *missing == Missing::Nothing));
    assert_eq!(health.dropped_for(DropReason::OutOfOrder), 1);
    let (out, health) = run(&[(0, 960, FRAME), (1, 960, FRAME), (2, 0, FRAME), (3, 1_920, FRAME)]);
    assert_eq!((out.len(), health.dropped_for(DropReason::OutOfOrder)), (2, 2));
}
