//! AAC in FLV.

use std::sync::Arc;

use bytes::Bytes;
use container::{
    aac,
    flv::{self, AudioTag},
};
use media::{AacParameters, Chain, CodecParameters, Timescale, Track, TrackId};

use super::Unit;
use crate::timeline::Timeline;

/// The state of an audio track.
#[derive(Debug, Default)]
pub(super) struct AudioTrack {
    /// The last sequence header, as it came.
    header: Option<Bytes>,
    parameters: Option<Arc<AacParameters>>,
    /// The operator has been told that this audio can't be read.
    warned: bool,
}

impl AudioTrack {
    /// Reads a body. The error is for a body that is dropped, with a warning the first time.
    pub(super) fn read(
        &mut self,
        body: &Bytes,
        timeline: &mut Timeline,
    ) -> Result<Option<Unit>, Option<String>> {
        match flv::parse_audio(body) {
            Ok(AudioTag::SequenceHeader(config)) => {
                self.set_header(config, timeline)?;
                Ok(None)
            }
            Ok(AudioTag::Frame(frame)) if self.parameters.is_some() => {
                let payload = Chain::from(frame);
                Ok(Some(Unit { composition_time_ms: 0, random_access: true, payload }))
            }
            Ok(AudioTag::Frame(_)) => Err(None),
            Ok(AudioTag::Silence) => Ok(None),
            Err(error) => Err(self.warn(&error)),
        }
    }

    fn set_header(&mut self, config: Bytes, timeline: &mut Timeline) -> Result<(), Option<String>> {
        // Encoders repeat the header; only different bytes mean something.
        if self.header.as_ref() == Some(&config) {
            return Ok(());
        }
        let parameters = aac::parse_audio_specific_config(&config);
        self.header = Some(config);
        self.parameters = None;
        let parameters = Arc::new(parameters.map_err(|error| self.warn(&error))?);
        let Some(timescale) = Timescale::new(parameters.sampling_rate) else {
            return Err(self.warn(&"sampling rate of zero"));
        };
        self.parameters = Some(Arc::clone(&parameters));
        self.warned = false;
        timeline.set_track(Track {
            id: TrackId::AUDIO,
            timescale,
            parameters: CodecParameters::Aac(parameters),
        });
        Ok(())
    }

    fn warn(&mut self, error: &dyn std::fmt::Display) -> Option<String> {
        let first = !std::mem::replace(&mut self.warned, true);
        first.then(|| format!("audio is dropped: {error}"))
    }
}
