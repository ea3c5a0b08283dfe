//! The input, demultiplexed: every packet of one segment, on the file's own timestamps.

use std::io::Cursor;

use bytes::Bytes;
use ffmpeg_next::{
    Dictionary, Error, Packet, Rational, codec,
    format::{self, stream::Stream},
    media,
    util::mathematics::rescale::Rescale,
};

use super::composition;
use crate::{
    OutputContainer,
    error::{FaultCause, TranscodeFault},
    ffi::BitstreamFilter,
    library::{fault, ffmpeg_fault},
};

/// MPEG-TS timestamps have 33 bits.
const TS_WRAP: i64 = 1 << 33;

/// Codecs of the pictures that are decoded.
const VIDEO_CODECS: [codec::Id; 3] = [codec::Id::H264, codec::Id::HEVC, codec::Id::AV1];

/// One segment's tracks. Packets are in decoding order.
pub(crate) struct Source {
    pub(crate) video: SourceTrack,
    pub(crate) audio: Option<SourceTrack>,
}

pub(crate) struct SourceTrack {
    index: usize,
    pub(crate) parameters: codec::Parameters,
    pub(crate) time_base: Rational,
    pub(crate) packets: Vec<Packet>,
}

impl Source {
    /// Reads a segment, with its audio in the form that `audio_for` stores, or without.
    pub(crate) fn read(
        input: &Bytes,
        audio_for: Option<OutputContainer>,
    ) -> Result<Self, TranscodeFault> {
        let mut file =
            open(input, if audio_for.is_some() { Probing::Full } else { Probing::Least })?;
        let is_ts = file.format().name() == "mpegts";
        let video = file.streams().find(|s| s.parameters().medium() == media::Type::Video);
        let video = video.ok_or_else(|| fault(FaultCause::InvalidVideo, "input has no video"))?;
        let track_id = u32::try_from(video.id()).unwrap_or(0);
        let mut video = SourceTrack::new(&video, &VIDEO_CODECS)?;
        let is_wanted_audio =
            |s: &Stream<'_>| audio_for.is_some() && s.parameters().medium() == media::Type::Audio;
        let audio = file.streams().find(is_wanted_audio);
        let audio = audio.map(|stream| SourceTrack::new(&stream, &[codec::Id::AAC]));
        let mut audio = audio.transpose()?;
        read_packets(&mut file, &mut video, audio.as_mut())?;
        if video.packets.is_empty() {
            return Err(fault(FaultCause::InvalidVideo, "input has no video frame"));
        }
        if is_ts {
            undo_wrap(&mut video, audio.as_mut());
            if let (Some(audio), Some(OutputContainer::Mp4)) = (audio.as_mut(), audio_for) {
                audio.strip_adts().map_err(|error| ffmpeg_fault("reading audio", error))?;
            }
        } else {
            video.correct_composition(&composition::composition_offsets(input, track_id));
        }
        video.start_at_key_frame()?;
        Ok(Self { video, audio: audio.filter(|track| !track.packets.is_empty()) })
    }
}

/// How much libavformat finds out of a file before it gives the first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probing {
    /// What a copy of the tracks needs.
    Full,
    /// What decoding needs: packets and headers tell the decoder everything. Decodes fewer pictures twice.
    Least,
}

/// Only the two containers a job may have: other demuxers open further files by name, or are fragile.
fn open(input: &Bytes, probing: Probing) -> Result<format::context::Input, TranscodeFault> {
    let mut options = Dictionary::new();
    if probing == Probing::Least {
        options.set("analyzeduration", "1");
        options.set("fpsprobesize", "0");
    }
    options.set("format_whitelist", "mpegts,mov");
    options.set("codec_whitelist", "h264,hevc,libdav1d,aac");
    options.set("protocol_whitelist", "none");
    let reader = format::context::StreamIo::from_read_seek(Cursor::new(input.clone()));
    let opened = reader.and_then(|io| format::input_from_stream(io, None, Some(options)));
    opened.map_err(|error| fault(FaultCause::InvalidData, format!("opening input: {error}")))
}

fn read_packets(
    file: &mut format::context::Input,
    video: &mut SourceTrack,
    mut audio: Option<&mut SourceTrack>,
) -> Result<(), TranscodeFault> {
    loop {
        let mut packet = Packet::empty();
        match packet.read(file) {
            Ok(()) => {}
            Err(Error::Eof) => return Ok(()),
            Err(error) => {
                return Err(fault(FaultCause::InvalidData, format!("reading input: {error}")));
            }
        }
        let is_video = packet.stream() == video.index;
        // An MP4's sample that reaches past the end of the file; a torn TS only misses its last picture.
        let is_cut_short = packet.is_corrupt() && file.format().name() != "mpegts";
        if is_cut_short {
            return Err(fault(FaultCause::InvalidData, "input ends inside a sample"));
        }
        if is_video {
            video.packets.push(packet);
        } else if let Some(track) = audio.as_deref_mut().filter(|t| t.index == packet.stream()) {
            track.packets.push(packet);
        }
    }
}

/// libavformat reports times shortly before a 33-bit wrap as negative; the file's are positive.
fn undo_wrap(video: &mut SourceTrack, audio: Option<&mut SourceTrack>) {
    let first = video.packets.first().and_then(|packet| packet.dts().or_else(|| packet.pts()));
    if first.is_some_and(|dts| dts < 0) {
        for packet in video.packets.iter_mut().chain(audio.into_iter().flat_map(|a| &mut a.packets))
        {
            packet.set_pts(packet.pts().map(|pts| pts.saturating_add(TS_WRAP)));
            packet.set_dts(packet.dts().map(|dts| dts.saturating_add(TS_WRAP)));
        }
    }
}

impl SourceTrack {
    fn new(stream: &Stream<'_>, codecs: &[codec::Id]) -> Result<Self, TranscodeFault> {
        let parameters = stream.parameters();
        if !codecs.contains(&parameters.id()) {
            let detail = format!("{:?} where one of {codecs:?} is needed", parameters.id());
            return Err(fault(FaultCause::UnsupportedCodec, detail));
        }
        let (index, time_base) = (stream.index(), stream.time_base());
        Ok(Self { index, parameters, time_base, packets: Vec::new() })
    }

    fn correct_composition(&mut self, offsets: &[i32]) {
        if offsets.len() == self.packets.len() {
            for (packet, offset) in self.packets.iter_mut().zip(offsets) {
                packet.set_pts(packet.dts().map(|dts| dts.saturating_add(i64::from(*offset))));
            }
        }
    }

    /// Moves what the ADTS headers say into the codec parameters, as MP4 wants it.
    fn strip_adts(&mut self) -> Result<(), Error> {
        let mut filter = BitstreamFilter::new(c"aac_adtstoasc", &self.parameters, self.time_base)?;
        let packets = std::mem::take(&mut self.packets);
        self.packets =
            packets.into_iter().map(|packet| filter.rewrite(packet)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Frames ahead of the first key frame can't be decoded.
    fn start_at_key_frame(&mut self) -> Result<(), TranscodeFault> {
        match self.packets.iter().position(Packet::is_key) {
            Some(first) => drop(self.packets.drain(..first)),
            None => return Err(fault(FaultCause::NoKeyframes, "")),
        }
        Ok(())
    }

    fn presentation_times(&self) -> impl Iterator<Item = i64> + '_ {
        self.packets.iter().filter_map(Packet::pts)
    }

    /// Frames per thousand seconds, from the timestamps of all frames.
    pub(crate) fn millihertz(&self) -> u64 {
        const ASSUMED: u64 = 30_000;
        let intervals = i64::try_from(self.packets.len().saturating_sub(1)).unwrap_or(i64::MAX);
        let (first, last) = (self.presentation_times().min(), self.presentation_times().max());
        let (Some(first), Some(last)) = (first, last) else { return ASSUMED };
        let ticks = last.saturating_sub(first);
        if intervals == 0 || ticks <= 0 {
            return ASSUMED;
        }
        let span = ticks.rescale(self.time_base, Rational(1, 1_000_000)).max(1);
        let rate = i128::from(intervals) * 1_000_000_000 / i128::from(span);
        u64::try_from(rate).unwrap_or(ASSUMED).max(1)
    }

    /// End of the last frame shown, in ticks of the time base.
    pub(crate) fn end(&self) -> i64 {
        let last = self.packets.iter().max_by_key(|packet| packet.pts());
        let Some((last, pts)) = last.and_then(|packet| Some((packet, packet.pts()?))) else {
            return 0;
        };
        let interval = match last.duration() {
            duration if duration > 0 => duration,
            _ => {
                let millihertz = i32::try_from(self.millihertz()).unwrap_or(i32::MAX);
                1_i64.rescale(Rational(1_000, millihertz), self.time_base)
            }
        };
        pts.saturating_add(interval.max(1))
    }
}
