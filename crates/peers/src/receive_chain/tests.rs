use std::{collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
use proptest::prelude::*;
use rtc::{
    rtcp::{
        payload_feedbacks::picture_loss_indication::PictureLossIndication,
        sender_report::SenderReport,
        transport_feedbacks::{
            transport_layer_cc::TransportLayerCc, transport_layer_nack::TransportLayerNack,
        },
    },
    rtp::header::Header,
};

use super::*;

const VIDEO: u8 = 103;
const REPAIR: u8 = 104;
const AUDIO: u8 = 111;
const TWCC_ID: u8 = 3;
const LAYER_ID: u8 = 10;
const REPAIRED_ID: u8 = 11;

struct Rig {
    chain: ReceiveChain,
    wishes: Arc<KeyFrameWishes>,
    received: Arc<Mutex<Vec<Received>>>,
    now: Instant,
    transport_wide: u16,
}

/// What left, by kind.
#[derive(Debug, Default)]
struct Left {
    asked: Vec<(u32, Vec<u16>)>,
    key_frames: Vec<u32>,
    congestion: usize,
}

impl Rig {
    fn new(repairs: Vec<(u32, u32)>) -> Self {
        Self::with(repairs, &[], &[])
    }

    /// With layers that were agreed on.
    fn with_layers(layers: &[&str]) -> Self {
        Self::with(Vec::new(), &[], layers)
    }

    fn with(repairs: Vec<(u32, u32)>, passed_over: &[u32], layers: &[&str]) -> Self {
        let negotiated = Negotiated {
            codecs: BTreeMap::from([
                (VIDEO, Codec::H264),
                (REPAIR, Codec::Repair { of: VIDEO }),
                (AUDIO, Codec::Opus),
            ]),
            transport_wide: TWCC_ID,
            layer: LAYER_ID,
            repaired_layer: REPAIRED_ID,
            layers: layers.iter().map(|id| Layer((*id).to_owned())).collect(),
        };
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let wishes = Arc::new(KeyFrameWishes::default());
        let into = Arc::clone(&received);
        let sink = Box::new(move |one| {
            into.lock().unwrap().push(one);
            true
        });
        let negotiated = Arc::new(negotiated.into());
        let passed_over = passed_over.to_vec();
        let chain = ReceiveChain::new(negotiated, repairs, passed_over, Arc::clone(&wishes), sink);
        Self { chain, wishes, received, now: crate::shell::now(), transport_wide: 0 }
    }

    fn read(&mut self, packet: Packet) {
        let message = AttributedPacket::new(packet);
        let transport = TransportContext::default();
        self.chain.handle_read(TaggedPacket { now: self.now, transport, message }).unwrap();
        assert!(self.chain.poll_read().is_none(), "media go on to the library");
    }

    /// A packet of `source` with this number and payload; extensions by id.
    fn packet(&mut self, kind: u8, source: u32, number: u16, payload: &[u8], says: &[(u8, &str)]) {
        let mut header = Header {
            version: 2,
            payload_type: kind,
            ssrc: source,
            sequence_number: number,
            ..Header::default()
        };
        self.transport_wide += 1;
        let wide = Bytes::copy_from_slice(&self.transport_wide.to_be_bytes());
        header.set_extension(TWCC_ID, wide).unwrap();
        for (id, text) in says {
            header.set_extension(*id, Bytes::copy_from_slice(text.as_bytes())).unwrap();
        }
        let payload = Bytes::copy_from_slice(payload);
        self.read(Packet::Rtp(rtc::rtp::Packet { header, payload }));
    }

    fn video(&mut self, number: u16) {
        self.packet(VIDEO, 1_111, number, &[0x41, 1, 2], &[]);
    }

    /// Lets time pass, and gives what left meanwhile.
    fn wait(&mut self, time: Duration) -> Left {
        let end = self.now + time;
        let mut left = Left::default();
        while let Some(due) = self.chain.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.chain.handle_timeout(due).unwrap();
            self.drain(&mut left);
        }
        self.now = end;
        self.drain(&mut left);
        left
    }

    fn drain(&mut self, left: &mut Left) {
        while let Some(message) = self.chain.poll_write() {
            let Packet::Rtcp(packets) = message.message.packet else { panic!("media left") };
            for packet in packets {
                let packet = packet.as_any();
                if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
                    let numbers = nack.nacks.iter().flat_map(|pair| pair.packet_list());
                    left.asked.push((nack.media_ssrc, numbers.collect()));
                }
                if let Some(wish) = packet.downcast_ref::<PictureLossIndication>() {
                    left.key_frames.push(wish.media_ssrc);
                }
                left.congestion += usize::from(packet.is::<TransportLayerCc>());
            }
        }
    }

    /// Source and number of each packet.
    fn numbers(&self) -> Vec<(u32, u16)> {
        self.packets().into_iter().map(|(source, number, _)| (source, number)).collect()
    }

    fn layers(&self) -> Vec<String> {
        let received = self.received.lock().unwrap();
        let layers = received.iter().map(|one| match one {
            Received::Packet { layer, .. } => layer.as_ref().unwrap().id().to_owned(),
            Received::Report(_) => panic!("no packet"),
        });
        layers.collect()
    }

    fn packets(&self) -> Vec<(u32, u16, usize)> {
        let received = self.received.lock().unwrap();
        let packets = received.iter().filter_map(|one| match one {
            Received::Packet { packet, .. } => {
                Some((packet.ssrc, packet.sequence, packet.payload.len()))
            }
            Received::Report(_) => None,
        });
        packets.collect()
    }
}

#[test]
fn a_lost_packet_is_asked_for_until_its_retransmission_is_there() {
    let mut rig = Rig::new(vec![(2_222, 1_111)]);
    for number in [10, 11, 13, 14] {
        rig.video(number);
    }
    let left = rig.wait(Duration::from_millis(60));
    assert_eq!(left.asked, [(1_111, vec![12])]);
    // The retransmission has a source and a numbering of its own.
    rig.packet(REPAIR, 2_222, 7, &[0, 12, 0x41, 9], &[]);
    assert_eq!(rig.packets().last(), Some(&(1_111, 12, 2)));
    let left = rig.wait(Duration::from_secs(1));
    assert_eq!(left.asked, []);
    assert!(left.congestion > 0);
}

#[test]
fn a_packet_that_never_comes_is_not_asked_for_forever() {
    let mut rig = Rig::new(Vec::new());
    for number in [10, 12] {
        rig.video(number);
    }
    let asked = rig.wait(Duration::from_secs(5)).asked.len();
    assert_eq!(asked, usize::from(NACKS_MAX));
}

#[test]
fn without_a_word_in_the_offer_the_only_source_is_repaired() {
    let mut rig = Rig::new(Vec::new());
    rig.video(10);
    rig.packet(AUDIO, 3_333, 5, &[0xFC, 1], &[]);
    rig.packet(REPAIR, 9_999, 1, &[0, 9, 0x41], &[]);
    assert_eq!(rig.packets(), [(1_111, 10, 3), (3_333, 5, 2), (1_111, 9, 1)]);
}

#[test]
fn layers_are_told_apart_and_repaired_by_their_ids() {
    let mut rig = Rig::with_layers(&["h", "l"]);
    rig.packet(VIDEO, 1, 10, &[0x41], &[(LAYER_ID, "h")]);
    rig.packet(VIDEO, 2, 20, &[0x41], &[(LAYER_ID, "l")]);
    // Said in the first packets only.
    rig.packet(VIDEO, 1, 11, &[0x41], &[]);
    rig.packet(REPAIR, 8, 1, &[0, 19, 0x41], &[(REPAIRED_ID, "l")]);
    rig.packet(REPAIR, 8, 2, &[0, 18, 0x41], &[]);
    // Nothing says what this one repeats.
    rig.packet(REPAIR, 9, 1, &[0, 17, 0x41], &[]);
    assert_eq!(rig.numbers(), [(1, 10), (2, 20), (1, 11), (2, 19), (2, 18)]);
    assert_eq!(rig.layers(), ["h", "l", "h", "l", "l"]);
}

/// Each layer is asked for what it lacks, and gets it back.
#[test]
fn every_layer_is_healed() {
    let mut rig = Rig::with_layers(&["h", "m", "l"]);
    for (source, layer) in [(1, "h"), (2, "m"), (3, "l")] {
        for number in [10, 12] {
            rig.packet(VIDEO, source, number, &[0x41], &[(LAYER_ID, layer)]);
        }
    }
    let mut asked = rig.wait(Duration::from_millis(60)).asked;
    asked.sort_unstable();
    assert_eq!(asked, [(1, vec![11]), (2, vec![11]), (3, vec![11])]);
    for (repair, layer) in [(11, "h"), (12, "m"), (13, "l")] {
        rig.packet(REPAIR, repair, 1, &[0, 11, 0x41], &[(REPAIRED_ID, layer)]);
    }
    assert_eq!(rig.wait(Duration::from_secs(1)).asked, []);
    assert_eq!(rig.numbers()[6..], [(1, 11), (2, 11), (3, 11)]);
}

#[test]
fn a_layer_that_goes_on_with_another_source_is_still_healed() {
    let mut rig = Rig::with_layers(&["h", "l"]);
    rig.packet(VIDEO, 1, 10, &[0x41], &[(LAYER_ID, "h")]);
    rig.packet(REPAIR, 8, 1, &[0, 9, 0x41], &[(REPAIRED_ID, "h")]);
    rig.packet(VIDEO, 5, 40, &[0x41], &[(LAYER_ID, "h")]);
    rig.packet(REPAIR, 8, 2, &[0, 39, 0x41], &[(REPAIRED_ID, "h")]);
    assert_eq!(rig.numbers(), [(1, 10), (1, 9), (5, 40), (5, 39)]);
}

/// Without a layer that was agreed on, a packet can belong to any.
#[test]
fn packets_of_no_layer_are_dropped() {
    let mut rig = Rig::with_layers(&["h", "l"]);
    rig.packet(VIDEO, 1, 10, &[0x41], &[]);
    rig.packet(VIDEO, 2, 10, &[0x41], &[(LAYER_ID, "x")]);
    rig.packet(VIDEO, 2, 14, &[0x41], &[]);
    rig.packet(AUDIO, 3, 10, &[0xFC], &[]);
    rig.packet(VIDEO, 1, 12, &[0x41], &[(LAYER_ID, "h")]);
    assert_eq!(rig.numbers(), [(3, 10), (1, 12)]);
    assert_eq!(rig.wait(Duration::from_millis(200)).asked, [], "nothing is missed of strangers");
}

#[test]
fn layers_that_only_their_sources_tell_apart_are_passed_over() {
    let mut rig = Rig::with(vec![(11, 1), (12, 2)], &[2, 12], &[]);
    for source in [1, 2] {
        rig.packet(VIDEO, source, 10, &[0x41], &[]);
    }
    rig.packet(REPAIR, 12, 1, &[0, 9, 0x41], &[]);
    rig.packet(REPAIR, 11, 1, &[0, 9, 0x41], &[]);
    assert_eq!(rig.numbers(), [(1, 10), (1, 9)]);
}

#[test]
fn probes_and_unknown_types_go_nowhere() {
    let mut rig = Rig::new(vec![(2_222, 1_111)]);
    rig.video(10);
    for padding in [&[][..], &[0]] {
        rig.packet(REPAIR, 2_222, 1, padding, &[]);
    }
    rig.packet(96, 4_444, 1, &[1, 2, 3], &[]);
    assert_eq!(rig.packets().len(), 1);
}

#[test]
fn key_frames_are_wished_for_in_one_packet() {
    let mut rig = Rig::new(Vec::new());
    rig.wishes.wish([1_111]);
    // Nobody has been heard yet; the wish stays.
    assert!(rig.chain.poll_write().is_none());
    rig.wishes.wish([5, 6]);
    rig.video(10);
    let left = rig.wait(Duration::from_millis(1));
    assert_eq!(left.key_frames, [5, 6, 1_111]);
}

#[test]
fn sender_reports_come_through() {
    let mut rig = Rig::new(Vec::new());
    let report = SenderReport { ssrc: 1_111, ntp_time: 42, rtp_time: 7, ..SenderReport::default() };
    rig.read(Packet::Rtcp(vec![Box::new(report)]));
    let received = rig.received.lock().unwrap();
    let Some(Received::Report(report)) = received.first() else { panic!("{received:?}") };
    assert_eq!((report.ssrc, report.ntp, report.rtp, report.arrived), (1_111, 42, 7, rig.now));
}

#[test]
fn a_flood_of_sources_is_bounded() {
    let mut rig = Rig::new(Vec::new());
    rig.video(1);
    for source in 0..1_000 {
        rig.packet(VIDEO, source, 1, &[0x41], &[]);
    }
    assert_eq!(rig.chain.bound.len(), SOURCES_MAX);
    rig.video(2);
    assert_eq!(rig.packets().last(), Some(&(1_111, 2, 3)));
}

const HEALED: &[u8] = include_bytes!("../../../../tests/fuzz/corpus/rtp_layers/healed");

proptest! {
    #[test]
    fn changed_and_cut_packets_are_taken_or_dropped(
        changes in prop::collection::vec((0..HEALED.len(), any::<u8>()), 0..6),
        keep in 0..HEALED.len(),
    ) {
        let mut packets = HEALED.to_vec();
        for (place, byte) in changes {
            packets[place] = byte;
        }
        crate::fuzzing::media(&packets);
        crate::fuzzing::media(&packets[..keep]);
    }
}
