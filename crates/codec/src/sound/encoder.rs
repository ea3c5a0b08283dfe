//! One publisher's decoder and encoder.

use ffmpeg_next::{
    ChannelLayout, Error, Packet, Rational, codec, decoder, encoder,
    format::{Sample, sample},
    frame,
};

use super::{
    SOUND_FRAME_SAMPLES, SOUND_RATE, SoundUnit,
    timeline::{Pair, SoundTimeline},
};
use crate::{
    error::{FaultCause, TranscodeFault},
    library::{fault, ffmpeg_fault},
};

/// Bits of a second of AAC.
const BITRATE: usize = 128_000;

/// Makes AAC of Opus. Time goes through it unchanged: what an encoder needs in advance is counted off.
pub(crate) struct SoundEncoder {
    decoder: decoder::Audio,
    encoder: encoder::audio::Encoder,
    timeline: SoundTimeline,
    /// The first frame out holds what the encoder put before the first sample.
    primed: bool,
}

impl SoundEncoder {
    pub(crate) fn open() -> Result<Self, TranscodeFault> {
        let opus = decoder::find(codec::Id::OPUS)
            .ok_or_else(|| fault(FaultCause::DecoderNotFound, "opus"))?;
        // Without a header it decodes to two channels, whatever packets hold.
        let decoder = codec::Context::new_with_codec(opus).decoder().audio();
        let decoder = decoder.map_err(|error| ffmpeg_fault("opening the Opus decoder", error))?;
        let aac = encoder::find(codec::Id::AAC)
            .ok_or_else(|| fault(FaultCause::EncoderNotFound, "aac"))?;
        let context = codec::Context::new_with_codec(aac).encoder().audio();
        let mut context = context.map_err(|error| ffmpeg_fault("preparing AAC", error))?;
        context.set_rate(i32::try_from(SOUND_RATE).unwrap_or(i32::MAX));
        context.set_channel_layout(ChannelLayout::STEREO);
        context.set_format(Sample::F32(sample::Type::Planar));
        context.set_bit_rate(BITRATE);
        context.set_time_base(Rational(1, i32::try_from(SOUND_RATE).unwrap_or(i32::MAX)));
        let encoder = context.open().map_err(|error| ffmpeg_fault("opening AAC", error))?;
        Ok(Self { decoder, encoder, timeline: SoundTimeline::default(), primed: false })
    }

    /// Takes a packet, and gives the frames that are complete. A packet that can't be decoded is a hole.
    pub(crate) fn encode(&mut self, unit: &SoundUnit) -> Result<Vec<SoundUnit>, TranscodeFault> {
        if self.decoder.send_packet(&Packet::copy(&unit.payload)).is_ok() {
            let mut decoded = frame::Audio::empty();
            let mut pts = unit.pts;
            while self.decoder.receive_frame(&mut decoded).is_ok() {
                let samples = pairs(&decoded);
                self.timeline.push(pts, &samples);
                pts = pts.saturating_add(i64::try_from(samples.len()).unwrap_or(0));
            }
        }
        let mut frames = Vec::new();
        while let Some((pts, samples)) = self.timeline.pop() {
            let frame = whole_frame(pts, &samples);
            self.encoder.send_frame(&frame).map_err(|error| ffmpeg_fault("AAC", error))?;
            self.collect(&mut frames)?;
        }
        Ok(frames)
    }

    fn collect(&mut self, frames: &mut Vec<SoundUnit>) -> Result<(), TranscodeFault> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {
                    if !std::mem::replace(&mut self.primed, true) {
                        continue;
                    }
                    if let (Some(pts), Some(data)) = (packet.pts(), packet.data()) {
                        frames.push(SoundUnit { pts, payload: data.to_vec().into() });
                    }
                }
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {
                    return Ok(());
                }
                Err(error) => return Err(ffmpeg_fault("AAC", error)),
            }
        }
    }
}

/// What was decoded, in the one format that FFmpeg's own decoder has.
fn pairs(decoded: &frame::Audio) -> Vec<Pair> {
    if decoded.format() != Sample::F32(sample::Type::Planar) || decoded.planes() == 0 {
        return Vec::new();
    }
    let left = decoded.plane::<f32>(0);
    let right = if decoded.planes() > 1 { decoded.plane::<f32>(1) } else { left };
    left.iter().zip(right).map(|(left, right)| [*left, *right]).collect()
}

fn whole_frame(pts: i64, samples: &[Pair]) -> frame::Audio {
    let length = usize::try_from(SOUND_FRAME_SAMPLES).unwrap_or(0);
    let format = Sample::F32(sample::Type::Planar);
    let mut frame = frame::Audio::new(format, length, ChannelLayout::STEREO);
    frame.set_rate(SOUND_RATE);
    frame.set_pts(Some(pts));
    for (channel, plane) in [0, 1].into_iter().enumerate() {
        let values = samples.iter().filter_map(|pair| pair.get(channel));
        frame.plane_mut::<f32>(plane).iter_mut().zip(values).for_each(|(to, from)| *to = *from);
    }
    frame
}
