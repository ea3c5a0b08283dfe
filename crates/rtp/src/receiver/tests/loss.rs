//! No broken picture after decode, whatever the network does to the packets.

use std::collections::BTreeMap;

use container::avc;
use proptest::prelude::*;

use super::super::*;
use crate::fixture::start;

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e, 0x48,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];

/// Pictures as they were sent, by their bytes.
type Sent = BTreeMap<Vec<u8>, u32>;

/// How a sender cuts its pictures.
#[derive(Clone, Debug)]
struct Style {
    /// Bytes of a packet's payload.
    size: usize,
    /// Slices of a picture.
    slices: usize,
    /// Parameter sets and the first slice together, where they fit.
    aggregates: bool,
    markers: bool,
    first: u16,
}

/// What the network does to a packet.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// In milliseconds.
    Late(u16),
}

/// NAL units of picture `n`: its number is in the first slice.
fn nalus(n: u32, idr: bool, style: &Style) -> Vec<Vec<u8>> {
    let mut nalus = if idr { vec![SPS.to_vec(), PPS.to_vec()] } else { Vec::new() };
    for slice in 0..style.slices {
        let mut nalu = match (idr, slice) {
            (true, 0) => vec![0x65, 0x88, 0x80],
            (false, 0) => vec![0x41, 0x9A, 0x20],
            (true, _) => vec![0x65, 0x44, 0x40],
            (false, _) => vec![0x41, 0x4D, 0x10],
        };
        nalu.extend(n.to_be_bytes().map(|byte| byte | 0x40));
        nalu.extend(std::iter::repeat_n(0x77, 3 + usize::try_from(n * 7 % 40).unwrap()));
        nalus.push(nalu);
    }
    nalus
}

fn packetize(nalus: &[Vec<u8>], style: &Style) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut together = vec![0x78];
    for nalu in nalus {
        let small = nalu.len() <= 30 && style.aggregates;
        if small {
            together.extend(u16::try_from(nalu.len()).unwrap().to_be_bytes());
            together.extend(nalu);
            continue;
        }
        if together.len() > 1 {
            packets.push(std::mem::replace(&mut together, vec![0x78]));
        }
        // In one piece, a fragment would be both start and end.
        if nalu.len() <= style.size + 1 {
            packets.push(nalu.clone());
            continue;
        }
        let pieces: Vec<_> = nalu[1..].chunks(style.size).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let start = if at == 0 { 0x80 } else { 0 };
            let end = if at + 1 == pieces.len() { 0x40 } else { 0 };
            packets
                .push([&[(nalu[0] & 0x60) | 28, start | end | (nalu[0] & 0x1F)], *piece].concat());
        }
    }
    if together.len() > 1 {
        packets.push(together);
    }
    packets
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        30 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        2 => (1_u16..400).prop_map(Fate::Late),
    ]
}

fn style() -> impl Strategy<Value = Style> {
    (8_usize..60, 1_usize..4, any::<bool>(), any::<bool>(), any::<u16>()).prop_map(
        |(size, slices, aggregates, markers, first)| Style {
            size,
            slices,
            aggregates,
            markers,
            first,
        },
    )
}

/// Arrivals in order of time: milliseconds and packet.
fn arrivals(style: &Style, gop: u32, fates: &[Fate]) -> (Vec<(u64, Packet)>, Sent) {
    let (mut sent, mut arrivals) = (BTreeMap::new(), Vec::new());
    let mut sequence = style.first;
    let mut fates = fates.iter().cycle();
    for n in 0..60_u32 {
        let nalus = nalus(n, n % gop == 0, style);
        let framed = nalus.iter().flat_map(|nalu| {
            [&u32::try_from(nalu.len()).unwrap().to_be_bytes()[..], nalu].concat()
        });
        sent.insert(framed.collect(), n);
        let packets = packetize(&nalus, style);
        let last = packets.len() - 1;
        for (at, payload) in packets.into_iter().enumerate() {
            let ms = u64::from(n) * 33;
            let packet = Packet {
                ssrc: 1,
                sequence,
                timestamp: 0xFFFF_0000_u32.wrapping_add(n * 3_000),
                marker: style.markers && at == last,
                payload: payload.into(),
                arrived: start() + Duration::from_millis(ms),
            };
            sequence = sequence.wrapping_add(1);
            match fates.next().copied().unwrap_or(Fate::Arrives) {
                Fate::Arrives => arrivals.push((ms, packet)),
                Fate::Lost => {}
                Fate::Twice => arrivals.extend([(ms, packet.clone()), (ms + 5, packet)]),
                Fate::Late(by) => arrivals.push((ms + u64::from(by), packet)),
            }
        }
    }
    arrivals.sort_by_key(|(ms, _)| *ms);
    (arrivals, sent)
}

/// Pictures that came out, by number, with whether a decoder may start there.
fn receive(arrivals: Vec<(u64, Packet)>, sent: &Sent) -> (Vec<(u32, bool)>, TrackHealth) {
    let mut receiver = Receiver::new(ReceiverConfig::default(), start());
    receiver.add_h264(TrackId::VIDEO, &[]);
    let mut out = Vec::new();
    let mut last = i64::MIN;
    let mut take = |receiver: &mut Receiver| {
        while let Some(output) = receiver.poll_output() {
            let Output::AccessUnit(unit) = output else { continue };
            assert!(unit.dts > last && unit.pts == unit.dts);
            last = unit.dts;
            let payload = unit.payload.to_contiguous();
            let n = *sent.get(&payload[..]).expect("a picture as it was sent");
            assert_eq!(avc::normalize(&payload, 4).unwrap().idr, unit.random_access);
            out.push((n, unit.random_access));
        }
    };
    for (ms, packet) in arrivals {
        let now = start() + Duration::from_millis(ms);
        while let Some(timeout) = receiver.poll_timeout().filter(|timeout| *timeout <= now) {
            receiver.handle_timeout(timeout);
            take(&mut receiver);
        }
        receiver.handle_packet(TrackId::VIDEO, Packet { arrived: now, ..packet });
        take(&mut receiver);
    }
    receiver.handle_timeout(start() + Duration::from_secs(60));
    take(&mut receiver);
    (out, receiver.health(TrackId::VIDEO).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Every picture that comes out is one that was sent, byte for byte, and unless a decoder may start
    /// at it, the one before came out right before it.
    #[test]
    fn only_whole_pictures_that_decode_come_out(
        style in style(),
        gop in 5_u32..20,
        fates in proptest::collection::vec(fate(), 1..400),
    ) {
        let (arrivals, sent) = arrivals(&style, gop, &fates);
        let (out, health) = receive(arrivals, &sent);
        let mut before = None;
        for (n, starts) in &out {
            prop_assert_eq!(*starts, n % gop == 0);
            prop_assert!(*starts || before == n.checked_sub(1), "{} after {:?}", n, before);
            before = Some(*n);
        }
        prop_assert_eq!(health.handed_out, u64::try_from(out.len()).unwrap());
    }

    /// Without loss, everything comes out, late and repeated packets or not.
    #[test]
    fn without_loss_everything_comes_out(
        style in style(),
        late in proptest::collection::vec((0_u16..250, any::<bool>()), 1..100),
    ) {
        let fates: Vec<_> = late
            .iter()
            .map(|(by, twice)| if *twice { Fate::Twice } else { Fate::Late(*by) })
            .collect();
        // The first packet is where the numbers start: nothing is waited for before it.
        let fates = [vec![Fate::Arrives], fates].concat();
        let (arrivals, sent) = arrivals(&style, 10, &fates);
        let first = arrivals.iter().position(|(_, packet)| packet.sequence == style.first);
        prop_assume!(first == Some(0));
        let (out, health) = receive(arrivals, &sent);
        // Without markers, the last picture is never known to be over.
        let all = if style.markers { 60 } else { 59 };
        prop_assert_eq!(out.len(), all);
        prop_assert_eq!((health.lost, health.dropped), (0, [0; 6]));
    }
}
