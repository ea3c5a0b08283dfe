//! Pictures in FLV: H.264 under either header, H.265 and AV1 under the extended one.
//!
//! What differs between codecs, their headers and what is in an access unit, is in a [`Coding`]; when
//! parameters hold and what is dropped is the same for all.

mod av1;
mod avc;
mod hevc;

use bytes::Bytes;
use container::flv::VideoTag;
use media::{Chain, CodecParameters, Timescale, Track, TrackId, VideoCodec};

use self::{av1::Av1, avc::Avc, hevc::Hevc};
use super::{DemuxError, DemuxStats, Unit, overlay};
use crate::timeline::Timeline;

/// NAL units or OBUs without a picture that are kept for the picture after them, in bytes; more are
/// dropped.
const HELD_LIMIT: usize = 64 * 1024;

/// An access unit as its codec reads it.
#[derive(Debug)]
struct ReadUnit {
    payload: Chain,
    /// Decoding can start at it.
    random_access: bool,
    has_picture: bool,
    /// It can't be decoded where decoding starts at the random access point before it.
    skipped_leading: bool,
    /// It brought new parameters.
    changed: bool,
}

/// A codec's parameters and how it is read.
#[derive(Debug)]
enum Coding {
    Avc(Avc),
    Hevc(Hevc),
    Av1(Av1),
}

impl Coding {
    fn new(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Self::Avc(Avc::new()),
            VideoCodec::Hevc => Self::Hevc(Hevc::new()),
            VideoCodec::Av1 => Self::Av1(Av1::default()),
        }
    }

    const fn codec(&self) -> VideoCodec {
        match self {
            Self::Avc(_) => VideoCodec::H264,
            Self::Hevc(_) => VideoCodec::Hevc,
            Self::Av1(_) => VideoCodec::Av1,
        }
    }

    fn parameters(&self) -> Option<CodecParameters> {
        match self {
            Self::Avc(avc) => avc.parameters(),
            Self::Hevc(hevc) => hevc.parameters(),
            Self::Av1(av1) => av1.parameters(),
        }
    }

    fn set_header(&mut self, record: &Bytes) -> Result<bool, DemuxError> {
        Ok(match self {
            Self::Avc(avc) => avc.set_header(record)?,
            Self::Hevc(hevc) => hevc.set_header(record)?,
            Self::Av1(av1) => av1.set_header(record)?,
        })
    }

    /// `None` for an access unit that can't be taken apart.
    fn read(&mut self, payload: &Bytes) -> Option<ReadUnit> {
        match self {
            Self::Avc(avc) => avc.read(payload),
            Self::Hevc(hevc) => hevc.read(payload),
            Self::Av1(av1) => av1.read(payload),
        }
    }
}

/// The state of a video track.
#[derive(Debug, Default)]
pub(super) struct VideoTrack {
    /// Its number in the stream, once it has one; it is announced no sooner.
    id: Option<TrackId>,
    coding: Option<Coding>,
    /// The last sequence header, as it came.
    header: Option<Bytes>,
    /// Parameters are not announced yet: they hold from the next random access point on.
    changed: bool,
    announced: bool,
    /// What came in a message of its own, without a picture.
    held: Chain,
    /// Something was dropped: what follows refers to it, up to the next random access point.
    broken: bool,
    /// A random access point was there.
    started: bool,
    /// Decoding starts at the last random access point: what refers to before it is dropped.
    fresh: bool,
    /// Pictures were seen that refer to before their random access point.
    open_gop: bool,
}

impl VideoTrack {
    pub(super) fn read(
        &mut self,
        tag: VideoTag,
        timeline: &mut Timeline,
        stats: &mut DemuxStats,
    ) -> Result<Option<Unit>, DemuxError> {
        match tag {
            VideoTag::SequenceHeader { codec, record } => {
                self.set_header(codec, record, timeline)?;
                Ok(None)
            }
            VideoTag::AccessUnit { codec, composition_time_ms, payload, .. } => {
                let unit = self.access_unit(codec, &payload, timeline);
                if unit.is_none() {
                    stats.video_dropped += u64::from(self.held.is_empty());
                }
                Ok(unit.map(|(payload, random_access)| Unit {
                    composition_time_ms,
                    random_access,
                    payload,
                }))
            }
            VideoTag::EndOfSequence | VideoTag::Metadata(_) | VideoTag::Command => Ok(None),
        }
    }

    /// Gives the track its number, and announces what came so far.
    pub(super) fn name(&mut self, id: TrackId, timeline: &mut Timeline) {
        self.id = Some(id);
        if self.changed {
            self.announce(timeline);
        }
    }

    /// A message was lost: what follows refers to it.
    pub(super) const fn lost(&mut self) {
        self.broken = true;
    }

    /// Whether the publisher's GOPs are open, once it is known.
    pub(super) const fn has_open_gops(&self) -> bool {
        self.open_gop
    }

    /// The coding of what comes; pictures of another one before it are nothing to refer to.
    fn coding(&mut self, codec: VideoCodec) -> &mut Coding {
        if self.coding.as_ref().is_some_and(|coding| coding.codec() != codec) {
            self.coding = None;
            self.header = None;
            self.held = Chain::new();
            self.broken = true;
            self.changed = false;
        }
        self.coding.get_or_insert_with(|| Coding::new(codec))
    }

    fn set_header(
        &mut self,
        codec: VideoCodec,
        record: Bytes,
        timeline: &mut Timeline,
    ) -> Result<(), DemuxError> {
        // Encoders repeat the header; only different bytes mean something.
        let same_codec = self.coding.as_ref().is_some_and(|coding| coding.codec() == codec);
        if same_codec && self.header.as_ref() == Some(&record) {
            return Ok(());
        }
        self.changed |= self.coding(codec).set_header(&record)?;
        self.header = Some(record);
        // The first ones open the track; later ones wait for the picture they belong to.
        if !self.announced && self.changed {
            self.announce(timeline);
        }
        Ok(())
    }

    /// An access unit's bytes and whether decoding can start at it; `None` when it is dropped or held.
    fn access_unit(
        &mut self,
        codec: VideoCodec,
        payload: &Bytes,
        timeline: &mut Timeline,
    ) -> Option<(Chain, bool)> {
        let Some(unit) = self.coding(codec).read(payload) else {
            self.broken = true;
            self.held = Chain::new();
            return None;
        };
        self.changed |= unit.changed;
        if !unit.has_picture {
            if self.held.len() + unit.payload.len() <= HELD_LIMIT {
                self.held.append(&unit.payload);
            }
            return None;
        }
        let held = std::mem::take(&mut self.held);
        if unit.random_access {
            let started = std::mem::replace(&mut self.started, true);
            self.fresh = !started || std::mem::take(&mut self.broken);
            if self.changed {
                self.announce(timeline);
            }
        }
        self.open_gop |= unit.skipped_leading;
        if self.broken || !self.announced || self.fresh && unit.skipped_leading {
            return None;
        }
        if held.is_empty() {
            return Some((unit.payload, unit.random_access));
        }
        let mut payload = held;
        payload.append(&unit.payload);
        Some((payload, unit.random_access))
    }

    fn announce(&mut self, timeline: &mut Timeline) {
        let Some(id) = self.id else { return };
        let Some(parameters) = self.coding.as_ref().and_then(Coding::parameters) else { return };
        self.changed = false;
        self.announced = true;
        timeline.set_track(Track { id, timescale: Timescale::VIDEO, parameters });
    }
}
