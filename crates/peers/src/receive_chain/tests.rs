use std::{collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
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
        let negotiated = Negotiated {
            codecs: BTreeMap::from([
                (VIDEO, Codec::H264),
                (REPAIR, Codec::Repair { of: VIDEO }),
                (AUDIO, Codec::Opus),
            ]),
            transport_wide: TWCC_ID,
            layer: LAYER_ID,
            repaired_layer: REPAIRED_ID,
        };
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let wishes = Arc::new(KeyFrameWishes::default());
        let into = Arc::clone(&received);
        let sink = Box::new(move |one| {
            into.lock().unwrap().push(one);
            true
        });
        let chain =
            ReceiveChain::new(Arc::new(negotiated.into()), repairs, Arc::clone(&wishes), sink);
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
    let mut rig = Rig::new(Vec::new());
    rig.packet(VIDEO, 1, 10, &[0x41], &[(LAYER_ID, "h")]);
    rig.packet(VIDEO, 2, 20, &[0x41], &[(LAYER_ID, "l")]);
    // Said in the first packets only.
    rig.packet(VIDEO, 1, 11, &[0x41], &[]);
    rig.packet(REPAIR, 8, 1, &[0, 19, 0x41], &[(REPAIRED_ID, "l")]);
    rig.packet(REPAIR, 8, 2, &[0, 18, 0x41], &[]);
    // Nothing says what this one repeats.
    rig.packet(REPAIR, 9, 1, &[0, 17, 0x41], &[]);
    let numbers: Vec<_> =
        rig.packets().iter().map(|(source, number, _)| (*source, *number)).collect();
    assert_eq!(numbers, [(1, 10), (2, 20), (1, 11), (2, 19), (2, 18)]);
    let received = rig.received.lock().unwrap();
    let layers: Vec<_> = received
        .iter()
        .map(|one| match one {
            Received::Packet { layer, .. } => layer.as_ref().map(|layer| layer.id().to_owned()),
            Received::Report(_) => None,
        })
        .collect();
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(layers, [said("h"), said("l"), said("h"), said("l"), said("l")]);
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
