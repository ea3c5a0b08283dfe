//! Transport stream segments for HLS and for orchestrators.

use bytes::Bytes;
use media::TrackSegment;

use super::{
    TsError, clock,
    coding::Coding,
    packet::{self, AdaptationField, PACKET_LEN, PAYLOAD_LEN, UnitWriter},
    pes::{self, PesHeader},
    psi::{self, ProgramEntry, StreamEntry},
    units::{self, AudioUnit, DecodingClock, Units, VideoUnit},
};

const PROGRAM: ProgramEntry = ProgramEntry { program_number: 1, pmt_pid: 0x1000 };
const VIDEO_PID: u16 = 0x0100;
const AUDIO_PID: u16 = 0x0101;

/// The longest stretch without PCR (§2.7.2 of ISO/IEC 13818-1): 100 ms in 90 kHz ticks.
const PCR_INTERVAL: i64 = 9_000;
/// How far the PCR runs behind the decoding time of what follows it: 200 ms in 90 kHz ticks. A
/// unit's last byte, which arrives one PCR interval after its first at the latest, is then there
/// before its decoding time.
const PCR_LEAD: i64 = 18_000;
/// Beyond this hole in the media the PCR is not kept up: 10 s in 90 kHz ticks.
const PCR_LONGEST_HOLE: i64 = 900_000;
/// Distance of a segment's start from the end of the one before that makes a new time base: 1 s in
/// 90 kHz ticks.
const TIME_BASE_JUMP: i64 = 90_000;

/// Writes segments one after another; continuity counters, PMT version and decoding delay go on from
/// each to the next.
#[derive(Clone, Debug, Default)]
pub struct TsWriter {
    state: State,
}

/// What goes on over segments.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    continuity: Continuity,
    /// The PMT written last: which video and whether audio it lists, and its version.
    program: Option<Program>,
    decoding: DecodingClock,
    /// Unwrapped PCR written last.
    pcr: Option<i64>,
    /// Where the next segment starts unless the time base changes.
    next_start: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Continuity {
    pat: u8,
    pmt: u8,
    video: u8,
    audio: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Program {
    video: Option<Coding>,
    audio: bool,
    version: u8,
}

impl TsWriter {
    /// A writer of video alone that goes on from here, and is thrown away.
    pub(super) const fn aside(&self) -> SegmentWriter {
        SegmentWriter {
            state: self.state,
            out: Vec::new(),
            discontinuity: false,
            header: Vec::new(),
        }
    }

    /// A writer at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes one segment: PAT, PMT, then video and audio interleaved by decoding time, in whole
    /// 188-byte packets. A track without samples counts as absent.
    ///
    /// Every time is [`TIMESTAMP_MARGIN`](super::TIMESTAMP_MARGIN) later than in the samples, modulo
    /// 2^33; presentation times are otherwise kept, video decoding times moved back by a constant
    /// where composition offsets are negative. Media bytes are copied once. After an error the writer
    /// is as it was before.
    ///
    /// # Errors
    ///
    /// [`TsError::NothingToWrite`], [`TsError::WrongCodec`], [`TsError::MalformedSample`],
    /// [`TsError::AudioSample`], [`TsError::TimeOutOfRange`].
    pub fn segment(
        &mut self,
        video: Option<&TrackSegment>,
        audio: Option<&TrackSegment>,
    ) -> Result<Bytes, TsError> {
        let video = video.filter(|track| !track.samples.is_empty());
        let audio = audio.filter(|track| !track.samples.is_empty());
        let mut state = self.state;
        let discontinuity = match video.or(audio) {
            Some(track) => state.start_time_base(units::start(track)?),
            None => return Err(TsError::NothingToWrite),
        };
        let video = match video {
            Some(track) => units::video(track, &mut state.decoding)?,
            None => Units::none(),
        };
        let audio = match audio {
            Some(track) => units::audio(track)?,
            None => Units::none(),
        };
        let out = Vec::with_capacity(estimated_len(&video, &audio));
        let mut writer = SegmentWriter { state, out, discontinuity, header: Vec::new() };
        writer.tables(coding_of(&video), !audio.list.is_empty());
        writer.media(&video, &audio);
        self.state = writer.state;
        Ok(Bytes::from(writer.out))
    }
}

fn coding_of(video: &Units<VideoUnit<'_>>) -> Option<Coding> {
    video.list.first().map(|unit| unit.coding)
}

/// An upper bound of the segment's length, extra PCR packets aside.
fn estimated_len(video: &Units<VideoUnit<'_>>, audio: &Units<AudioUnit<'_>>) -> usize {
    let units =
        video.list.iter().map(|unit| unit.len).chain(audio.list.iter().map(|unit| unit.len));
    // The adaptation field with PCR takes 8 bytes.
    let packets = |len: usize| (len + pes::MAX_HEADER_LEN + 8).div_ceil(PAYLOAD_LEN);
    (2 + units.map(packets).sum::<usize>()) * PACKET_LEN
}

impl State {
    /// Whether a segment that starts at `start` begins a new time base; if so, forgets the old one.
    fn start_time_base(&mut self, start: i64) -> bool {
        let jumped = self.next_start.is_some_and(|expected| {
            start.saturating_sub(expected).saturating_abs() > TIME_BASE_JUMP
        });
        if jumped {
            self.decoding = DecodingClock::default();
            self.pcr = None;
        }
        jumped
    }
}

/// One segment on its way out.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    state: State,
    pub(super) out: Vec<u8>,
    /// The next PCR starts a new time base.
    discontinuity: bool,
    /// Room for a PES header, kept from unit to unit.
    header: Vec<u8>,
}

impl SegmentWriter {
    /// Writes further pictures of a segment without audio, behind its tables when they are the first.
    pub(super) fn further(&mut self, video: &TrackSegment) -> Result<(), TsError> {
        let start = units::start(video)?;
        if self.out.is_empty() {
            self.discontinuity = self.state.start_time_base(start);
        }
        let video = units::video(video, &mut self.state.decoding)?;
        if self.out.is_empty() {
            self.tables(coding_of(&video), false);
        }
        self.units(&video, &Units::none());
        Ok(())
    }

    fn tables(&mut self, video: Option<Coding>, audio: bool) {
        let program = match self.state.program {
            Some(last) if (last.video, last.audio) == (video, audio) => last,
            Some(last) => Program { video, audio, version: last.version.wrapping_add(1) & 0x1F },
            None => Program { video, audio, version: 0 },
        };
        self.state.program = Some(program);
        let picture = video.map(|it| StreamEntry { stream_type: it.stream_type(), pid: VIDEO_PID });
        let sound =
            audio.then_some(StreamEntry { stream_type: psi::STREAM_TYPE_ADTS, pid: AUDIO_PID });
        let streams: Vec<_> = picture.into_iter().chain(sound).collect();
        let pat = psi::write_pat(PROGRAM);
        let pcr_pid = if video.is_some() { VIDEO_PID } else { AUDIO_PID };
        let pmt = psi::write_pmt(PROGRAM.program_number, program.version, pcr_pid, &streams);
        let continuity = &mut self.state.continuity;
        write_table(&mut self.out, psi::PAT_PID, &mut continuity.pat, pat);
        write_table(&mut self.out, PROGRAM.pmt_pid, &mut continuity.pmt, pmt);
    }

    fn media(&mut self, video: &Units<VideoUnit<'_>>, audio: &Units<AudioUnit<'_>>) {
        self.units(video, audio);
        let has_video = !video.list.is_empty();
        let (end, delay) =
            if has_video { (video.end, self.state.decoding.delay()) } else { (audio.end, 0) };
        self.keep_up_pcr(end.saturating_sub(delay).saturating_sub(PCR_LEAD), has_video);
        self.state.next_start = Some(end);
    }

    /// Merges both tracks by decoding time. Video is first even where audio starts earlier, so that
    /// the segment's first media bytes are its IDR picture.
    fn units(&mut self, video: &Units<VideoUnit<'_>>, audio: &Units<AudioUnit<'_>>) {
        let has_video = !video.list.is_empty();
        let (mut pictures, mut frames) =
            (video.list.iter().peekable(), audio.list.iter().peekable());
        let mut first = true;
        loop {
            let video_time = pictures.peek().map(|unit| unit.dts);
            let audio_time = frames.peek().map(|unit| unit.pts);
            let time = match (video_time, audio_time) {
                (Some(video), Some(audio)) => video.min(audio),
                (Some(time), None) | (None, Some(time)) => time,
                (None, None) => break,
            };
            self.keep_up_pcr(time.saturating_sub(PCR_LEAD), has_video);
            if video_time.is_some() && (first || video_time == Some(time)) {
                if let Some(unit) = pictures.next() {
                    self.picture(unit, time);
                }
            } else if let Some(unit) = frames.next() {
                self.audio(unit, time, has_video);
            }
            first = false;
        }
    }

    fn picture(&mut self, unit: &VideoUnit<'_>, time: i64) {
        let field = AdaptationField { random_access: unit.random_access, ..self.pcr_field(time) };
        let (pts, dts) = (clock::wrap(unit.pts), clock::wrap(unit.dts));
        let header = PesHeader {
            stream_id: pes::STREAM_ID_VIDEO,
            pts: Some(pts),
            dts: (dts != pts).then_some(dts),
        };
        self.header.clear();
        header.write(&mut self.header, unit.len);
        let len = header.len() + unit.len;
        let continuity = &mut self.state.continuity.video;
        let mut out = UnitWriter::new(&mut self.out, VIDEO_PID, continuity, field, len);
        out.write(&self.header);
        unit.write(&mut out);
    }

    fn audio(&mut self, unit: &AudioUnit<'_>, time: i64, has_video: bool) {
        let field = if has_video {
            AdaptationField::default()
        } else {
            AdaptationField { random_access: true, ..self.pcr_field(time) }
        };
        let header = PesHeader {
            stream_id: pes::STREAM_ID_AUDIO,
            pts: Some(clock::wrap(unit.pts)),
            dts: None,
        };
        self.header.clear();
        header.write(&mut self.header, unit.len);
        let len = header.len() + unit.len;
        let continuity = &mut self.state.continuity.audio;
        let mut out = UnitWriter::new(&mut self.out, AUDIO_PID, continuity, field, len);
        out.write(&self.header);
        unit.write(&mut out);
    }

    /// The field with the PCR for a unit ahead of which nothing is due before `time`.
    fn pcr_field(&mut self, time: i64) -> AdaptationField {
        let lead = time.saturating_sub(PCR_LEAD);
        let pcr = self.state.pcr.map_or(lead, |last| last.max(lead));
        self.state.pcr = Some(pcr);
        AdaptationField {
            discontinuity: std::mem::take(&mut self.discontinuity),
            random_access: false,
            pcr: Some(clock::wrap(pcr)),
        }
    }

    /// Puts packets with nothing but a PCR where the media leave it silent for too long before
    /// `until`.
    fn keep_up_pcr(&mut self, until: i64, has_video: bool) {
        let Some(last) = self.state.pcr else { return };
        if until.saturating_sub(last) > PCR_LONGEST_HOLE {
            return;
        }
        let (pid, continuity) = if has_video {
            (VIDEO_PID, self.state.continuity.video)
        } else {
            (AUDIO_PID, self.state.continuity.audio)
        };
        let mut pcr = last;
        while until.saturating_sub(pcr) > PCR_INTERVAL {
            pcr = pcr.saturating_add(PCR_INTERVAL);
            let field =
                AdaptationField { pcr: Some(clock::wrap(pcr)), ..AdaptationField::default() };
            packet::write_bare(&mut self.out, pid, continuity, field);
        }
        self.state.pcr = Some(pcr);
    }
}

/// A section in packets of its own, filled up with 0xFF as sections are (§2.4.4).
fn write_table(out: &mut Vec<u8>, pid: u16, continuity: &mut u8, mut section: Vec<u8>) {
    let len = section.len().next_multiple_of(PAYLOAD_LEN);
    section.resize(len, 0xFF);
    UnitWriter::new(out, pid, continuity, AdaptationField::default(), len).write(&section);
}
