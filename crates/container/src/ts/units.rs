//! Samples turned into PES-sized units with their times on the transport stream's clock.

use bytes::Bytes;
use media::{CodecParameters, Sample, Timescale, TrackSegment};

use super::{TsError, clock, coding::Coding, packet::UnitWriter};
use crate::aac::{self, ADTS_HEADER_LEN};

/// What the writer adds to every time, in 90 kHz ticks: 10 s, so that composition offsets, audio
/// that starts before the video, and the PCR's lead stay above zero at a stream's start.
pub const TIMESTAMP_MARGIN: i64 = 900_000;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// The longest stretch of audio in one PES packet, in 90 kHz ticks; also the PCR interval of a
/// program without video.
const AUDIO_PES_DURATION: i64 = 9_000;
/// Audio bytes in one PES packet, so that its 16-bit length holds.
const AUDIO_PES_LEN: usize = 60_000;

/// One picture to be written. Times are in unwrapped 90 kHz ticks, the margin included.
#[derive(Debug)]
pub(super) struct VideoUnit<'a> {
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) random_access: bool,
    pub(super) coding: Coding,
    /// Parameter sets to put in front.
    sets: Option<ParameterSets<'a>>,
    sample: &'a Sample,
    /// Bytes of the Annex B access unit.
    pub(super) len: usize,
}

/// The parameter sets of a track, kind by kind.
type ParameterSets<'a> = [&'a [Bytes]; 3];

/// Consecutive AAC frames to be written as one PES packet.
#[derive(Debug)]
pub(super) struct AudioUnit<'a> {
    /// Time of the first frame, in unwrapped 90 kHz ticks, the margin included.
    pub(super) pts: i64,
    frames: &'a [Sample],
    headers: Vec<[u8; ADTS_HEADER_LEN]>,
    /// Bytes of the ADTS frames.
    pub(super) len: usize,
}

/// A track's units and the time at which they end.
#[derive(Debug)]
pub(super) struct Units<U> {
    pub(super) list: Vec<U>,
    /// Where the next unit is due, before any decoding delay.
    pub(super) end: i64,
}

impl<U> Units<U> {
    pub(super) const fn none() -> Self {
        Self { list: Vec::new(), end: i64::MIN }
    }
}

/// Keeps decoding times at or before presentation times, and rising.
///
/// The source's video decoding times are shifted so that its first picture decodes when it shows,
/// which leaves some pictures with a presentation time before their decoding time. A transport
/// stream has no such thing (a receiver's model decodes at DTS and shows at PTS), so all decoding
/// times move back by the largest such difference. It is found in the first segment with
/// B-pictures; where a later one needs more, the few decoding times that would then repeat are
/// packed one tick apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DecodingClock {
    delay: i64,
    last: Option<i64>,
}

impl DecodingClock {
    /// Allows for every composition offset of a segment.
    fn admit(&mut self, samples: &[Sample], timescale: Timescale) {
        let lowest = samples.iter().map(|sample| sample.composition_offset).min().unwrap_or(0);
        let needed = clock::to_90k(-i64::from(lowest), timescale);
        self.delay = self.delay.max(needed);
    }

    /// How far decoding times are moved back, in 90 kHz ticks.
    pub(super) const fn delay(&self) -> i64 {
        self.delay
    }

    fn decoding_time(&mut self, dts: i64, pts: i64) -> i64 {
        let mut dts = dts.saturating_sub(self.delay);
        if let Some(last) = self.last {
            dts = dts.max(last.saturating_add(1));
        }
        let dts = dts.min(pts);
        self.last = Some(dts);
        dts
    }
}

/// Start of a track's samples on the transport stream's clock, before any decoding delay.
pub(super) fn start(track: &TrackSegment) -> Result<i64, TsError> {
    let base = i64::try_from(track.base_decode_time).map_err(|_| TsError::TimeOutOfRange)?;
    Ok(clock::to_90k(base, track.init.track.timescale).saturating_add(TIMESTAMP_MARGIN))
}

/// The pictures of a video track.
///
/// # Errors
///
/// `WrongCodec`, `TimeOutOfRange`, `MalformedSample`.
pub(super) fn video<'a>(
    track: &'a TrackSegment,
    decoding: &mut DecodingClock,
) -> Result<Units<VideoUnit<'a>>, TsError> {
    let (coding, sets): (_, ParameterSets<'a>) = match &track.init.track.parameters {
        CodecParameters::H264(it) => (Coding::Avc, [&[], &it.sps, &it.pps]),
        CodecParameters::Hevc(it) => (Coding::Hevc, [&it.vps, &it.sps, &it.pps]),
        CodecParameters::Av1(_) | CodecParameters::Aac(_) | CodecParameters::Opus(_) => {
            return Err(TsError::WrongCodec("video"));
        }
    };
    let timescale = track.init.track.timescale;
    let margin = |ticks| clock::to_90k(ticks, timescale).saturating_add(TIMESTAMP_MARGIN);
    let mut time = i64::try_from(track.base_decode_time).map_err(|_| TsError::TimeOutOfRange)?;
    decoding.admit(&track.samples, timescale);
    let mut list = Vec::with_capacity(track.samples.len());
    for (index, sample) in track.samples.iter().enumerate() {
        let contents = Contents::of(sample, coding);
        let contents = contents.ok_or(TsError::MalformedSample { sample: index })?;
        let sets = contents.wants_parameters(coding).then_some(sets);
        let sets_len =
            sets.map_or(0, |sets| sets_of(sets).map(|s| START_CODE.len() + s.len()).sum());
        let pts = margin(time.saturating_add(i64::from(sample.composition_offset)));
        list.push(VideoUnit {
            dts: decoding.decoding_time(margin(time), pts),
            pts,
            random_access: contents.random_access,
            coding,
            sets,
            sample,
            len: coding.delimiter().len() + sets_len + contents.annex_b_len,
        });
        time = time.saturating_add(i64::from(sample.duration));
    }
    Ok(Units { list, end: margin(time) })
}

/// The PES packets of an audio track.
///
/// # Errors
///
/// `WrongCodec`, `TimeOutOfRange`, `AudioSample`.
pub(super) fn audio(track: &TrackSegment) -> Result<Units<AudioUnit<'_>>, TsError> {
    let CodecParameters::Aac(parameters) = &track.init.track.parameters else {
        return Err(TsError::WrongCodec("audio"));
    };
    let timescale = track.init.track.timescale;
    let margin = |ticks| clock::to_90k(ticks, timescale).saturating_add(TIMESTAMP_MARGIN);
    let mut time = i64::try_from(track.base_decode_time).map_err(|_| TsError::TimeOutOfRange)?;
    let mut list: Vec<AudioUnit<'_>> = Vec::new();
    for (index, sample) in track.samples.iter().enumerate() {
        let header = aac::adts_header(parameters, sample.payload.len())
            .map_err(|source| TsError::AudioSample { sample: index, source })?;
        let len = header.len() + sample.payload.len();
        let frame = track.samples.get(index..=index).unwrap_or_default();
        let pts = margin(time);
        time = time.saturating_add(i64::from(sample.duration));
        match list.last_mut() {
            Some(unit)
                if margin(time).saturating_sub(unit.pts) <= AUDIO_PES_DURATION
                    && unit.len + len <= AUDIO_PES_LEN =>
            {
                let first = index - unit.headers.len();
                unit.frames = track.samples.get(first..=index).unwrap_or_default();
                unit.headers.push(header);
                unit.len += len;
            }
            _ => list.push(AudioUnit { pts, frames: frame, headers: vec![header], len }),
        }
    }
    Ok(Units { list, end: margin(time) })
}

impl VideoUnit<'_> {
    /// Writes the access unit in Annex B form: delimiter, parameter sets, NAL units.
    pub(super) fn write(&self, out: &mut UnitWriter<'_>) {
        out.write(self.coding.delimiter());
        for set in self.sets.into_iter().flat_map(sets_of) {
            out.write(&START_CODE);
            out.write(set);
        }
        let mut cursor = Cursor::new(self.sample);
        while let Some((len, first)) = cursor.next_nalu() {
            let keep = len > 0 && !first.is_some_and(|first| self.coding.is_delimiter(first));
            if keep {
                out.write(&START_CODE);
            }
            cursor.take(len, |bytes| {
                if keep {
                    out.write(bytes);
                }
            });
        }
    }
}

impl AudioUnit<'_> {
    /// Writes the ADTS frames.
    pub(super) fn write(&self, out: &mut UnitWriter<'_>) {
        for (header, frame) in self.headers.iter().zip(self.frames) {
            out.write(header);
            for piece in &frame.payload {
                out.write(piece);
            }
        }
    }
}

fn sets_of(sets: ParameterSets<'_>) -> impl Iterator<Item = &[u8]> {
    sets.into_iter().flatten().map(AsRef::as_ref)
}

/// What an access unit of length-prefixed NAL units holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    random_access: bool,
    /// Kinds of parameter sets in it, a bit each.
    sets: u8,
    /// Bytes of its NAL units with start codes, delimiters left out.
    annex_b_len: usize,
}

impl Contents {
    /// `None` where a length reaches past the sample.
    fn of(sample: &Sample, coding: Coding) -> Option<Self> {
        let mut contents = Self::default();
        let mut cursor = Cursor::new(sample);
        while let Some((len, first)) = cursor.next_nalu() {
            if len > 0
                && let Some(first) = first
            {
                contents.random_access |= coding.is_random_access(first);
                contents.sets |= coding.set(first);
                if !coding.is_delimiter(first) {
                    contents.annex_b_len += START_CODE.len() + len;
                }
            }
            if cursor.take(len, |_| ()) != len {
                return None;
            }
        }
        cursor.at_end().then_some(contents)
    }

    /// A random access point needs every kind of set in front of it. With only some in-band, the
    /// track's come first and those in-band repeat or replace their fellows.
    const fn wants_parameters(&self, coding: Coding) -> bool {
        self.random_access && self.sets != coding.every_set()
    }
}

/// Walks length-prefixed NAL units whose bytes may be cut into pieces anywhere.
#[derive(Debug)]
struct Cursor<'a, I> {
    pieces: I,
    current: &'a [u8],
}

impl<'a> Cursor<'a, ()> {
    fn new(sample: &'a Sample) -> Cursor<'a, impl Iterator<Item = &'a [u8]>> {
        Cursor { pieces: (&sample.payload).into_iter().map(AsRef::as_ref), current: &[] }
    }
}

impl<'a, I: Iterator<Item = &'a [u8]>> Cursor<'a, I> {
    fn refill(&mut self) {
        while self.current.is_empty() {
            let Some(piece) = self.pieces.next() else { return };
            self.current = piece;
        }
    }

    fn at_end(&mut self) -> bool {
        self.refill();
        self.current.is_empty()
    }

    /// Shows the next `len` bytes piece by piece; says how many there were.
    fn take(&mut self, len: usize, mut each: impl FnMut(&'a [u8])) -> usize {
        let mut missing = len;
        while missing > 0 && !self.at_end() {
            let (taken, rest) = self.current.split_at(missing.min(self.current.len()));
            each(taken);
            missing -= taken.len();
            self.current = rest;
        }
        len - missing
    }

    /// Length and first byte of the next NAL unit, before that byte; `None` at the end, or where a
    /// length is cut short.
    fn next_nalu(&mut self) -> Option<(usize, Option<u8>)> {
        let mut len = 0_usize;
        let taken = self.take(4, |bytes| {
            len = bytes.iter().fold(len, |len, byte| len << 8 | usize::from(*byte));
        });
        if taken < 4 {
            return None;
        }
        self.refill();
        Some((len, self.current.first().copied()))
    }
}
