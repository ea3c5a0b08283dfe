//! Whole sessions: what comes out of a receiver, and what it asks for.

use container::avc;
use media::AccessUnit;

use super::super::*;
use crate::{ClockReset, DropReason, KeyFrameRequest, OpusPacket, fixture::at};

const VIDEO: TrackId = TrackId::VIDEO;
const AUDIO: TrackId = TrackId::AUDIO;
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e, 0x48,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
const IDR: &[u8] = &[0x65, 0x88, 0x80, 1];
const P: &[u8] = &[0x41, 0x9a, 0x20, 6];

#[derive(Default)]
struct Out {
    units: Vec<AccessUnit>,
    sound: Vec<OpusPacket>,
    asks: Vec<KeyFrameRequest>,
    resets: Vec<(TrackId, ClockReset)>,
    tracks: usize,
}

struct Rig {
    receiver: Receiver,
    /// The last sequence number of each track.
    sequences: BTreeMap<TrackId, u16>,
    ssrc: u32,
}

impl Rig {
    fn new() -> Self {
        let mut receiver = Receiver::new(ReceiverConfig::default(), at(0));
        receiver.add_h264(VIDEO, &[]);
        receiver.add_opus(AUDIO);
        Self { receiver, sequences: BTreeMap::new(), ssrc: 5 }
    }

    fn push(&mut self, track: TrackId, ms: u64, timestamp: u32, nalus: &[&[u8]]) -> Out {
        for (index, nalu) in nalus.iter().enumerate() {
            let sequence = self.sequences.entry(track).or_insert(100);
            *sequence += 1;
            self.receiver.handle_packet(
                track,
                Packet {
                    ssrc: self.ssrc,
                    sequence: *sequence,
                    timestamp,
                    marker: index + 1 == nalus.len(),
                    payload: Bytes::copy_from_slice(nalu),
                    arrived: at(ms),
                },
            );
        }
        self.drain()
    }

    fn drain(&mut self) -> Out {
        let mut out = Out::default();
        while let Some(output) = self.receiver.poll_output() {
            match output {
                Output::Track(_) => out.tracks += 1,
                Output::AccessUnit(unit) => out.units.push(unit),
                Output::Opus(packet) => out.sound.push(packet),
                Output::ClockReset { track, reason } => out.resets.push((track, reason)),
                Output::KeyFrameWanted(request) => out.asks.push(request),
            }
        }
        out
    }
}

#[test]
fn a_first_key_frame_needs_no_asking_and_is_announced() {
    let mut rig = Rig::new();
    let out = rig.push(VIDEO, 10, 900, &[SPS, PPS, IDR]);
    assert_eq!((out.tracks, out.units.len(), out.asks.len()), (1, 1, 0));
    let unit = &out.units[0];
    assert_eq!((unit.dts, unit.pts, unit.random_access), (900, 900, true));
    assert_eq!(unit.payload.piece_count(), 1);
    let read = avc::normalize(&unit.payload.to_contiguous(), 4).unwrap();
    assert!(read.idr && read.sps == [SPS] && read.pps == [PPS]);
    let out = rig.push(VIDEO, 50, 4_500, &[P]);
    assert_eq!((out.tracks, out.units[0].pts), (0, 4_500));
    assert!(!out.units[0].random_access);
}

#[test]
fn without_a_key_frame_one_is_asked_for_until_it_comes() {
    let mut rig = Rig::new();
    assert_eq!(rig.push(VIDEO, 0, 0, &[P]).asks[0].reason, KeyFrameReason::Loss);
    let asks = (1..50_u32).map(|n| rig.push(VIDEO, u64::from(n) * 40, n * 3_600, &[P]).asks.len());
    assert_eq!(asks.sum::<usize>(), 3);
    let health = rig.receiver.health(VIDEO).unwrap();
    assert_eq!(health.dropped_for(DropReason::AwaitingKeyFrame), 50);
    assert_eq!(rig.push(VIDEO, 2_000, 180_000, &[SPS, PPS, IDR]).units.len(), 1);
}

#[test]
fn a_hole_is_given_up_in_time_and_a_key_frame_asked_for() {
    let mut rig = Rig::new();
    rig.push(VIDEO, 0, 0, &[SPS, PPS, IDR]);
    *rig.sequences.get_mut(&VIDEO).unwrap() += 1;
    assert_eq!(rig.push(VIDEO, 40, 3_600, &[P]).units.len(), 0);
    assert_eq!(rig.receiver.poll_timeout(), Some(at(340)));
    rig.receiver.handle_timeout(at(339));
    assert!(rig.drain().asks.is_empty());
    rig.receiver.handle_timeout(at(340));
    let out = rig.drain();
    assert_eq!((out.units.len(), out.asks.len()), (0, 1));
    assert_eq!(out.asks[0], KeyFrameRequest { tracks: vec![VIDEO], reason: KeyFrameReason::Loss });
    assert_eq!(rig.receiver.health(VIDEO).unwrap().lost, 1);
}

#[test]
fn a_hole_that_heals_costs_nothing() {
    let mut rig = Rig::new();
    rig.push(VIDEO, 0, 0, &[SPS, PPS, IDR]);
    *rig.sequences.get_mut(&VIDEO).unwrap() += 1;
    rig.push(VIDEO, 80, 7_200, &[P]);
    *rig.sequences.get_mut(&VIDEO).unwrap() -= 2;
    let out = rig.push(VIDEO, 120, 3_600, &[P]);
    let stamps: Vec<_> = out.units.iter().map(|unit| unit.pts).collect();
    assert_eq!((stamps, out.asks.len()), (vec![3_600, 7_200], 0));
    let health = rig.receiver.health(VIDEO).unwrap();
    assert_eq!((health.lost, health.reordered, health.handed_out), (0, 1, 3));
}

#[test]
fn layers_are_asked_together_before_a_group_gets_longer_than_the_target() {
    let mut rig = Rig::new();
    let other = TrackId(3);
    rig.receiver.add_h264(other, &[]);
    let mut asks = Vec::new();
    for n in 0..50_u32 {
        let ms = u64::from(n) * 40;
        let picture: &[&[u8]] = if n == 0 { &[SPS, PPS, IDR] } else { &[P] };
        for track in [VIDEO, other] {
            let out = rig.push(track, ms, n * 3_600 + track.0, picture);
            assert_eq!(out.units.len(), 1);
            asks.extend(out.asks.into_iter().map(|request| (ms, request)));
        }
    }
    let request = KeyFrameRequest { tracks: vec![VIDEO, other], reason: KeyFrameReason::Schedule };
    assert_eq!(asks, [(1_920, request)]);
}

#[test]
fn wishes_are_limited_in_rate() {
    let mut rig = Rig::new();
    rig.push(VIDEO, 0, 0, &[SPS, PPS, IDR]);
    rig.receiver.want_key_frames(at(10));
    rig.receiver.want_key_frames(at(20));
    let out = rig.drain();
    assert_eq!(out.asks, [KeyFrameRequest { tracks: vec![VIDEO], reason: KeyFrameReason::Demand }]);
    assert_eq!(rig.receiver.poll_timeout(), Some(at(510)));
}

#[test]
fn another_source_begins_with_a_key_frame_where_the_old_one_ended() {
    let mut rig = Rig::new();
    rig.push(VIDEO, 0, 0, &[SPS, PPS, IDR]);
    rig.push(VIDEO, 40, 3_600, &[P]);
    rig.ssrc = 6;
    rig.sequences.insert(VIDEO, 40_000);
    let out = rig.push(VIDEO, 80, 1_000_000_000, &[P]);
    assert_eq!((out.units.len(), out.asks.len()), (0, 1));
    let out = rig.push(VIDEO, 120, 1_000_003_600, &[SPS, PPS, IDR]);
    assert_eq!(out.resets, [(VIDEO, ClockReset::NewSource)]);
    assert_eq!(out.units[0].pts, 120 * 90);
    let health = rig.receiver.health(VIDEO).unwrap();
    assert_eq!((health.clock_resets, health.restarts, health.lost), (1, 0, 0));
}

#[test]
fn one_absurd_stamp_is_put_back_in_line() {
    let mut rig = Rig::new();
    rig.push(VIDEO, 0, 0, &[SPS, PPS, IDR]);
    assert_eq!(rig.push(AUDIO, 0, 0, &[&[0xFC, 1]]).sound.len(), 1);
    assert!(rig.push(VIDEO, 40, 1 << 31, &[P]).units.is_empty());
    let out = rig.push(VIDEO, 80, 7_200, &[P]);
    let stamps: Vec<_> = out.units.iter().map(|unit| unit.pts).collect();
    assert_eq!((stamps, out.resets.len()), (vec![1, 7_200], 0));
}

#[test]
fn pictures_out_of_order_are_refused_up_to_the_next_key_frame() {
    let mut rig = Rig::new();
    rig.push(VIDEO, 0, 0, &[SPS, PPS, IDR]);
    rig.push(VIDEO, 40, 10_800, &[P]);
    let out = rig.push(VIDEO, 80, 3_600, &[P]);
    assert_eq!((out.units.len(), out.asks[0].reason), (0, KeyFrameReason::Loss));
    assert!(rig.push(VIDEO, 120, 14_400, &[P]).units.is_empty());
    let out = rig.push(VIDEO, 160, 18_000, &[SPS, PPS, IDR]);
    assert_eq!((out.units.len(), out.tracks), (1, 1));
    let health = rig.receiver.health(VIDEO).unwrap();
    assert_eq!(health.dropped_for(DropReason::OutOfOrder), 1);
    assert_eq!(health.dropped_for(DropReason::AwaitingKeyFrame), 1);
}

#[test]
fn packets_and_reports_of_nobody_are_ignored() {
    let mut rig = Rig::new();
    rig.push(TrackId(9), 0, 0, &[SPS, PPS, IDR]);
    let report = SenderReport { ssrc: 5, ntp: 1 << 40, rtp: 0, arrived: at(0) };
    rig.receiver.handle_sender_report(TrackId(9), report);
    assert_eq!(rig.receiver.health(TrackId(9)), None);
    rig.push(VIDEO, 0, 0, &[SPS, PPS, IDR]);
    rig.receiver.handle_sender_report(VIDEO, SenderReport { ssrc: 7, ..report });
    rig.receiver.handle_sender_report(VIDEO, SenderReport { ntp: 0, ..report });
    rig.receiver.handle_sender_report(VIDEO, SenderReport { rtp: 1 << 31, ..report });
    rig.receiver.handle_sender_report(VIDEO, report);
    let health = rig.receiver.health(VIDEO).unwrap();
    assert_eq!((health.reports, health.reports_ignored), (1, 3));
}
