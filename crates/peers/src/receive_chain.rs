//! The only interceptor of a connection: repair and feedback, then media out of the library.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{
        AttributedPacket, Interceptor, NackGeneratorBuilder, NackGeneratorInterceptor, Packet,
        RTCPFeedback, RTPHeaderExtension, ReceiverReportBuilder, ReceiverReportInterceptor,
        StreamInfo, TaggedPacket, TwccReceiverBuilder, TwccReceiverInterceptor,
    },
    rtcp,
    sansio::Protocol,
    shared::{TransportContext, error::Error},
};

use crate::{
    TRANSPORT_WIDE,
    key_frame_wishes::KeyFrameWishes,
    received::Received,
    repair::Repairs,
    sdp::{Codec, Layer, MediaKind, Negotiated},
};

/// How often lost packets are asked for.
const NACK_INTERVAL: Duration = Duration::from_millis(50);
/// How often each of them.
const NACKS_MAX: u16 = 10;
/// Most sources of one peer: four layers with a repair source each, sound, and some that changed.
/// Packets of further ones are dropped.
const SOURCES_MAX: usize = 24;
/// Our own source in what we ask for; it sends nothing.
const OWN_SOURCE: u32 = 1;

/// Where media go. False when there was no room.
pub(crate) type Sink = Box<dyn Fn(Received) -> bool + Send + Sync>;

/// The three interceptors of the library that are of use, in the order that heals: arrival times of raw
/// packets, retransmissions back into what they repeat, then the search for holes.
///
/// What the library binds is ignored. It binds sources that the offer declares, and not retransmissions of
/// layers; here each source is bound when its first packet comes.
pub(crate) struct ReceiveChain {
    negotiated: Arc<OnceLock<Negotiated>>,
    wishes: Arc<KeyFrameWishes>,
    sink: Sink,
    repairs: Repairs,
    /// Sources whose media are not taken.
    passed_over: Vec<u32>,
    bound: HashMap<u32, Bound>,
    arrivals: TwccReceiverInterceptor,
    holes: NackGeneratorInterceptor,
    reports: ReceiverReportInterceptor,
    leaving: VecDeque<TaggedPacket>,
    /// The latest time heard of.
    heard: Option<Instant>,
}

#[derive(Debug)]
struct Bound {
    layer: Option<Layer>,
}

/// A packet's layer, where there are any.
struct Place(Option<Layer>);

impl ReceiveChain {
    pub(crate) fn new(
        negotiated: Arc<OnceLock<Negotiated>>,
        repairs: Vec<(u32, u32)>,
        passed_over: Vec<u32>,
        wishes: Arc<KeyFrameWishes>,
        sink: Sink,
    ) -> Self {
        let holes = NackGeneratorBuilder::new()
            .with_interval(NACK_INTERVAL)
            .with_max_nacks_per_packet(NACKS_MAX)
            .build();
        Self {
            negotiated,
            wishes,
            sink,
            repairs: Repairs::new(repairs),
            passed_over,
            bound: HashMap::new(),
            arrivals: TwccReceiverBuilder::new().build(),
            holes,
            reports: ReceiverReportBuilder::new().build(),
            leaving: VecDeque::new(),
            heard: None,
        }
    }

    fn handle_rtp(
        &mut self,
        now: Instant,
        transport: TransportContext,
        packet: rtc::rtp::Packet,
    ) -> Result<(), Error> {
        let negotiated = Arc::clone(&self.negotiated);
        let Some(negotiated) = negotiated.get() else { return Ok(()) };
        let Some(codec) = negotiated.codecs.get(&packet.header.payload_type).copied() else {
            return Ok(());
        };
        if !self.bind(negotiated, &packet.header, codec) {
            return Ok(());
        }
        let text = |id: u8| {
            let value = packet.header.get_extension(id).filter(|_| id != 0)?;
            std::str::from_utf8(&value).ok().map(str::to_owned)
        };
        let (layer, repaired) = (text(negotiated.layer), text(negotiated.repaired_layer));
        let tagged = |packet| TaggedPacket {
            now,
            transport,
            message: AttributedPacket::new(Packet::Rtp(packet)),
        };
        pass(&mut self.arrivals, tagged(packet.clone()))?;
        let packet = match codec {
            Codec::Repair { of } => match self.repairs.unwrap(packet, of, repaired.as_deref()) {
                Some(packet) => packet,
                None => return Ok(()),
            },
            Codec::H264 | Codec::Opus => {
                let (source, kind) = (packet.header.ssrc, packet.header.payload_type);
                self.repairs.saw_primary(source, kind, layer.as_deref());
                packet
            }
        };
        let kind = match negotiated.codecs.get(&packet.header.payload_type) {
            Some(Codec::H264) => MediaKind::Video,
            Some(Codec::Opus) => MediaKind::Audio,
            Some(Codec::Repair { .. }) | None => return Ok(()),
        };
        let header = &packet.header;
        let Some(place) = self.place(negotiated, header.ssrc, kind, layer) else { return Ok(()) };
        let received = rtp::Packet {
            ssrc: header.ssrc,
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: packet.payload.clone(),
            arrived: now,
        };
        // A packet without room counts as arrived: it is the reader who is slow, and more would not help.
        if let Some(packet) = pass(&mut self.holes, tagged(packet))? {
            pass(&mut self.reports, packet)?;
        }
        let layer = place.0;
        (self.sink)(Received::Packet { kind, layer, packet: received });
        Ok(())
    }

    /// Where a source's packet belongs, which says this of its layer; `None` for one that is not taken.
    fn place(
        &mut self,
        negotiated: &Negotiated,
        source: u32,
        kind: MediaKind,
        says: Option<String>,
    ) -> Option<Place> {
        if self.passed_over.contains(&source) {
            return None;
        }
        if kind == MediaKind::Audio || negotiated.layers.is_empty() {
            return Some(Place(None));
        }
        let bound = self.bound.get_mut(&source)?;
        // Senders say the layer in a source's first packets only.
        if bound.layer.is_none() {
            let says = says?;
            bound.layer = negotiated.layers.iter().find(|layer| layer.id() == says).cloned();
        }
        bound.layer.clone().map(|layer| Place(Some(layer)))
    }

    /// Whether packets of this source are taken.
    fn bind(
        &mut self,
        negotiated: &Negotiated,
        header: &rtc::rtp::header::Header,
        codec: Codec,
    ) -> bool {
        if self.bound.contains_key(&header.ssrc) {
            return true;
        }
        if self.bound.len() >= SOURCES_MAX {
            return false;
        }
        self.bound.insert(header.ssrc, Bound { layer: None });
        let feedback = |typ: &str| RTCPFeedback { typ: typ.to_owned(), parameter: String::new() };
        let (clock_rate, mime_type) = match codec {
            Codec::H264 | Codec::Repair { .. } => (90_000, "video/H264"),
            Codec::Opus => (48_000, "audio/opus"),
        };
        let info = StreamInfo {
            ssrc: header.ssrc,
            payload_type: header.payload_type,
            clock_rate,
            mime_type: mime_type.to_owned(),
            rtp_header_extensions: vec![RTPHeaderExtension {
                uri: TRANSPORT_WIDE.to_owned(),
                id: u16::from(negotiated.transport_wide),
            }],
            rtcp_feedback: vec![feedback("nack"), feedback("transport-cc")],
            ..StreamInfo::default()
        };
        if negotiated.transport_wide != 0 {
            self.arrivals.bind_remote_stream(&info);
        }
        // Browsers resend no sound, and what repeats something is asked for by what it repeats.
        if codec == Codec::H264 {
            self.holes.bind_remote_stream(&info);
        }
        if matches!(codec, Codec::H264 | Codec::Opus) {
            self.reports.bind_remote_stream(&info);
        }
        true
    }

    fn handle_rtcp(
        &mut self,
        now: Instant,
        transport: TransportContext,
        packets: Vec<Box<dyn rtcp::Packet>>,
    ) -> Result<(), Error> {
        for packet in &packets {
            let report = packet.as_any().downcast_ref::<rtcp::sender_report::SenderReport>();
            let Some(report) = report else { continue };
            (self.sink)(Received::Report(rtp::SenderReport {
                ssrc: report.ssrc,
                ntp: report.ntp_time,
                rtp: report.rtp_time,
                arrived: now,
            }));
        }
        let message = AttributedPacket::new(Packet::Rtcp(packets));
        pass(&mut self.reports, TaggedPacket { now, transport, message })?;
        Ok(())
    }

    /// One request for all that are wished for: layers that get it together answer together.
    fn key_frame_request(&self) -> Option<TaggedPacket> {
        use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
        // Before anything was heard there is nothing to ask.
        let now = self.heard?;
        let ask = |media_ssrc| -> Box<dyn rtcp::Packet> {
            Box::new(PictureLossIndication { sender_ssrc: OWN_SOURCE, media_ssrc })
        };
        let requests: Vec<_> = self.wishes.take().into_iter().map(ask).collect();
        (!requests.is_empty()).then(|| TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtcp(requests)),
        })
    }
}

/// Hands a packet to an interceptor, and takes back what that passes on: none of those here holds any.
fn pass(to: &mut impl Interceptor, packet: TaggedPacket) -> Result<Option<TaggedPacket>, Error> {
    to.handle_read(packet)?;
    Ok(to.poll_read())
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for ReceiveChain {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        let (now, transport) = (message.now, message.transport);
        self.heard = Some(now);
        match message.message.packet {
            Packet::Rtp(packet) => self.handle_rtp(now, transport, packet),
            Packet::Rtcp(packets) => self.handle_rtcp(now, transport, packets),
            _ => Ok(()),
        }
    }

    /// Nothing goes on to the library's tracks.
    fn poll_read(&mut self) -> Option<TaggedPacket> {
        None
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.leaving.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        let leaving = self.leaving.pop_front().or_else(|| self.arrivals.poll_write());
        let leaving = leaving.or_else(|| self.holes.poll_write());
        leaving.or_else(|| self.reports.poll_write()).or_else(|| self.key_frame_request())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.heard = Some(now);
        self.arrivals.handle_timeout(now)?;
        self.holes.handle_timeout(now)?;
        self.reports.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let parts =
            [self.arrivals.poll_timeout(), self.holes.poll_timeout(), self.reports.poll_timeout()];
        parts.into_iter().flatten().min()
    }
}

impl Interceptor for ReceiveChain {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests;
