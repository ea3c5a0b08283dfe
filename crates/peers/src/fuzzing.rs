//! Bodies of the fuzz targets: any bytes may go in, nothing may come out but an end.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use bytes::Buf as _;
use rtc::{
    interceptor::{AttributedPacket, Packet, TaggedPacket},
    sansio::Protocol as _,
    shared::{TransportContext, marshal::Unmarshal as _},
};

use crate::{
    key_frame_wishes::KeyFrameWishes,
    receive_chain::ReceiveChain,
    received::Received,
    routes::{PeerId, Routes},
    sdp::{Answer, Codec, Fragment, HostCandidates, Layer, Negotiated, Offer, Simulcast},
};

/// Any moment; the cores only compare moments.
static START: LazyLock<Instant> = LazyLock::new(crate::shell::now);

/// Reads an offer, and restarts it; what is made of it is read as an answer.
pub fn offer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    drop(Answer::new(&text, &HostCandidates::default(), &Simulcast::default()));
    let Ok(offer) = Offer::parse(&text) else { return };
    let restarted = offer.restarted(offer.credentials().clone());
    assert!(Offer::parse(&restarted.text).is_ok(), "an offer that was taken is taken again");
}

/// Reads a fragment.
pub fn fragment(data: &[u8]) {
    drop(Fragment::parse(&String::from_utf8_lossy(data)));
}

/// Routes datagrams: each a length, a port, and so many bytes.
pub fn routes(data: &[u8]) {
    let mut routes = Routes::default();
    routes.insert(PeerId(1), ());
    routes.name(PeerId(1), "user");
    let mut rest = data;
    while let Some(([length, port], after)) = rest.split_first_chunk() {
        let (datagram, next) = after.split_at(usize::from(*length).min(after.len()));
        routes.route(datagram, ([127, 0, 0, 1], u16::from(*port)).into());
        rest = next;
    }
}

/// Takes packets of a simulcast: each a length, a step of the clock in milliseconds, and so many bytes of
/// RTP with its header extensions. What comes out is of a layer that was agreed on, or sound.
pub fn media(data: &[u8]) {
    let layers = ["h", "m", "l"].map(|id| Layer(id.to_owned())).to_vec();
    let codecs = BTreeMap::from([
        (96, Codec::H264),
        (97, Codec::Repair { of: 96 }),
        (98, Codec::Repair { of: 111 }),
        (111, Codec::Opus),
    ]);
    let negotiated =
        Negotiated { codecs, transport_wide: 3, layer: 10, repaired_layer: 11, layers };
    let received: Arc<Mutex<Vec<Received>>> = Arc::default();
    let into = Arc::clone(&received);
    let sink = Box::new(move |one| into.lock().map(|mut all| all.push(one)).is_ok());
    let wishes = Arc::new(KeyFrameWishes::default());
    let negotiated = Arc::new(negotiated.into());
    let mut chain = ReceiveChain::new(negotiated, vec![(8, 7)], vec![9], wishes, sink);
    let (mut rest, mut now) = (data, *START);
    while let Some(([length, step], after)) = rest.split_first_chunk() {
        let (mut packet, next) = after.split_at(usize::from(*length).min(after.len()));
        rest = next;
        now += Duration::from_millis(u64::from(*step));
        let Ok(packet) = rtc::rtp::Packet::unmarshal(&mut packet) else { continue };
        let message = AttributedPacket::new(Packet::Rtp(packet));
        let transport = TransportContext::default();
        drop(chain.handle_read(TaggedPacket { now, transport, message }));
        drop(chain.handle_timeout(now));
        while chain.poll_write().is_some() {}
        for one in received.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default() {
            let Received::Packet { kind, layer, packet } = one else { continue };
            assert_eq!(layer.is_some(), kind == crate::MediaKind::Video, "{kind:?}");
            assert!(packet.payload.remaining() <= data.len() && packet.ssrc != 9);
        }
    }
}
