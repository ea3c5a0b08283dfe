//! Encodes the picture and the tone and sends them, each frame when its time has come.

use std::time::{Duration, Instant};

use ffmpeg_next::{
    ChannelLayout, Dictionary, Error, Packet, Rational, codec, encoder, format, frame,
    util::mathematics::rescale::Rescale,
};

use super::{Parent, TestPictureConfig, TestPictureError, generator::Generator};

const SAMPLING_RATE: u16 = 48_000;
const AUDIO_BITRATE: usize = 128_000;
/// What a server that reads no more may hold us up for, in microseconds.
const NETWORK_LIMIT: &str = "10000000";
const MICROSECONDS: Rational = Rational(1, 1_000_000);

pub(super) struct Publisher {
    output: format::context::Output,
    video: Source,
    audio: Source,
}

/// One track: where its frames come from and what encodes them.
struct Source {
    frames: Generator,
    encoder: encoder::Encoder,
    frame: frame::Video,
    /// Length of a frame, in ticks.
    frame_ticks: u32,
    /// Clock of the frames and of the packets.
    time_base: Rational,
    index: usize,
    /// Clock of the track in the output.
    output_time_base: Rational,
    /// End of what was encoded, in microseconds since the start.
    encoded_until: i64,
}

impl Publisher {
    /// Connects first: a refused key or an absent server is said before anything is encoded.
    pub(super) fn connect(config: &TestPictureConfig) -> Result<Self, TestPictureError> {
        let mut options = Dictionary::new();
        options.set("rw_timeout", NETWORK_LIMIT);
        let output = format::output_as_with(config.url.expose(), "flv", options);
        let mut output =
            output.map_err(TestPictureError::doing("connecting to the RTMP server"))?;
        let failed = TestPictureError::doing("preparing the picture");
        let mut video = open_video(config).map_err(&failed)?;
        let mut audio = open_audio().map_err(&failed)?;
        video.index = add_track(&mut output, &video).map_err(&failed)?;
        audio.index = add_track(&mut output, &audio).map_err(&failed)?;
        let mut options = Dictionary::new();
        options.set("flvflags", "no_duration_filesize");
        output.write_header_with(options).map_err(TestPictureError::doing("publishing"))?;
        let time_base = |index| output.stream(index).map_or(Rational(1, 1_000), |s| s.time_base());
        video.output_time_base = time_base(video.index);
        audio.output_time_base = time_base(audio.index);
        Ok(Self { output, video, audio })
    }

    /// Until the parent goes.
    #[expect(clippy::disallowed_methods, reason = "real frames leave by the real clock")]
    pub(super) fn run(mut self, parent: &Parent) -> Result<(), TestPictureError> {
        let start = Instant::now();
        loop {
            // The track that is behind comes first; both then stay within a frame of one another.
            let sound_is_due = self.audio.encoded_until < self.video.encoded_until;
            let due = self.audio.encoded_until.min(self.video.encoded_until);
            let due = Duration::from_micros(u64::try_from(due).unwrap_or(0));
            if !parent.stays_for(due.saturating_sub(start.elapsed())) {
                // The server sees a proper end; what it thinks of it can't change anything here.
                self.output.write_trailer().unwrap_or_default();
                return Ok(());
            }
            let sent = if sound_is_due {
                self.audio.send_next(&mut self.output)
            } else {
                self.video.send_next(&mut self.output)
            };
            sent.map_err(TestPictureError::doing("publishing"))?;
        }
    }
}

fn add_track(output: &mut format::context::Output, track: &Source) -> Result<usize, Error> {
    let mut stream = output.add_stream(None::<ffmpeg_next::Codec>)?;
    stream.set_parameters(&track.encoder);
    stream.set_time_base(track.time_base);
    Ok(stream.index())
}

fn open_video(config: &TestPictureConfig) -> Result<Source, Error> {
    let TestPictureConfig { width, height, frame_rate, video_bitrate, .. } = config;
    let (num, den) = (frame_rate.num(), frame_rate.den());
    let filters = format!("testsrc2=size={width}x{height}:rate={num}/{den},format=yuv420p");
    let mut frames = Generator::new(&filters, "buffersink")?;
    let time_base = frames.time_base();
    let x264 = encoder::find_by_name("libx264").ok_or(Error::EncoderNotFound)?;
    let mut encoder = codec::Context::new_with_codec(x264).encoder().video()?;
    encoder.set_width(*width);
    encoder.set_height(*height);
    encoder.set_format(format::Pixel::YUV420P);
    encoder.set_time_base(time_base);
    encoder.set_frame_rate(Some(time_base.invert()));
    let interval = config.key_frame_interval.as_micros() * u128::from(num);
    let key_frame_distance = (interval / (1_000_000 * u128::from(den))).max(1).to_string();
    let bitrate = video_bitrate.to_string();
    let mut options = Dictionary::new();
    options.set("preset", "ultrafast");
    options.set("tune", "zerolatency");
    options.set("threads", "1");
    options.set("b", &bitrate);
    options.set("maxrate", &bitrate);
    options.set("bufsize", &bitrate);
    options.set("g", &key_frame_distance);
    options.set("keyint_min", &key_frame_distance);
    options.set("sc_threshold", "0");
    options.set("flags", "+cgop+global_header");
    Ok(Source::new(frames, encoder.open_with(options)?.0.0, time_base, 1))
}

fn open_audio() -> Result<Source, Error> {
    let filters = format!(
        "sine=frequency=220:beep_factor=4:sample_rate={SAMPLING_RATE},volume=0.3,\
         aformat=sample_fmts=fltp:channel_layouts=stereo"
    );
    let mut frames = Generator::new(&filters, "abuffersink")?;
    let time_base = frames.time_base();
    let aac = encoder::find(codec::Id::AAC).ok_or(Error::EncoderNotFound)?;
    let mut encoder = codec::Context::new_with_codec(aac).encoder().audio()?;
    encoder.set_rate(i32::from(SAMPLING_RATE));
    encoder.set_format(format::Sample::F32(format::sample::Type::Planar));
    encoder.set_channel_layout(ChannelLayout::STEREO);
    encoder.set_time_base(time_base);
    encoder.set_bit_rate(AUDIO_BITRATE);
    let mut options = Dictionary::new();
    options.set("flags", "+global_header");
    let encoder = encoder.open_with(options)?;
    let frame_ticks = encoder.frame_size();
    frames.set_frame_size(frame_ticks);
    Ok(Source::new(frames, encoder.0.0, time_base, frame_ticks))
}

impl Source {
    fn new(
        frames: Generator,
        encoder: encoder::Encoder,
        time_base: Rational,
        frame_ticks: u32,
    ) -> Self {
        let frame = frame::Video::empty();
        let (index, output_time_base, encoded_until) = (0, time_base, 0);
        Self {
            frames,
            encoder,
            frame,
            frame_ticks,
            time_base,
            index,
            output_time_base,
            encoded_until,
        }
    }

    fn send_next(&mut self, output: &mut format::context::Output) -> Result<(), Error> {
        self.frames.next(&mut self.frame)?;
        // The source calls every picture intra; the encoder would take it at its word.
        self.frame.set_kind(ffmpeg_next::picture::Type::None);
        self.encoder.send_frame(&self.frame)?;
        let end = self.frame.pts().unwrap_or(0).saturating_add(i64::from(self.frame_ticks));
        self.encoded_until = end.rescale(self.time_base, MICROSECONDS);
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
                Err(error) => return Err(error),
            }
            packet.set_stream(self.index);
            packet.rescale_ts(self.time_base, self.output_time_base);
            packet.write_interleaved(output)?;
        }
    }
}
