//! Bodies of the fuzz targets: any bytes may go in, nothing may come out but an end.

use crate::{
    routes::{PeerId, Routes},
    sdp::{Answer, Fragment, HostCandidates, Offer, Simulcast},
};

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
