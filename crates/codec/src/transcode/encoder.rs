//! One rendition of a segment: which frames it keeps, their scaling and their encoding.

use ffmpeg_next::{
    Dictionary, Error, Packet, Rational, codec, color, encoder, format::Pixel, frame,
    software::scaling,
};
use media::H264Profile;

use super::picture::{self, FrameGrid, Size};
use crate::{
    EncodeProfile, EncoderSettings, Gop, OutputContainer,
    error::{FaultCause, TranscodeFault},
    library::{fault, ffmpeg_fault},
};

/// Longer than any segment at any rate: no key frame but the first.
const NO_FURTHER_KEY_FRAME: u64 = 100_000;

/// What is known of the source when its first frame is decoded.
#[derive(Clone, Copy)]
pub(super) struct SourceClock {
    pub(super) time_base: Rational,
    pub(super) millihertz: u64,
    /// Timestamp of the first frame.
    pub(super) start: i64,
}

/// Encodes one rendition. B-frames are off: decoding and presentation times are then equal, so that a
/// rendition starts exactly at the source's first timestamp, without edit lists or negative offsets.
/// They would save about a tenth of the bits at these presets.
///
/// The encoder's clock counts frames; the true timestamps lie beside it and are put back when muxing.
/// The SPS then names a plain frame rate, and no rounding touches a timestamp.
pub(super) struct RenditionEncoder {
    encoder: encoder::Video,
    scaler: Option<scaling::Context>,
    grid: Option<FrameGrid>,
    size: Size,
    kept: Vec<i64>,
    packets: Vec<Packet>,
}

impl RenditionEncoder {
    pub(super) fn open(
        profile: &EncodeProfile,
        settings: EncoderSettings,
        output: OutputContainer,
        clock: SourceClock,
        first: &frame::Video,
    ) -> Result<Self, TranscodeFault> {
        let source = Size { width: first.width(), height: first.height() };
        let inside = Size { width: profile.width, height: profile.height };
        let size = picture::fit(source, first.aspect_ratio(), inside);
        let target = profile.frame_rate.map_or(u64::MAX, media::FrameRate::millihertz);
        let rate = picture::nominal_rate(clock.millihertz.min(target));
        let encoder = open_x264(size, rate, first, x264_options(profile, settings, output, rate))?;
        let grid = profile.frame_rate.and_then(|frame_rate| {
            FrameGrid::new(frame_rate, clock.millihertz, clock.time_base, clock.start)
        });
        Ok(Self { encoder, scaler: None, grid, size, kept: Vec::new(), packets: Vec::new() })
    }

    /// Takes the next frame in presentation order.
    pub(super) fn encode(
        &mut self,
        picture: &mut frame::Video,
        pts: i64,
    ) -> Result<(), TranscodeFault> {
        if self.grid.as_mut().is_some_and(|grid| !grid.keeps(pts)) {
            return Ok(());
        }
        let index = i64::try_from(self.kept.len()).unwrap_or(i64::MAX);
        self.kept.push(pts);
        let fits = picture.format() == Pixel::YUV420P
            && (picture.width(), picture.height()) == (self.size.width, self.size.height);
        let sent = if fits {
            self.send(picture, index)
        } else {
            let mut scaled = frame::Video::empty();
            self.scale(picture, &mut scaled)?;
            self.send(&mut scaled, index)
        };
        sent.map_err(|error| ffmpeg_fault("encoding", error))
    }

    fn send(&mut self, picture: &mut frame::Video, index: i64) -> Result<(), Error> {
        picture.set_pts(Some(index));
        // What type the source's encoder gave the picture is nothing to go by.
        picture.set_kind(ffmpeg_next::picture::Type::None);
        self.encoder.send_frame(picture)?;
        self.collect()
    }

    fn scale(
        &mut self,
        picture: &frame::Video,
        scaled: &mut frame::Video,
    ) -> Result<(), TranscodeFault> {
        let (format, width, height) = (picture.format(), picture.width(), picture.height());
        let wanted = scaling::context::Definition { format, width, height };
        let scaler = match self.scaler.take().filter(|scaler| *scaler.input() == wanted) {
            Some(scaler) => scaler,
            None => {
                let Size { width: to_width, height: to_height } = self.size;
                let flags = scaling::Flags::BICUBIC;
                let out = Pixel::YUV420P;
                scaling::Context::get(format, width, height, out, to_width, to_height, flags)
                    .map_err(|error| ffmpeg_fault("scaling", error))?
            }
        };
        self.scaler.insert(scaler).run(picture, scaled).map_err(|e| ffmpeg_fault("scaling", e))
    }

    fn collect(&mut self) -> Result<(), Error> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => self.packets.push(packet),
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Flushes the encoder. Every kept frame must have come out.
    pub(super) fn finish(mut self, end: i64) -> Result<EncodedTrack, TranscodeFault> {
        let flushed = self.encoder.send_eof().and_then(|()| self.collect());
        flushed.map_err(|error| ffmpeg_fault("flushing the encoder", error))?;
        if self.packets.len() != self.kept.len() {
            let detail = format!("{} frames in, {} out", self.kept.len(), self.packets.len());
            return Err(fault(FaultCause::Other, detail));
        }
        let ends = self.kept.iter().copied().skip(1).chain(std::iter::once(end));
        for ((packet, pts), end) in self.packets.iter_mut().zip(&self.kept).zip(ends) {
            packet.set_pts(Some(*pts));
            packet.set_dts(Some(*pts));
            packet.set_duration(end.saturating_sub(*pts).max(1));
        }
        let parameters = codec::Parameters::from(&self.encoder);
        Ok(EncodedTrack { parameters, packets: self.packets, size: self.size })
    }
}

/// An encoded rendition, not yet in a container; timestamps in the source's time base.
pub(super) struct EncodedTrack {
    pub(super) parameters: codec::Parameters,
    pub(super) packets: Vec<Packet>,
    pub(super) size: Size,
}

fn open_x264(
    size: Size,
    rate: u32,
    first: &frame::Video,
    options: Dictionary<'_>,
) -> Result<encoder::Video, TranscodeFault> {
    let x264 = encoder::find_by_name("libx264")
        .ok_or_else(|| fault(FaultCause::EncoderNotFound, "libx264"))?;
    let context = codec::Context::new_with_codec(x264).encoder().video();
    let mut context = context.map_err(|error| ffmpeg_fault("preparing the encoder", error))?;
    let rate = i32::try_from(rate).unwrap_or(i32::MAX);
    context.set_width(size.width);
    context.set_height(size.height);
    context.set_format(Pixel::YUV420P);
    context.set_time_base(Rational(1, rate));
    context.set_frame_rate(Some(Rational(rate, 1)));
    context.set_aspect_ratio(Rational(1, 1));
    context.set_colorspace(first.color_space());
    context.set_color_primaries(first.color_primaries());
    context.set_color_transfer_characteristic(first.color_transfer_characteristic());
    // Full-range input is scaled to the range every player expects.
    context.set_color_range(match first.color_range() {
        color::Range::JPEG => color::Range::MPEG,
        range @ (color::Range::MPEG | color::Range::Unspecified) => range,
    });
    context.open_with(options).map_err(|error| ffmpeg_fault("opening the encoder", error))
}

fn x264_options(
    profile: &EncodeProfile,
    settings: EncoderSettings,
    output: OutputContainer,
    rate: u32,
) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("preset", settings.preset.as_str());
    options.set("threads", &settings.threads.to_string());
    let bitrate = profile.bitrate.to_string();
    options.set("b", &bitrate);
    options.set("maxrate", &bitrate);
    options.set("bufsize", &bitrate);
    let key_frame_distance = key_frame_distance(profile.gop, rate).to_string();
    options.set("g", &key_frame_distance);
    options.set("keyint_min", &key_frame_distance);
    options.set("sc_threshold", "0");
    options.set("bf", "0");
    // Captions ride on single frames, which a lower frame rate tears apart.
    options.set("a53cc", "0");
    options.set(
        "flags",
        match output {
            OutputContainer::MpegTs => "+cgop",
            OutputContainer::Mp4 => "+cgop+global_header",
        },
    );
    match profile.h264_profile {
        H264Profile::EncoderDefault => {}
        H264Profile::Baseline => options.set("profile", "baseline"),
        H264Profile::Main => options.set("profile", "main"),
        // High without B-frames and interlacing is Constrained High.
        H264Profile::High | H264Profile::ConstrainedHigh => options.set("profile", "high"),
    }
    options
}

/// Distance in frames.
fn key_frame_distance(gop: Gop, rate: u32) -> u64 {
    match gop {
        Gop::Segment => NO_FURTHER_KEY_FRAME,
        Gop::IntraOnly => 1,
        Gop::Every(interval) => {
            let frames = (interval.as_micros() * u128::from(rate) + 500_000) / 1_000_000;
            u64::try_from(frames).unwrap_or(NO_FURTHER_KEY_FRAME).clamp(1, NO_FURTHER_KEY_FRAME)
        }
    }
}
