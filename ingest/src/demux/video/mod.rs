//! H.264 in FLV.

use std::sync::Arc;

use bytes::Bytes;
use container::{
    avc::{self, NormalizedAccessUnit},
    flv::{self, VideoTag},
};
use media::{Chain, CodecParameters, H264Parameters, Timescale, Track, TrackId};

use super::{
    DemuxError, DemuxStats, Unit,
    parameter_sets::{overlay, pps_id, sps_id},
};
use crate::timeline::Timeline;

/// NAL units without a picture that are kept for the picture after them, in bytes; more are dropped.
const HELD_LIMIT: usize = 64 * 1024;

/// The state of a video track.
#[derive(Debug)]
pub(super) struct VideoTrack {
    /// The last sequence header, as it came.
    header: Option<Bytes>,
    /// Bytes of the length before each NAL unit.
    nalu_length_size: u8,
    /// What decodes the next IDR picture.
    parameters: Option<Arc<H264Parameters>>,
    /// `parameters` are not announced yet: they hold from the next IDR picture on.
    changed: bool,
    announced: bool,
    /// NAL units that came in a message of their own, without a picture.
    held: Chain,
    /// Something was dropped: what follows refers to it, up to the next IDR picture.
    broken: bool,
}

impl Default for VideoTrack {
    fn default() -> Self {
        Self {
            header: None,
            nalu_length_size: 4,
            parameters: None,
            changed: false,
            announced: false,
            held: Chain::new(),
            broken: false,
        }
    }
}

impl VideoTrack {
    pub(super) fn read(
        &mut self,
        body: &Bytes,
        timeline: &mut Timeline,
        stats: &mut DemuxStats,
    ) -> Result<Option<Unit>, DemuxError> {
        let tag = match flv::parse_video(body) {
            Ok(tag) => tag,
            Err(error) if is_unsupported(&error) => {
                return Err(DemuxError::UnsupportedVideo(error));
            }
            Err(_) => {
                stats.video_dropped += 1;
                self.broken = true;
                return Ok(None);
            }
        };
        match tag {
            VideoTag::SequenceHeader(avcc) => {
                self.set_header(avcc, timeline)?;
                Ok(None)
            }
            VideoTag::AccessUnit { composition_time_ms, payload, .. } => {
                let unit = self.access_unit(&payload, timeline);
                if unit.is_none() {
                    stats.video_dropped += u64::from(self.held.is_empty());
                }
                Ok(unit.map(|(payload, random_access)| Unit {
                    composition_time_ms,
                    random_access,
                    payload,
                }))
            }
            VideoTag::EndOfSequence | VideoTag::Command => Ok(None),
        }
    }

    fn set_header(&mut self, avcc: Bytes, timeline: &mut Timeline) -> Result<(), DemuxError> {
        // Encoders repeat the header; only different bytes mean something.
        if self.header.as_ref() == Some(&avcc) {
            return Ok(());
        }
        let configuration = avc::parse_decoder_configuration(&avcc)?;
        self.header = Some(avcc);
        self.nalu_length_size = configuration.nalu_length_size;
        if self.parameters.as_deref() != Some(&configuration.parameters) {
            self.parameters = Some(Arc::new(configuration.parameters));
            self.changed = true;
        }
        // The first ones open the track; later ones wait for the IDR picture they belong to.
        if !self.announced {
            self.announce(timeline);
        }
        Ok(())
    }

    /// An access unit's bytes and whether it is an IDR picture; `None` when it is dropped or held.
    fn access_unit(&mut self, payload: &Bytes, timeline: &mut Timeline) -> Option<(Chain, bool)> {
        let Ok(unit) = avc::normalize(payload, self.nalu_length_size) else {
            self.broken = true;
            self.held = Chain::new();
            return None;
        };
        self.take_in_band(&unit);
        if !unit.has_picture {
            if self.held.len() + unit.payload.len() <= HELD_LIMIT {
                self.held.append(&unit.payload);
            }
            return None;
        }
        let held = std::mem::take(&mut self.held);
        if unit.idr {
            self.broken = false;
            if self.changed {
                self.announce(timeline);
            }
        }
        if self.broken || !self.announced {
            return None;
        }
        if held.is_empty() {
            return Some((unit.payload, unit.idr));
        }
        let mut payload = held;
        payload.append(&unit.payload);
        Some((payload, unit.idr))
    }

    /// Parameter sets in the stream win over the sequence header's, from the next IDR picture on.
    fn take_in_band(&mut self, unit: &NormalizedAccessUnit) {
        if unit.sps.is_empty() && unit.pps.is_empty() {
            return;
        }
        let (mut sps, mut pps) = match &self.parameters {
            // The common case, a repeat, costs a comparison.
            Some(now)
                if unit.sps.iter().all(|set| now.sps.contains(set))
                    && unit.pps.iter().all(|set| now.pps.contains(set)) =>
            {
                return;
            }
            Some(now) => (now.sps.clone(), now.pps.clone()),
            None => (Vec::new(), Vec::new()),
        };
        let changed_sps = overlay(&mut sps, &unit.sps, sps_id);
        let changed_pps = overlay(&mut pps, &unit.pps, pps_id);
        if !(changed_sps || changed_pps) || sps.is_empty() || pps.is_empty() {
            return;
        }
        // Sets that can't be read are left to the decoder; the ones in force stay announced.
        if let Ok(parameters) = avc::parameters_from_sets(sps, pps) {
            self.parameters = Some(Arc::new(parameters));
            self.changed = true;
        }
    }

    fn announce(&mut self, timeline: &mut Timeline) {
        let Some(parameters) = &self.parameters else { return };
        self.changed = false;
        self.announced = true;
        timeline.set_track(Track {
            id: TrackId::VIDEO,
            timescale: Timescale::VIDEO,
            parameters: CodecParameters::H264(Arc::clone(parameters)),
        });
    }
}

fn is_unsupported(error: &flv::FlvError) -> bool {
    matches!(error, flv::FlvError::UnsupportedVideo { .. })
}
