//! Samples by place and time, held against the bounds of their file.

use bytes::Bytes;

use super::{Mp4Error, coding::Coding};
use crate::demuxed::DemuxedSample;

/// Samples of all tracks of a file: at 60 pictures and 50 AAC frames a second, 2.6 hours.
const MAX_SAMPLES: usize = 1 << 20;

/// Where a sample lies and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleSpan {
    /// Offset in the file, in bytes.
    pub(super) offset: u64,
    /// Length in bytes.
    pub(super) size: u32,
    /// Decoding time in ticks.
    pub(super) dts: u64,
    /// Presentation minus decoding time in ticks.
    pub(super) composition_offset: i64,
}

/// What is left of a file's bounds.
#[derive(Debug)]
pub(super) struct Budget {
    samples: usize,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(file_len: usize) -> Self {
        Self { samples: MAX_SAMPLES, bytes: u64::try_from(file_len).unwrap_or(u64::MAX) }
    }

    /// Takes `count` samples, which may be of tracks that are passed over.
    ///
    /// # Errors
    ///
    /// `TooManySamples`.
    pub(super) fn take_samples(&mut self, count: usize) -> Result<(), Mp4Error> {
        let left = self.samples.checked_sub(count);
        self.samples = left.ok_or(Mp4Error::TooManySamples { limit: MAX_SAMPLES })?;
        Ok(())
    }
}

/// The samples of a track in decoding order.
#[derive(Debug)]
pub(super) struct SampleList {
    track: u32,
    spans: Vec<SampleSpan>,
    /// Decoding time after the last sample, in ticks.
    pub(super) end: u64,
}

impl SampleList {
    pub(super) const fn new(track: u32) -> Self {
        Self { track, spans: Vec::new(), end: 0 }
    }

    /// Adds a sample that lasts `duration` ticks. Its place in `budget` has been taken.
    ///
    /// # Errors
    ///
    /// `DecodingTime`, `SamplesOverlap`.
    pub(super) fn push(
        &mut self,
        span: SampleSpan,
        duration: u32,
        budget: &mut Budget,
    ) -> Result<(), Mp4Error> {
        let track = self.track;
        let misplaced = Mp4Error::DecodingTime { track, sample: self.spans.len() };
        let back = self.spans.last().is_some_and(|last| span.dts < last.dts);
        let end = span.dts.checked_add(u64::from(duration));
        let (false, Some(end)) = (back, end) else { return Err(misplaced) };
        let left = budget.bytes.checked_sub(u64::from(span.size));
        budget.bytes = left.ok_or(Mp4Error::SamplesOverlap { track })?;
        self.end = end;
        self.spans.push(span);
        Ok(())
    }

    /// The samples themselves, their times moved by `shift` ticks; empty ones are left out.
    ///
    /// # Errors
    ///
    /// `SampleOutside`, `DecodingTime`, `Sample`.
    pub(super) fn slice(
        &self,
        file: &Bytes,
        coding: Coding,
        shift: i64,
    ) -> Result<Vec<DemuxedSample>, Mp4Error> {
        let mut samples = Vec::with_capacity(self.spans.len());
        for (index, span) in self.spans.iter().enumerate() {
            let payload = self.payload(file, index, span)?;
            let (payload, random_access) = coding
                .read_sample(&payload)
                .map_err(|source| Mp4Error::Sample { track: self.track, sample: index, source })?;
            if payload.is_empty() {
                continue;
            }
            let dts = i64::try_from(span.dts).ok().and_then(|dts| dts.checked_add(shift));
            let dts = dts.ok_or(Mp4Error::DecodingTime { track: self.track, sample: index })?;
            let pts = dts.saturating_add(span.composition_offset);
            samples.push(DemuxedSample { dts, pts, random_access, payload });
        }
        Ok(samples)
    }

    fn payload(&self, file: &Bytes, sample: usize, span: &SampleSpan) -> Result<Bytes, Mp4Error> {
        let outside = Mp4Error::SampleOutside { track: self.track, sample };
        let begin = usize::try_from(span.offset).ok();
        let len = usize::try_from(span.size).ok();
        let end = begin.and_then(|begin| begin.checked_add(len?));
        match (begin, end) {
            (Some(begin), Some(end)) if end <= file.len() => Ok(file.slice(begin..end)),
            _ => Err(outside),
        }
    }
}

/// A composition offset as it is meant: QuickTime and many others write negative ones into version 0
/// boxes, whose offsets are unsigned by the text.
pub(super) fn signed_offset(offset: i64) -> i64 {
    if offset > i64::from(i32::MAX) { offset - (1 << 32) } else { offset }
}
