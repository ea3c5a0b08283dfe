//! H.264 out of RTP packets (RFC 6184): modes 0 and 1, so single NAL units, STAP-A and FU-A.
//!
//! A picture ends with the marker bit, or where the timestamp changes (senders that set no marker).
//! Senders that set it within a picture are found out by a slice that goes on with the same timestamp;
//! from then on only timestamps count.
//!
//! **No broken picture after decode.** What follows a hole, a malformed packet or an access unit too
//! large is dropped up to the next IDR picture that is whole. Even that is not enough where parameter
//! sets may have been in the hole: it has to bring its own, unless the sender's IDR pictures bring none.
//! They do if the last one that was handed out did; two in a row without a hole in between that bring none
//! show that it no longer holds, as with senders that put sets into the stream once. Streams without IDR pictures (gradual refresh) and pictures that don't begin at the top
//! (arbitrary slice order) never start.

mod assembly;
mod exp_golomb;
mod parameter_sets;
mod payload;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bytes::Bytes;
use media::H264Parameters;

use self::{
    assembly::{Assembly, first_slice},
    parameter_sets::ParameterSets,
    payload::{Payload, nalu_type},
};
use crate::{DropReason, Packet, TrackHealth, health::count_drop};

/// A picture that decodes.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) timestamp: u32,
    pub(crate) idr: bool,
    /// Length-prefixed NAL units, in one buffer of this size.
    pub(crate) payload: Bytes,
    /// When its first packet came, and its last.
    pub(crate) arrived: (Instant, Instant),
    /// From this picture on, these parameters hold; `None` as long as they stay.
    pub(crate) parameters: Option<Arc<H264Parameters>>,
}

/// Makes pictures of packets in order. Holds no I/O.
#[derive(Debug)]
pub(crate) struct Depacketizer {
    sets: ParameterSets,
    assembly: Option<Assembly>,
    /// Pictures go out. If not, the next IDR picture is awaited.
    flowing: bool,
    /// Parameter sets may have been lost, and none came since.
    sets_in_doubt: bool,
    /// The IDR picture that was handed out last brought its own sets.
    idr_brings_sets: bool,
    /// A whole IDR picture was dropped because it brought no sets, and nothing was lost since.
    came_without_sets: bool,
    /// The timestamp of the picture that a marker ended last.
    ended: Option<u32>,
    markers_count: bool,
    announced: Option<Arc<H264Parameters>>,
    pictures: VecDeque<Picture>,
}

impl Depacketizer {
    /// `sets` are those of the session description.
    pub(crate) fn new(sets: &[Bytes]) -> Self {
        Self {
            sets: ParameterSets::described(sets),
            assembly: None,
            flowing: false,
            sets_in_doubt: true,
            idr_brings_sets: true,
            came_without_sets: false,
            ended: None,
            markers_count: true,
            announced: None,
            pictures: VecDeque::new(),
        }
    }

    /// Whether nothing goes out before the next IDR picture.
    pub(crate) const fn awaits_key_frame(&self) -> bool {
        !self.flowing
    }

    /// Takes the next packet, in order.
    pub(crate) fn push(&mut self, packet: &Packet, health: &mut TrackHealth) {
        // Padding to probe the path: it had a sequence number and has no more to say.
        if packet.payload.is_empty() {
            return;
        }
        self.begin(packet, health);
        let Some(assembly) = &mut self.assembly else { return };
        assembly.arrived.1 = packet.arrived;
        if assembly.broken.is_none() {
            match payload::parse(&packet.payload) {
                Ok(payload) if repeats_end(self.ended, packet.timestamp, &payload) => {
                    self.markers_count = false;
                    assembly.spoil(DropReason::Malformed);
                }
                Ok(Payload::Whole(nalus)) => {
                    for nalu in nalus {
                        assembly.add(nalu);
                    }
                }
                Ok(Payload::Fragment(fragment)) => assembly.add_fragment(fragment),
                Err(_) => assembly.spoil(DropReason::Malformed),
            }
        }
        // A marker on parameter sets that come ahead of their picture ends nothing.
        let over = assembly.has_picture() || assembly.broken.is_some();
        if packet.marker && self.markers_count && over {
            self.ended = Some(packet.timestamp);
            self.end(health);
        }
    }

    /// Packets are missing before the next one.
    pub(crate) fn hole(&mut self) {
        if let Some(assembly) = &mut self.assembly {
            assembly.spoil(DropReason::Loss);
        }
        self.flowing = false;
        self.sets_in_doubt = true;
        self.came_without_sets = false;
    }

    /// A picture that [`Self::pop`] gave was dropped: what refers to it is dropped too, and parameters
    /// that it brought are announced again.
    pub(crate) fn refuse(&mut self, health: &mut TrackHealth) {
        while self.pictures.pop_front().is_some() {
            count_drop(health, DropReason::AwaitingKeyFrame);
        }
        self.flowing = false;
        self.announced = None;
    }

    /// The next picture, in decoding order.
    pub(crate) fn pop(&mut self) -> Option<Picture> {
        self.pictures.pop_front()
    }

    /// Opens the access unit that `packet` belongs to, unless it is open.
    fn begin(&mut self, packet: &Packet, health: &mut TrackHealth) {
        if let Some(assembly) = &mut self.assembly {
            let same = assembly.timestamp == packet.timestamp;
            if !same && (assembly.has_picture() || assembly.broken.is_some()) {
                self.end(health);
            } else {
                // Parameter sets or messages with a stamp of their own are the next picture's.
                assembly.timestamp = packet.timestamp;
                return;
            }
        }
        self.assembly = Some(Assembly::new(packet.timestamp, packet.arrived));
    }

    fn end(&mut self, health: &mut TrackHealth) {
        let Some(assembly) = self.assembly.take() else { return };
        match self.check(&assembly) {
            Ok(parameters) => {
                let changed = self.announced.as_ref() != Some(&parameters);
                // Sets that a picture in between brings wait for the next IDR picture.
                let parameters = (assembly.idr && changed).then_some(parameters);
                if let Some(parameters) = &parameters {
                    self.announced = Some(Arc::clone(parameters));
                }
                self.flowing = true;
                self.pictures.push_back(Picture {
                    timestamp: assembly.timestamp,
                    idr: assembly.idr,
                    payload: assembly.write(),
                    arrived: assembly.arrived,
                    parameters,
                });
            }
            Err(reason) => {
                self.flowing = false;
                count_drop(health, reason);
            }
        }
    }

    /// Whether an access unit decodes, and with what.
    fn check(&mut self, assembly: &Assembly) -> Result<Arc<H264Parameters>, DropReason> {
        let open = assembly.is_open().then_some(DropReason::Malformed);
        if let Some(reason) = assembly.broken.or(open) {
            self.sets.saw(assembly);
            self.sets_in_doubt = true;
            self.came_without_sets = false;
            return Err(reason);
        }
        self.sets.take_from(assembly);
        let brings_sets = !assembly.sps.is_empty() && !assembly.pps.is_empty();
        self.sets_in_doubt &= !brings_sets;
        if assembly.idr {
            if !assembly.first_slice.is_some_and(|slice| slice.at_top) {
                let reason = if self.flowing { DropReason::Malformed } else { DropReason::Loss };
                return Err(reason);
            }
            let lacks_sets = self.sets_in_doubt && self.sets.in_band() && self.idr_brings_sets;
            if lacks_sets && !std::mem::replace(&mut self.came_without_sets, true) {
                return Err(DropReason::Loss);
            }
            let parameters = self.sets.of(assembly).cloned().ok_or(DropReason::NoParameterSets)?;
            self.idr_brings_sets = brings_sets;
            self.came_without_sets = false;
            return Ok(parameters);
        }
        let parameters = self.announced.clone().filter(|_| self.flowing);
        parameters.ok_or(DropReason::AwaitingKeyFrame)
    }
}

/// Whether a payload goes on with a picture that a marker ended: a slice of the same timestamp that is
/// not the first of a picture. One that is may be a second field, or a clock that stands still.
fn repeats_end(ended: Option<u32>, timestamp: u32, payload: &Payload) -> bool {
    if ended != Some(timestamp) {
        return false;
    }
    let goes_on =
        |header: u8, body: &[u8]| matches!(nalu_type(header), 1..=5) && !first_slice(body).at_top;
    match payload {
        Payload::Whole(nalus) => nalus.clone().next().is_some_and(|nalu| {
            nalu.split_first().is_some_and(|(header, body)| goes_on(*header, body))
        }),
        Payload::Fragment(fragment) => fragment.start && goes_on(fragment.header, &fragment.piece),
    }
}

#[cfg(test)]
mod tests;
