//! One rendition's file: the encoded video, the source's audio, on the source's timestamps.

use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ffmpeg_next::{Dictionary, Error, Packet, Rational, codec, format};

use super::encoder::EncodedTrack;
use crate::{
    OutputContainer, TranscodeJob, decode::SourceTrack, error::TranscodeFault, ffi,
    library::ffmpeg_fault,
};

/// Writes the file of one rendition. `time_base` is that of the video's timestamps.
pub(super) fn write(
    container: OutputContainer,
    video: EncodedTrack,
    time_base: Rational,
    audio: Option<&SourceTrack>,
) -> Result<Vec<u8>, TranscodeFault> {
    let sink = Sink::default();
    mux(container, sink.clone(), video, time_base, audio)
        .map_err(|error| ffmpeg_fault("writing output", error))?;
    let mut file = sink.lock();
    Ok(std::mem::take(file.get_mut()))
}

fn mux(
    container: OutputContainer,
    sink: Sink,
    video: EncodedTrack,
    time_base: Rational,
    audio: Option<&SourceTrack>,
) -> Result<(), Error> {
    let io = format::context::StreamIo::from_write_seek(sink)?;
    let name = match container {
        OutputContainer::MpegTs => "mpegts",
        OutputContainer::Mp4 => "mp4",
    };
    let mut file = format::output_to_stream(io, None, Some(name))?;
    let video_index = add_stream(&mut file, &video.parameters, time_base)?;
    let audio = match audio {
        Some(track) => {
            let index = add_stream(&mut file, &track.parameters, track.time_base)?;
            Some((index, track))
        }
        None => None,
    };
    file.write_header_with(options(container))?;
    let video_clock = Clocks::new(&file, video_index, time_base)?;
    let audio_clock = audio.map(|(index, track)| Clocks::new(&file, index, track.time_base));
    let audio_clock = audio_clock.transpose()?;
    let mut audio = audio.map(|(_, track)| track.packets.iter()).unwrap_or_default().peekable();
    for packet in video.packets {
        let before = |other: &&Packet| {
            audio_clock.as_ref().is_some_and(|clock| clock.is_before(other, &video_clock, &packet))
        };
        while let (Some(sound), Some(clock)) = (audio.next_if(before), &audio_clock) {
            clock.write(sound.clone(), &mut file)?;
        }
        video_clock.write(packet, &mut file)?;
    }
    if let Some(clock) = &audio_clock {
        audio.try_for_each(|sound| clock.write(sound.clone(), &mut file))?;
    }
    file.write_trailer()
}

fn add_stream(
    file: &mut format::context::Output,
    parameters: &codec::Parameters,
    time_base: Rational,
) -> Result<usize, Error> {
    let mut stream = file.add_stream(None::<ffmpeg_next::Codec>)?;
    stream.set_parameters(parameters.clone());
    stream.set_time_base(time_base);
    ffi::clear_codec_tag(&mut stream);
    Ok(stream.index())
}

/// Timestamps go into the file as they are: no initial offset, no shift to zero.
fn options(container: OutputContainer) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("avoid_negative_ts", "disabled");
    match container {
        OutputContainer::MpegTs => {
            options.set("mpegts_copyts", "1");
            options.set("max_delay", "0");
        }
        OutputContainer::Mp4 => {
            // The first `tfdt` is the true time only when it counts as a discontinuity from zero; the
            // header waits for the first packet, which carries the parameters of what was ADTS audio.
            let flags = "empty_moov+delay_moov+default_base_moof+frag_discont+skip_trailer";
            options.set("movflags", flags);
            options.set("use_editlist", "0");
        }
    }
    options
}

/// A stream of the output and the two clocks of its packets.
struct Clocks {
    index: usize,
    from: Rational,
    to: Rational,
}

impl Clocks {
    /// Muxers choose the stream's clock when they write the header.
    fn new(file: &format::context::Output, index: usize, from: Rational) -> Result<Self, Error> {
        let stream = file.stream(index).ok_or(Error::StreamNotFound)?;
        Ok(Self { index, from, to: stream.time_base() })
    }

    fn is_before(&self, packet: &Packet, other: &Self, other_packet: &Packet) -> bool {
        let time = |packet: &Packet, base: Rational, by: Rational| {
            let ticks = packet.dts().or_else(|| packet.pts()).unwrap_or(0);
            i128::from(ticks) * i128::from(base.numerator()) * i128::from(by.denominator())
        };
        time(packet, self.from, other.from) <= time(other_packet, other.from, self.from)
    }

    fn write(&self, mut packet: Packet, file: &mut format::context::Output) -> Result<(), Error> {
        packet.set_stream(self.index);
        packet.set_position(-1);
        packet.rescale_ts(self.from, self.to);
        packet.write_interleaved(file)
    }
}

/// The growing file. Shared, because the muxer keeps its half until it is dropped.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Cursor<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.lock();
        let end = usize::try_from(file.position()).ok().and_then(|at| at.checked_add(bytes.len()));
        if end.is_none_or(|end| end > TranscodeJob::MAX_OUTPUT) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sink {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.lock().seek(to)
    }
}
