//! H.264 in FLV.

use std::sync::Arc;

use bytes::Bytes;
use container::avc::{self, AvcError, NormalizedAccessUnit};
use media::{CodecParameters, H264Parameters};

use super::{ReadUnit, overlay};

/// What is known of an H.264 track.
#[derive(Debug)]
pub(super) struct Avc {
    /// Bytes of the length before each NAL unit.
    nalu_length_size: u8,
    /// What decodes the next IDR picture.
    parameters: Option<Arc<H264Parameters>>,
}

impl Avc {
    pub(super) const fn new() -> Self {
        Self { nalu_length_size: 4, parameters: None }
    }

    pub(super) fn parameters(&self) -> Option<CodecParameters> {
        self.parameters.clone().map(CodecParameters::H264)
    }

    /// Takes a sequence header; answers whether it changes anything.
    pub(super) fn set_header(&mut self, record: &Bytes) -> Result<bool, AvcError> {
        let configuration = avc::parse_decoder_configuration(record)?;
        self.nalu_length_size = configuration.nalu_length_size;
        let changed = self.parameters.as_deref() != Some(&configuration.parameters);
        if changed {
            self.parameters = Some(Arc::new(configuration.parameters));
        }
        Ok(changed)
    }

    pub(super) fn read(&mut self, payload: &Bytes) -> Option<ReadUnit> {
        let unit = avc::normalize(payload, self.nalu_length_size).ok()?;
        Some(ReadUnit {
            changed: self.take_in_band(&unit),
            random_access: unit.idr,
            has_picture: unit.has_picture,
            skipped_leading: false,
            payload: unit.payload,
        })
    }

    /// Parameter sets in the stream win over the sequence header's, from the next IDR picture on.
    fn take_in_band(&mut self, unit: &NormalizedAccessUnit) -> bool {
        if unit.sps.is_empty() && unit.pps.is_empty() {
            return false;
        }
        let (mut sps, mut pps) = match &self.parameters {
            // The common case, a repeat, costs a comparison.
            Some(now)
                if unit.sps.iter().all(|set| now.sps.contains(set))
                    && unit.pps.iter().all(|set| now.pps.contains(set)) =>
            {
                return false;
            }
            Some(now) => (now.sps.clone(), now.pps.clone()),
            None => (Vec::new(), Vec::new()),
        };
        let changed_sps = overlay::overlay(&mut sps, &unit.sps, overlay::sps_id);
        let changed_pps = overlay::overlay(&mut pps, &unit.pps, overlay::pps_id);
        if !(changed_sps || changed_pps) || sps.is_empty() || pps.is_empty() {
            return false;
        }
        // Sets that can't be read are left to the decoder; the ones in force stay announced.
        let Ok(parameters) = avc::parameters_from_sets(sps, pps) else { return false };
        self.parameters = Some(Arc::new(parameters));
        true
    }
}
