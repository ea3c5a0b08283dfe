//! AAC in FLV, Opus in Enhanced RTMP.

use std::sync::Arc;

use bytes::Bytes;
use container::{
    aac,
    flv::{AudioCodec, AudioTag, FlvError},
    opus,
};
use media::{Chain, CodecParameters, Timescale, Track, TrackId};

use super::Unit;
use crate::timeline::Timeline;

/// The state of an audio track.
#[derive(Debug, Default)]
pub(super) struct AudioTrack {
    /// Its number in the stream, once it has one; it is announced no sooner.
    id: Option<TrackId>,
    /// What waits for that.
    unannounced: Option<(Timescale, CodecParameters)>,
    /// The last sequence header, and of which codec, as it came.
    header: Option<(AudioCodec, Bytes)>,
    /// The codec that is announced.
    announced: Option<AudioCodec>,
    /// The operator has been told that this audio can't be read.
    warned: bool,
}

impl AudioTrack {
    /// Reads a tag. The error is for a body that is dropped, with a warning the first time.
    pub(super) fn read(
        &mut self,
        tag: Result<AudioTag, FlvError>,
        timeline: &mut Timeline,
    ) -> Result<Option<Unit>, Option<String>> {
        match tag {
            Ok(AudioTag::SequenceHeader { codec, config }) => {
                self.set_header(codec, config, timeline)?;
                Ok(None)
            }
            Ok(AudioTag::Frame { codec, payload }) => {
                if self.announced != Some(codec) {
                    self.announce_opus(codec, &payload, timeline)?;
                }
                let payload = Chain::from(payload);
                Ok(Some(Unit { composition_time_ms: 0, random_access: true, payload }))
            }
            Ok(AudioTag::Silence | AudioTag::ChannelOrder(_)) => Ok(None),
            Err(error) => Err(self.warn(&error)),
        }
    }

    /// Gives the track its number, and announces what came so far.
    pub(super) fn name(&mut self, id: TrackId, timeline: &mut Timeline) {
        self.id = Some(id);
        if let Some((timescale, parameters)) = self.unannounced.take() {
            timeline.set_track(Track { id, timescale, parameters });
        }
    }

    fn set_header(
        &mut self,
        codec: AudioCodec,
        config: Bytes,
        timeline: &mut Timeline,
    ) -> Result<(), Option<String>> {
        // Encoders repeat the header; only different bytes mean something.
        let header = (codec, config);
        if self.header.as_ref() == Some(&header) {
            return Ok(());
        }
        let (_, config) = self.header.insert(header);
        self.announced = None;
        // How long Opus packets are is said by the packets.
        if codec == AudioCodec::Opus {
            return Ok(());
        }
        let parameters = aac::parse_audio_specific_config(config);
        let parameters = Arc::new(parameters.map_err(|error| self.warn(&error))?);
        self.announce(AudioCodec::Aac, CodecParameters::Aac(parameters), timeline)
    }

    /// Announces an Opus track with its first packet; the error is for a frame that has no header.
    fn announce_opus(
        &mut self,
        codec: AudioCodec,
        packet: &Bytes,
        timeline: &mut Timeline,
    ) -> Result<(), Option<String>> {
        let header = self.header.as_ref().filter(|(of, _)| *of == codec);
        let Some((AudioCodec::Opus, header)) = header else { return Err(None) };
        let parameters = opus::parse_parameters(header, packet);
        let parameters = Arc::new(parameters.map_err(|error| self.warn(&error))?);
        self.announce(AudioCodec::Opus, CodecParameters::Opus(parameters), timeline)
    }

    fn announce(
        &mut self,
        codec: AudioCodec,
        parameters: CodecParameters,
        timeline: &mut Timeline,
    ) -> Result<(), Option<String>> {
        let rate = parameters.sound().map_or(0, |sound| sound.sampling_rate);
        let Some(timescale) = Timescale::new(rate) else {
            return Err(self.warn(&"sampling rate of zero"));
        };
        self.announced = Some(codec);
        self.warned = false;
        match self.id {
            Some(id) => timeline.set_track(Track { id, timescale, parameters }),
            None => self.unannounced = Some((timescale, parameters)),
        }
        Ok(())
    }

    fn warn(&mut self, error: &dyn std::fmt::Display) -> Option<String> {
        let first = !std::mem::replace(&mut self.warned, true);
        first.then(|| format!("audio is dropped: {error}"))
    }
}
