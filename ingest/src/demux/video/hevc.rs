//! H.265 in Enhanced RTMP.

use std::sync::Arc;

use bytes::Bytes;
use container::hevc::{self, HevcError, NormalizedAccessUnit};
use media::{CodecParameters, HevcParameters};

use super::{ReadUnit, overlay::overlay};

/// What is known of an H.265 track.
#[derive(Debug)]
pub(super) struct Hevc {
    /// Bytes of the length before each NAL unit.
    nalu_length_size: u8,
    /// What decodes the next random access point.
    parameters: Option<Arc<HevcParameters>>,
}

impl Hevc {
    pub(super) const fn new() -> Self {
        Self { nalu_length_size: 4, parameters: None }
    }

    pub(super) fn parameters(&self) -> Option<CodecParameters> {
        self.parameters.clone().map(CodecParameters::Hevc)
    }

    /// Takes a sequence header; answers whether it changes anything.
    pub(super) fn set_header(&mut self, record: &Bytes) -> Result<bool, HevcError> {
        let configuration = hevc::parse_decoder_configuration(record)?;
        self.nalu_length_size = configuration.nalu_length_size;
        let changed = self.parameters.as_deref() != Some(&configuration.parameters);
        if changed {
            self.parameters = Some(Arc::new(configuration.parameters));
        }
        Ok(changed)
    }

    pub(super) fn read(&mut self, payload: &Bytes) -> Option<ReadUnit> {
        let unit = hevc::normalize(payload, self.nalu_length_size).ok()?;
        Some(ReadUnit {
            changed: self.take_in_band(&unit),
            random_access: unit.random_access,
            has_picture: unit.has_picture,
            skipped_leading: unit.skipped_leading,
            payload: unit.payload,
        })
    }

    /// Parameter sets in the stream win over the sequence header's, from the next random access point on.
    fn take_in_band(&mut self, unit: &NormalizedAccessUnit) -> bool {
        let found = [&unit.vps, &unit.sps, &unit.pps];
        if found.iter().all(|sets| sets.is_empty()) {
            return false;
        }
        let (mut vps, mut sps, mut pps) =
            self.parameters.as_ref().map_or_else(Default::default, |now| {
                (now.vps.clone(), now.sps.clone(), now.pps.clone())
            });
        let changed = [
            overlay(&mut vps, &unit.vps, hevc::vps_id),
            overlay(&mut sps, &unit.sps, hevc::sps_id),
            overlay(&mut pps, &unit.pps, hevc::pps_id),
        ];
        if changed == [false; 3] || vps.is_empty() || sps.is_empty() || pps.is_empty() {
            return false;
        }
        // Sets that can't be read are left to the decoder; the ones in force stay announced.
        let Ok(parameters) = hevc::parameters_from_sets(vps, sps, pps) else { return false };
        self.parameters = Some(Arc::new(parameters));
        true
    }
}
