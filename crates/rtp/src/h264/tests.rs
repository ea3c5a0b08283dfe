use super::*;
use crate::fixture::packet;

/// Constrained Baseline, 640x360; Main, 720x576 (libx264). PPS 0.
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e, 0x48,
];
const LARGER_SPS: &[u8] = &[
    0x67, 0x4d, 0x40, 0x1e, 0xec, 0xa0, 0x5a, 0x12, 0x6c, 0x10, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40,
    0x00, 0x00, 0x0c, 0x98, 0x98, 0x00, 0x3d, 0x09, 0x00, 0x07, 0xa1, 0x39, 0x30, 0xc0, 0x3e, 0x28,
    0x53, 0x2c,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
/// First slices of pictures that refer to PPS 0.
const IDR: &[u8] = &[0x65, 0x88, 0x80, 1, 2, 3, 4, 5];
const P: &[u8] = &[0x41, 0x9a, 0x20, 6, 7];
/// Slices further down.
const IDR_BELOW: &[u8] = &[0x65, 0x44, 0x40, 9];
const P_BELOW: &[u8] = &[0x41, 0x4d, 0x10, 8];

#[derive(Debug)]
struct Rig {
    depacketizer: Depacketizer,
    health: TrackHealth,
    sequence: u16,
}

impl Rig {
    fn new(sets: &[&'static [u8]]) -> Self {
        let sets: Vec<_> = sets.iter().map(|set| Bytes::from_static(set)).collect();
        let depacketizer = Depacketizer::new(&sets);
        Self { depacketizer, health: TrackHealth::default(), sequence: 0 }
    }

    /// Hands in one packet; answers the pictures that come out, with "I" for those to start from.
    fn push(&mut self, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<(bool, Vec<u8>)> {
        self.sequence += 1;
        let packet = packet(self.sequence, timestamp, marker, payload);
        self.depacketizer.push(&packet, &mut self.health);
        std::iter::from_fn(|| self.depacketizer.pop())
            .map(|picture| (picture.idr, picture.payload.to_vec()))
            .collect()
    }

    /// A picture in single NAL unit packets.
    fn picture(&mut self, timestamp: u32, nalus: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
        let last = nalus.len() - 1;
        let each = nalus.iter().enumerate();
        each.flat_map(|(at, nalu)| self.push(timestamp, at == last, nalu)).collect()
    }

    /// Begins: an IDR picture has been handed out.
    fn begun() -> Self {
        let mut rig = Self::new(&[]);
        assert_eq!(rig.picture(0, &[SPS, PPS, IDR]).len(), 1);
        rig
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.health.dropped_for(reason)
    }
}

fn framed(nalus: &[&[u8]]) -> Vec<u8> {
    let length = |nalu: &[u8]| u32::try_from(nalu.len()).unwrap().to_be_bytes();
    nalus.iter().flat_map(|nalu| [&length(nalu)[..], nalu].concat()).collect()
}

fn stap(nalus: &[&[u8]]) -> Vec<u8> {
    let length = |nalu: &[u8]| u16::try_from(nalu.len()).unwrap().to_be_bytes();
    let entries = nalus.iter().flat_map(|nalu| [&length(nalu)[..], nalu].concat());
    std::iter::once(0x78).chain(entries).collect()
}

/// A NAL unit in fragments of `size` bytes.
fn fragments(nalu: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (header, body) = nalu.split_first().unwrap();
    let last = body.len().div_ceil(size) - 1;
    let piece = |(at, piece): (usize, &[u8])| {
        let flags = if at == 0 { 0x80 } else { 0 } | if at == last { 0x40 } else { 0 };
        [&[(header & 0x60) | 28, flags | (header & 0x1F)], piece].concat()
    };
    body.chunks(size).enumerate().map(piece).collect()
}

#[test]
fn every_packet_type_gives_the_same_access_unit() {
    let whole = vec![(true, framed(&[SPS, PPS, IDR]))];
    assert_eq!(Rig::new(&[]).picture(7, &[SPS, PPS, IDR]), whole);
    assert_eq!(Rig::new(&[]).push(7, true, &stap(&[SPS, PPS, IDR])), whole);
    let mut rig = Rig::new(&[]);
    let mut packets = vec![stap(&[SPS, PPS])];
    packets.extend(fragments(IDR, 2));
    let packets: Vec<_> = packets.iter().map(Vec::as_slice).collect();
    assert_eq!(rig.picture(7, &packets), whole);
    // Parameter sets in fragments count as well.
    let mut rig = Rig::new(&[]);
    let mut packets = fragments(SPS, 10);
    packets.extend(fragments(PPS, 3));
    packets.push(IDR.to_vec());
    let packets: Vec<_> = packets.iter().map(Vec::as_slice).collect();
    assert_eq!(rig.picture(7, &packets), whole);
}

#[test]
fn delimiters_filler_and_padding_are_left_out() {
    let mut rig = Rig::new(&[]);
    let filler = fragments(&[0x0C, 0xFF, 0xFF, 0xFF, 0xFF, 0x80], 2);
    let packets = [&[0x09, 0x10], SPS, PPS, &[], IDR, &filler[0], &filler[1], &filler[2]];
    assert_eq!(rig.picture(7, &packets), [(true, framed(&[SPS, PPS, IDR]))]);
}

#[test]
fn a_new_timestamp_ends_a_picture_without_a_marker() {
    let mut rig = Rig::new(&[]);
    for nalu in [SPS, PPS, IDR, IDR_BELOW] {
        assert_eq!(rig.push(7, false, nalu), []);
    }
    assert_eq!(rig.push(8, false, P), [(true, framed(&[SPS, PPS, IDR, IDR_BELOW]))]);
    assert_eq!(rig.push(9, false, P), [(false, framed(&[P]))]);
}

#[test]
fn markers_within_pictures_are_found_out() {
    let mut rig = Rig::begun();
    assert_eq!(rig.push(1, true, P).len(), 1);
    assert_eq!(rig.push(1, true, P_BELOW), []);
    assert_eq!(rig.push(2, true, P), []);
    assert_eq!(rig.dropped(DropReason::Malformed), 1);
    for nalu in [SPS, PPS, IDR] {
        rig.push(3, true, nalu);
    }
    assert_eq!(rig.push(3, true, IDR_BELOW), []);
    assert_eq!(rig.push(4, true, P), [(true, framed(&[SPS, PPS, IDR, IDR_BELOW]))]);
    assert_eq!(rig.push(4, true, P_BELOW), []);
    assert_eq!(rig.push(5, true, P), [(false, framed(&[P, P_BELOW]))]);
}

#[test]
fn two_whole_pictures_may_share_a_timestamp() {
    let mut rig = Rig::begun();
    assert_eq!(rig.push(1, true, P), [(false, framed(&[P]))]);
    assert_eq!(rig.push(1, true, P), [(false, framed(&[P]))]);
}

#[test]
fn parameter_sets_may_come_ahead_with_marker_and_stamp_of_their_own() {
    let mut rig = Rig::new(&[]);
    assert_eq!(rig.push(1, true, SPS), []);
    assert_eq!(rig.push(2, true, PPS), []);
    assert_eq!(rig.push(3, true, IDR), [(true, framed(&[SPS, PPS, IDR]))]);
    assert_eq!(rig.health.dropped, [0; 6]);
}

#[test]
fn nothing_is_handed_out_without_parameter_sets() {
    let mut rig = Rig::new(&[]);
    assert_eq!(rig.picture(1, &[IDR]), []);
    assert_eq!(rig.dropped(DropReason::NoParameterSets), 1);
    assert_eq!(rig.picture(2, &[P]), []);
    assert_eq!(rig.dropped(DropReason::AwaitingKeyFrame), 1);
    // Those of the session description do, as long as the stream brings none.
    let mut rig = Rig::new(&[SPS, PPS]);
    assert_eq!(rig.picture(1, &[IDR]).len(), 1);
    rig.depacketizer.hole();
    assert_eq!(rig.picture(2, &[IDR]).len(), 1);
    // A picture that refers to a set that is not here does not decode.
    let other_pps = &[0x65, 0x88, 0x40, 1, 2];
    assert_eq!(rig.picture(3, &[other_pps]), []);
    assert_eq!(rig.dropped(DropReason::NoParameterSets), 1);
}

#[test]
fn changed_parameter_sets_are_announced_with_their_key_frame() {
    let mut rig = Rig::new(&[]);
    let mut announced = |timestamp, nalus: &[&[u8]]| {
        for (at, nalu) in nalus.iter().enumerate() {
            rig.sequence += 1;
            let packet = packet(rig.sequence, timestamp, at + 1 == nalus.len(), nalu);
            rig.depacketizer.push(&packet, &mut rig.health);
        }
        let picture = rig.depacketizer.pop().unwrap();
        picture.parameters.map(|parameters| (parameters.width, parameters.height))
    };
    assert_eq!(announced(1, &[SPS, PPS, IDR]), Some((640, 360)));
    assert_eq!(announced(2, &[SPS, PPS, IDR]), None);
    assert_eq!(announced(3, &[P]), None);
    assert_eq!(announced(4, &[LARGER_SPS, PPS, IDR]), Some((720, 576)));
    // Sets between key frames wait for the next one.
    assert_eq!(announced(5, &[SPS, P]), None);
    assert_eq!(announced(6, &[IDR]), Some((640, 360)));
}

/// The set with id 0 under id 1: its first bit after the level, 1, becomes 010.
fn with_id_1(sps: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    for byte in sps {
        if *byte != 3 || !raw.ends_with(&[0, 0]) {
            raw.push(*byte);
        }
    }
    let (head, body) = raw.split_at(4);
    let bits = body.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut bits: Vec<u8> = [0, 1, 0].into_iter().chain(bits.skip(1)).collect();
    bits.resize(bits.len().next_multiple_of(8), 0);
    let mut sps = head.to_vec();
    for byte in bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)) {
        if byte <= 3 && sps.ends_with(&[0, 0]) {
            sps.push(3);
        }
        sps.push(byte);
    }
    sps
}

#[test]
fn a_set_with_another_id_takes_the_place_of_the_old_one() {
    let mut rig = Rig::begun();
    let larger = with_id_1(LARGER_SPS);
    for (at, nalu) in [&larger[..], PPS, IDR].iter().enumerate() {
        rig.sequence += 1;
        let packet = packet(rig.sequence, 1, at == 2, nalu);
        rig.depacketizer.push(&packet, &mut rig.health);
    }
    let parameters = rig.depacketizer.pop().unwrap().parameters.unwrap();
    assert_eq!((parameters.width, parameters.height), (720, 576));
    assert_eq!(parameters.sps, [larger]);
}

#[test]
fn fragments_that_do_not_fit_break_their_picture_and_what_follows() {
    let whole = fragments(P, 1);
    let (start, middle, end) = (&whole[0], &whole[1], &whole[3]);
    let other_type = [&[middle[0], 0x05], &middle[2..]].concat();
    let cases: [&[&[u8]]; 9] = [
        &[middle, end],
        &[end],
        &[start, middle],
        &[start, start, end],
        &[start, P_BELOW, end],
        &[start, &other_type, end],
        &[start, &[0x5C, 0xC1, 1]],
        &[P, &[0x78, 0, 5, 1]],
        &[P, &[0x5D, 0x81, 0, 0, 1]],
    ];
    for packets in cases {
        let mut rig = Rig::begun();
        assert_eq!(rig.picture(1, packets), [], "{packets:02x?}");
        assert_eq!(rig.dropped(DropReason::Malformed), 1, "{packets:02x?}");
        assert_eq!(rig.picture(2, &[P]), [], "{packets:02x?}");
        assert_eq!(rig.picture(3, &[SPS, PPS, IDR]).len(), 1, "{packets:02x?}");
        assert_eq!(rig.picture(4, &[P]).len(), 1, "{packets:02x?}");
    }
}

#[test]
fn after_a_hole_only_a_key_frame_with_its_sets_starts_again() {
    let mut rig = Rig::begun();
    rig.push(1, false, P);
    rig.depacketizer.hole();
    assert_eq!(rig.push(1, true, P_BELOW), []);
    assert_eq!(rig.dropped(DropReason::Loss), 1);
    assert!(rig.depacketizer.awaits_key_frame());
    assert_eq!(rig.picture(2, &[P]), []);
    assert_eq!(rig.dropped(DropReason::AwaitingKeyFrame), 1);
    // Its sets may have been in a hole, now or before.
    rig.depacketizer.hole();
    assert_eq!(rig.picture(3, &[IDR]), []);
    rig.depacketizer.hole();
    assert_eq!(rig.picture(4, &[IDR]), []);
    assert_eq!(rig.dropped(DropReason::Loss), 3);
    // The head is missing.
    rig.depacketizer.hole();
    assert_eq!(rig.picture(5, &[SPS, PPS, IDR_BELOW]), []);
    assert_eq!(rig.dropped(DropReason::Loss), 4);
    assert_eq!(rig.picture(6, &[SPS, PPS, IDR]).len(), 1);
    assert_eq!(rig.picture(7, &[IDR]).len(), 1);
    assert!(!rig.depacketizer.awaits_key_frame());
}

#[test]
fn a_sender_that_puts_its_sets_into_the_stream_once_recovers_from_loss() {
    let mut rig = Rig::begun();
    rig.depacketizer.hole();
    assert_eq!(rig.picture(1, &[IDR]), []);
    assert_eq!(rig.dropped(DropReason::Loss), 1);
    assert_eq!(rig.picture(2, &[P]), []);
    // The second in a row shows that it brings none; one of a set that never came decodes nowhere.
    assert_eq!(rig.picture(3, &[&[0x65, 0x88, 0x40, 1, 2]]), []);
    assert_eq!(rig.dropped(DropReason::NoParameterSets), 1);
    assert_eq!(rig.picture(4, &[IDR]).len(), 1);
    assert_eq!(rig.picture(5, &[P]).len(), 1);
    // From now on the first does.
    rig.depacketizer.hole();
    assert_eq!(rig.picture(6, &[P]), []);
    assert_eq!(rig.picture(7, &[IDR]).len(), 1);
    // Until one brings its own again.
    assert_eq!(rig.picture(8, &[SPS, PPS, IDR]).len(), 1);
    rig.depacketizer.hole();
    assert_eq!(rig.picture(9, &[IDR]), []);
}

#[test]
fn sets_lost_ahead_of_their_picture_are_not_replaced_by_old_ones() {
    let mut rig = Rig::begun();
    rig.push(1, false, LARGER_SPS);
    rig.depacketizer.hole();
    assert_eq!(rig.push(1, true, IDR), []);
    assert_eq!(rig.dropped(DropReason::Loss), 1);
    assert_eq!(rig.picture(2, &[LARGER_SPS, PPS, IDR]).len(), 1);
}

#[test]
fn access_units_are_bounded() {
    let mut rig = Rig::begun();
    let piece = vec![0x41; 60_000];
    for _ in 0..200 {
        rig.push(1, false, &piece);
        let held = rig.depacketizer.assembly.as_ref().unwrap().len();
        assert!(held <= assembly::BYTES_MAX + piece.len());
    }
    assert_eq!(rig.push(1, true, &piece), []);
    assert_eq!(rig.dropped(DropReason::TooLarge), 1);
    assert_eq!(rig.picture(2, &[SPS, PPS, IDR]).len(), 1);
    let mut rig = Rig::begun();
    for _ in 0..container::avc::MAX_NALUS {
        rig.push(1, false, &[0x06]);
    }
    rig.push(1, false, P);
    assert_eq!(rig.push(1, true, P), []);
    assert_eq!(rig.dropped(DropReason::TooLarge), 1);
}
