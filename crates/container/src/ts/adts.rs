//! AAC in PES packets: ADTS frames and their times.

use std::sync::Arc;

use bytes::Bytes;
use media::{AacParameters, Chain, CodecParameters, Timescale};

use super::{
    TsError, clock,
    elementary::{ElementaryStream, check_order},
};
use crate::{
    aac,
    demuxed::{DemuxedSample, DemuxedTrack},
};

/// AAC frames in a file: 3 hours at 96 kHz.
const MAX_FRAMES: usize = 1 << 20;

/// The audio track of a stream; `None` where it holds no frame.
///
/// A PES packet's time is that of the first frame that starts in it; frames may go on from one PES
/// packet to the next.
///
/// # Errors
///
/// `Audio`, `TruncatedAudioFrame`, `MissingTimestamp`, `DecodingTimeWentBack`, `TooManyUnits`,
/// `ParametersChanged`.
pub(super) fn track(
    stream: ElementaryStream,
    reference: i64,
) -> Result<Option<DemuxedTrack>, TsError> {
    let (data, mut marks) = join(&stream, reference);
    let mut marks = marks.drain(..).peekable();
    let mut track: Option<AudioTrack> = None;
    let (mut offset, mut position, mut stated) = (0, 0, None);
    while offset < data.len() {
        while let Some(mark) = marks.next_if(|mark| mark.offset <= offset) {
            (position, stated) = (mark.position, mark.pts);
        }
        let rest = data.get(offset..).unwrap_or_default();
        let Some(frame) =
            aac::parse_adts(rest).map_err(|source| TsError::Audio { position, source })?
        else {
            return Err(TsError::TruncatedAudioFrame { position });
        };
        let payload = offset + frame.header_len..offset + frame.frame_len;
        if payload.end > data.len() {
            return Err(TsError::TruncatedAudioFrame { position });
        }
        offset = payload.end;
        let track = match &mut track {
            Some(track) if *track.parameters == frame.parameters => track,
            Some(_) => return Err(TsError::ParametersChanged { position }),
            None => track.insert(AudioTrack::new(frame.parameters, position)?),
        };
        track.push(data.slice(payload), stated.take(), position)?;
    }
    Ok(track.map(AudioTrack::finish))
}

/// Where a PES packet's payload starts in the joined stream.
struct Mark {
    offset: usize,
    position: usize,
    /// In unwrapped 90 kHz ticks.
    pts: Option<i64>,
}

fn join(stream: &ElementaryStream, reference: i64) -> (Bytes, Vec<Mark>) {
    let len = stream.units.iter().map(|unit| unit.payload.len()).sum();
    let mut data = Vec::with_capacity(len);
    let mut marks = Vec::with_capacity(stream.units.len());
    for (unit, times) in stream.timed(reference) {
        let pts = times.map(|times| times.pts);
        marks.push(Mark { offset: data.len(), position: unit.position, pts });
        data.extend_from_slice(&unit.payload);
    }
    (Bytes::from(data), marks)
}

struct AudioTrack {
    parameters: Arc<AacParameters>,
    timescale: Timescale,
    /// Time of the next frame unless its PES packet states another.
    next: Option<i64>,
    samples: Vec<DemuxedSample>,
}

impl AudioTrack {
    fn new(parameters: AacParameters, position: usize) -> Result<Self, TsError> {
        let timescale = Timescale::new(parameters.sampling_rate);
        let timescale =
            timescale.ok_or(TsError::Pes { position, reason: "AAC without a sampling rate" })?;
        Ok(Self { parameters: Arc::new(parameters), timescale, next: None, samples: Vec::new() })
    }

    fn push(&mut self, frame: Bytes, stated: Option<i64>, position: usize) -> Result<(), TsError> {
        let stated = stated.map(|pts| clock::from_90k(pts, self.timescale));
        let time = stated.or(self.next).ok_or(TsError::MissingTimestamp { position })?;
        check_order(self.samples.last().map(|sample| sample.dts), time, position)?;
        if self.samples.len() == MAX_FRAMES {
            return Err(TsError::TooManyUnits { position, limit: MAX_FRAMES });
        }
        self.next = Some(time.saturating_add(i64::from(self.parameters.frame_samples)));
        let payload = Chain::from(frame);
        self.samples.push(DemuxedSample { dts: time, pts: time, random_access: true, payload });
        Ok(())
    }

    fn finish(self) -> DemuxedTrack {
        DemuxedTrack {
            parameters: CodecParameters::Aac(self.parameters),
            timescale: self.timescale,
            samples: self.samples,
        }
    }
}
