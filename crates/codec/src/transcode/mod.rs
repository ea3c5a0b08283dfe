//! The child's work: one segment in, its renditions out. Blocking, libav* inside.
//!
//! A segment is read whole, decoded once, and each decoded frame goes to every rendition's encoder.

mod encoder;
mod output;
pub(crate) mod picture;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use ffmpeg_next::{Error, codec, decoder, format::Pixel, frame};

use self::encoder::{RenditionEncoder, SourceClock};
use crate::{
    EncodeProfile, EncodedRendition, EncoderSettings, Gop, OutputContainer, TranscodeJob,
    decode::{self, Source, SourceTrack},
    error::{FaultCause, TranscodeFault},
    library::{fault, ffmpeg_fault},
};

/// A job as the child sees it.
pub(crate) struct Request<'a> {
    pub(crate) input: Bytes,
    pub(crate) profiles: &'a [EncodeProfile],
    pub(crate) output: OutputContainer,
    pub(crate) settings: EncoderSettings,
    /// Set when nobody waits for the result any more.
    pub(crate) abandoned: &'a AtomicBool,
}

/// Transcodes one segment.
pub(crate) fn transcode(request: Request<'_>) -> Result<Vec<EncodedRendition>, TranscodeFault> {
    check_profiles(request.profiles)?;
    let source = Source::read(&request.input, Some(request.output))?;
    let encoders = Transcoder::new(&request, &source.video)?.run(&source.video)?;
    let (end, time_base) = (source.video.end(), source.video.time_base);
    let finish = |encoder: RenditionEncoder| {
        let track = encoder.finish(end)?;
        let (width, height) = (track.size.width, track.size.height);
        let frames = u64::try_from(track.packets.len()).unwrap_or(u64::MAX);
        let data = output::write(request.output, track, time_base, source.audio.as_ref())?;
        let pixels = u64::from(width).saturating_mul(height.into()).saturating_mul(frames);
        Ok(EncodedRendition { data: data.into(), width, height, frames, pixels })
    };
    encoders.into_iter().map(finish).collect()
}

fn check_profiles(profiles: &[EncodeProfile]) -> Result<(), TranscodeFault> {
    if profiles.is_empty() {
        return Err(fault(FaultCause::InvalidArgument, "no rendition asked for"));
    }
    if profiles.len() > TranscodeJob::MAX_RENDITIONS {
        let detail = format!("{} of at most {}", profiles.len(), TranscodeJob::MAX_RENDITIONS);
        return Err(fault(FaultCause::TooManyOutputs, detail));
    }
    for profile in profiles {
        let EncodeProfile { name, width, height, bitrate, .. } = profile;
        if !(16..=8192).contains(width) || !(16..=8192).contains(height) {
            let detail = format!("{name}: {width}x{height}");
            return Err(fault(FaultCause::InvalidResolution, detail));
        }
        if !(10_000..=200_000_000).contains(bitrate) {
            return Err(fault(FaultCause::InvalidArgument, format!("{name}: {bitrate} bit/s")));
        }
        if matches!(profile.gop, Gop::Every(interval) if interval.is_zero()) {
            return Err(fault(FaultCause::InvalidGop, name.as_str()));
        }
    }
    Ok(())
}

struct Transcoder<'a> {
    request: &'a Request<'a>,
    decoder: decoder::Video,
    time_base: ffmpeg_next::Rational,
    millihertz: u64,
    encoders: Vec<RenditionEncoder>,
    last_pts: Option<i64>,
    /// Packets the decoder refused. A live source loses data now and then; the rest is still worth it.
    undecodable: usize,
}

impl<'a> Transcoder<'a> {
    fn new(request: &'a Request<'a>, video: &SourceTrack) -> Result<Self, TranscodeFault> {
        let decoder = decode::open_decoder(request.settings.threads, video);
        let decoder = decoder.map_err(|error| ffmpeg_fault("opening the decoder", error))?;
        Ok(Self {
            request,
            decoder,
            time_base: video.time_base,
            millihertz: video.millihertz(),
            encoders: Vec::new(),
            last_pts: None,
            undecodable: 0,
        })
    }

    fn run(mut self, video: &SourceTrack) -> Result<Vec<RenditionEncoder>, TranscodeFault> {
        for packet in &video.packets {
            if self.request.abandoned.load(Ordering::Relaxed) {
                return Err(fault(FaultCause::Other, "abandoned"));
            }
            self.decode(packet)?;
        }
        self.decoder.send_eof().map_err(|error| ffmpeg_fault("flushing the decoder", error))?;
        self.take_frames()?;
        let refused = self.undecodable;
        if self.encoders.is_empty() || refused.saturating_mul(2) > video.packets.len() {
            let detail = format!("{refused} of {} frames undecodable", video.packets.len());
            return Err(fault(FaultCause::InvalidData, detail));
        }
        Ok(self.encoders)
    }

    fn decode(&mut self, packet: &codec::packet::Packet) -> Result<(), TranscodeFault> {
        match self.decoder.send_packet(packet) {
            Ok(()) => {}
            Err(Error::InvalidData) => self.undecodable = self.undecodable.saturating_add(1),
            Err(error) => return Err(ffmpeg_fault("decoding", error)),
        }
        self.take_frames()
    }

    fn take_frames(&mut self) -> Result<(), TranscodeFault> {
        loop {
            let mut picture = frame::Video::empty();
            match self.decoder.receive_frame(&mut picture) {
                Ok(()) => self.encode(&mut picture)?,
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {
                    return Ok(());
                }
                Err(Error::InvalidData) => self.undecodable = self.undecodable.saturating_add(1),
                Err(error) => return Err(ffmpeg_fault("decoding", error)),
            }
        }
    }

    fn encode(&mut self, picture: &mut frame::Video) -> Result<(), TranscodeFault> {
        // A frame without a time of its own, or not later than the one before, can't be shown.
        let Some(pts) = picture.pts().or_else(|| picture.timestamp()) else { return Ok(()) };
        if self.last_pts.is_some_and(|last| pts <= last) {
            return Ok(());
        }
        self.last_pts = Some(pts);
        if self.encoders.is_empty() {
            self.open_encoders(picture, pts)?;
        }
        self.encoders.iter_mut().try_for_each(|encoder| encoder.encode(picture, pts))
    }

    fn open_encoders(&mut self, first: &frame::Video, pts: i64) -> Result<(), TranscodeFault> {
        if !is_supported(first.format()) {
            let detail = format!("{:?}", first.format());
            return Err(fault(FaultCause::UnsupportedPixelFormat, detail));
        }
        let Request { profiles, settings, output, .. } = *self.request;
        let (time_base, millihertz) = (self.time_base, self.millihertz);
        let clock = SourceClock { time_base, millihertz, start: pts };
        let open = |profile| RenditionEncoder::open(profile, settings, output, clock, first);
        self.encoders = profiles.iter().map(open).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// What the scaler brings to 4:2:0 with 8 bits without changing the picture's colours.
fn is_supported(format: Pixel) -> bool {
    use Pixel as P;
    matches!(
        format,
        P::YUV420P
            | P::YUVJ420P
            | P::YUV422P
            | P::YUVJ422P
            | P::YUV444P
            | P::YUVJ444P
            | P::YUV420P10LE
            | P::YUV422P10LE
            | P::YUV444P10LE
            | P::GRAY8
    )
}
