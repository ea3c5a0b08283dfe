//! AV1 in Enhanced RTMP.

use std::sync::Arc;

use bytes::Bytes;
use container::av1::{self, Av1Error};
use media::{Av1Parameters, Chain, CodecParameters};

use super::ReadUnit;

/// What is known of an AV1 track.
#[derive(Debug, Default)]
pub(super) struct Av1 {
    /// What decodes the next key frame.
    parameters: Option<Arc<Av1Parameters>>,
    /// The last sequence header in the stream, as it came; a copy.
    seen: Bytes,
}

impl Av1 {
    pub(super) fn parameters(&self) -> Option<CodecParameters> {
        self.parameters.clone().map(CodecParameters::Av1)
    }

    /// Takes a sequence start; answers whether it changes anything. One without a sequence header
    /// changes nothing: that comes with the first key frame.
    pub(super) fn set_header(&mut self, record: &Bytes) -> Result<bool, Av1Error> {
        let Some(parameters) = av1::parse_codec_configuration(record)? else { return Ok(false) };
        Ok(self.replace(parameters))
    }

    pub(super) fn read(&mut self, payload: &Bytes) -> Option<ReadUnit> {
        let unit = av1::normalize(payload).ok()?;
        let changed = unit.sequence_header.as_ref().is_some_and(|obu| self.take_in_band(obu));
        let lacks_header = unit.random_access && unit.sequence_header.is_none();
        let payload = match &self.parameters {
            // A sample that decoding starts at has it (AV1 in ISOBMFF §2.4).
            Some(parameters) if lacks_header => {
                let mut payload = Chain::from(parameters.sequence_header.clone());
                payload.append(&unit.payload);
                payload
            }
            Some(_) | None => unit.payload,
        };
        Some(ReadUnit {
            payload,
            changed,
            random_access: unit.random_access,
            has_picture: unit.has_picture,
            skipped_leading: false,
        })
    }

    /// The sequence header in the stream wins, from the next key frame on.
    fn take_in_band(&mut self, obu: &Bytes) -> bool {
        if self.seen == *obu {
            return false;
        }
        self.seen = Bytes::copy_from_slice(obu);
        // One that can't be read is left to the decoder; the one in force stays announced.
        av1::parameters_from_sequence_header(obu).is_ok_and(|parameters| self.replace(parameters))
    }

    fn replace(&mut self, parameters: Av1Parameters) -> bool {
        let changed = self.parameters.as_deref() != Some(&parameters);
        if changed {
            self.parameters = Some(Arc::new(parameters));
        }
        changed
    }
}
