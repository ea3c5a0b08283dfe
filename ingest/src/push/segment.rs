//! A pushed segment's media, as access units.

use std::{
    iter::Peekable,
    time::{Duration, Instant},
    vec,
};

use bytes::Bytes;
use container::{
    Demuxed, DemuxedTrack,
    mp4::{self, Mp4Error},
    ts::{self, TsError},
};
use media::{AccessUnit, MediaDuration, Timescale, Timestamp, Track, TrackId, TrackKind};

use super::PushContainer;
use crate::event::{DiscontinuityReason, PublisherEvent};

/// Longest segment taken: as long as one may claim to be.
const DURATION_MAX: Duration = Duration::from_secs(300);
/// A declared duration is off when it is wrong by more than this and by more than a tenth.
const DURATION_TOLERANCE: Duration = Duration::from_millis(250);
/// Assumed length of a picture that comes alone: 1/30 s, in ticks of 90 kHz.
const LONE_PICTURE: i64 = 3_000;
/// The clock of transport streams starts over after so many ticks of 90 kHz.
const TS_CLOCK_PERIOD: i64 = 1 << 33;
/// An MP4 file that starts before this has a clock of its own, in ticks of 90 kHz: 1 s.
const OWN_CLOCK_START: i64 = 90_000;

/// Why a body is not a segment that can be worked with. The answer is 422.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// No byte.
    #[error("the segment is empty")]
    Empty,
    /// Not what its path says, damaged, or video that is not H.264.
    #[error("the segment can't be read: {0}")]
    Unreadable(String),
    /// The first picture can't be decoded by itself.
    #[error("the segment does not start with a key frame")]
    NoKeyFrame,
    /// Its media lasts too long.
    #[error("the segment lasts {seconds} s, more than {max} s", max = DURATION_MAX.as_secs())]
    TooLong {
        /// What it lasts.
        seconds: u64,
    },
}

/// A segment as a client sent it, and what is in it.
///
/// Each unit's `arrived` is when it would have come had the segment been sent while it was made: the
/// last one with the body, the others earlier by the media between.
#[derive(Clone, Debug)]
pub struct PushedSegment {
    /// The body as it came, for those who pass it on as it is. Units share its bytes, or, out of
    /// transport streams, those of one copy.
    pub body: Bytes,
    /// How the body is packed.
    pub container: PushContainer,
    /// Video, audio, both, or none: a body without media that can be read has no track.
    pub tracks: Vec<Track>,
    /// All access units, by decoding time; those of each track in its decoding order. The first of
    /// the video is a key frame.
    pub units: Vec<AccessUnit>,
    /// Presentation time of its first picture (without video, of its first audio frame), on the
    /// client's clock.
    pub start: Option<Timestamp>,
    /// How long its media lasts: the video, or without video the audio.
    pub duration: MediaDuration,
    /// What the client said it lasts.
    pub declared_duration: Duration,
    /// Its number is behind that of the segment before: it belongs to another place, or another run.
    pub out_of_order: bool,
}

impl PushedSegment {
    /// Reads a body that came at `received`.
    ///
    /// # Errors
    /// [`SegmentError`]. A file without H.264 and AAC is none: it has no track.
    pub fn read(
        container: PushContainer,
        body: Bytes,
        declared_duration: Duration,
        received: Instant,
    ) -> Result<Self, SegmentError> {
        if body.is_empty() {
            return Err(SegmentError::Empty);
        }
        let demuxed = demux(container, &body)?;
        let video = demuxed.video.map(Lane::video).transpose()?;
        let audio = demuxed.audio.map(Lane::audio);
        let leading = video.as_ref().or(audio.as_ref());
        let (start, duration) = leading.map_or((None, MediaDuration::ZERO), |lane| {
            (Some(lane.start), lane.end.since(lane.start))
        });
        if duration.to_std() > DURATION_MAX {
            return Err(SegmentError::TooLong { seconds: duration.to_std().as_secs() });
        }
        let lanes: Vec<Lane> = video.into_iter().chain(audio).collect();
        let tracks = lanes.iter().map(|lane| lane.track.clone()).collect();
        Ok(Self {
            body,
            container,
            tracks,
            units: interleave(lanes, received),
            start,
            duration,
            declared_duration,
            out_of_order: false,
        })
    }

    /// Whether it has pictures: what has none is not transcoded, its bytes are every rendition.
    #[must_use]
    pub fn has_video(&self) -> bool {
        self.tracks.iter().any(|track| track.kind() == TrackKind::Video)
    }

    /// Whether the client's word about the duration is wrong; the media's holds.
    #[must_use]
    pub fn declared_is_off(&self) -> bool {
        let found = self.duration.to_std();
        let off = found.abs_diff(self.declared_duration);
        !self.tracks.is_empty() && off > DURATION_TOLERANCE && off > found / 10
    }

    /// When its media ends, on the client's clock.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.start.map(|start| start + self.duration)
    }

    /// Moves its times, where its clock is known to start over, so that it follows `before`, the end of
    /// the segment before; a segment out of order stays as it is.
    ///
    /// The clock of transport streams turns over every 26.5 hours: it is moved by whole turns to be as
    /// near to `before` as it can. MP4 files often have a clock of their own each (FFmpeg's segment
    /// muxer): one that starts within a second from zero is moved to `before`.
    pub fn continue_from(&mut self, before: Timestamp) {
        let Some(start) = self.start.filter(|_| !self.out_of_order) else { return };
        let start = start.rescale(Timescale::VIDEO).ticks();
        let distance = before.rescale(Timescale::VIDEO).ticks().saturating_sub(start);
        let shift = match self.container {
            PushContainer::MpegTs => {
                let turns =
                    distance.saturating_add(TS_CLOCK_PERIOD / 2).div_euclid(TS_CLOCK_PERIOD);
                turns.saturating_mul(TS_CLOCK_PERIOD)
            }
            PushContainer::Mp4 if (0..OWN_CLOCK_START).contains(&start) => distance,
            PushContainer::Mp4 => 0,
        };
        if shift != 0 {
            self.shift(Timestamp::new(shift, Timescale::VIDEO));
        }
    }

    fn shift(&mut self, shift: Timestamp) {
        for unit in &mut self.units {
            let track = self.tracks.iter().find(|track| track.id == unit.track);
            let Some(timescale) = track.map(|track| track.timescale) else { continue };
            let ticks = shift.rescale(timescale).ticks();
            unit.dts = unit.dts.saturating_add(ticks);
            unit.pts = unit.pts.saturating_add(ticks);
        }
        self.start = self.start.map(|start| {
            let ticks = shift.rescale(start.timescale()).ticks();
            Timestamp::new(start.ticks().saturating_add(ticks), start.timescale())
        });
    }

    /// What a stream is told of it, in order: where it does not follow, its tracks, its units.
    pub fn into_events(self) -> impl Iterator<Item = PublisherEvent> {
        let reason = DiscontinuityReason::OutOfOrder;
        let place = self.out_of_order.then_some(PublisherEvent::Discontinuity(reason));
        let tracks = self.tracks.into_iter().map(PublisherEvent::Track);
        let units = self.units.into_iter().map(PublisherEvent::AccessUnit);
        place.into_iter().chain(tracks).chain(units)
    }
}

fn demux(container: PushContainer, body: &Bytes) -> Result<Demuxed, SegmentError> {
    const NOTHING: Demuxed = Demuxed { video: None, audio: None };
    match container {
        PushContainer::MpegTs => match ts::read(body) {
            Err(TsError::NoMedia) => Ok(NOTHING),
            read => read.map_err(|error| SegmentError::Unreadable(error.to_string())),
        },
        PushContainer::Mp4 => match mp4::read(body) {
            Err(Mp4Error::NoMedia) => Ok(NOTHING),
            read => read.map_err(|error| SegmentError::Unreadable(error.to_string())),
        },
    }
}

/// One track's units, before it is known when they arrived.
struct Lane {
    track: Track,
    start: Timestamp,
    end: Timestamp,
    samples: vec::IntoIter<container::DemuxedSample>,
    /// The samples' timescale in the file.
    from: Timescale,
}

impl Lane {
    fn video(track: DemuxedTrack) -> Result<Self, SegmentError> {
        if track.samples.first().is_some_and(|first| !first.random_access) {
            return Err(SegmentError::NoKeyFrame);
        }
        let lone = Timestamp::new(LONE_PICTURE, Timescale::VIDEO).rescale(track.timescale);
        let step = usual_step(&track).unwrap_or_else(|| lone.ticks());
        Ok(Self::new(track, TrackId::VIDEO, Timescale::VIDEO, step))
    }

    fn audio(track: DemuxedTrack) -> Self {
        let sound = track.parameters.sound();
        let rate = sound.map(|sound| sound.sampling_rate);
        let frame = sound.map_or(1, |sound| sound.frame_samples);
        let timescale = rate.and_then(Timescale::new).unwrap_or(track.timescale);
        let frame = Timestamp::new(i64::from(frame), timescale).rescale(track.timescale);
        Self::new(track, TrackId::AUDIO, timescale, frame.ticks())
    }

    /// `step`: how long the last sample lasts, in ticks of the file.
    fn new(track: DemuxedTrack, id: TrackId, timescale: Timescale, step: i64) -> Self {
        let from = track.timescale;
        let shown = || track.samples.iter().map(|sample| sample.pts);
        let first = shown().min().unwrap_or(0);
        let last = shown().max().unwrap_or(0).saturating_add(step);
        Self {
            start: Timestamp::new(first, from).rescale(timescale),
            end: Timestamp::new(last, from).rescale(timescale),
            track: Track { id, timescale, parameters: track.parameters },
            samples: track.samples.into_iter(),
            from,
        }
    }
}

/// The median step between decoding times, in ticks of the file.
fn usual_step(track: &DemuxedTrack) -> Option<i64> {
    let next = track.samples.iter().skip(1);
    let mut steps: Vec<i64> = next
        .zip(&track.samples)
        .map(|(next, sample)| next.dts.saturating_sub(sample.dts))
        .collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied()
}

/// The units of all lanes by decoding time, video first where equal.
fn interleave(lanes: Vec<Lane>, received: Instant) -> Vec<AccessUnit> {
    let Some(end) = lanes.iter().map(|lane| lane.end).max() else { return Vec::new() };
    let mut lanes: Vec<_> = lanes.into_iter().map(|lane| units(lane, end, received)).collect();
    let mut all = Vec::with_capacity(lanes.iter().map(|(_, units)| units.len()).sum());
    loop {
        let next = lanes
            .iter_mut()
            .filter_map(|(timescale, units)| {
                let dts = Timestamp::new(units.peek()?.dts, *timescale);
                Some((dts, units))
            })
            .min_by_key(|(dts, _)| *dts);
        let Some((_, units)) = next else { return all };
        all.extend(units.next());
    }
}

fn units(
    lane: Lane,
    end: Timestamp,
    received: Instant,
) -> (Timescale, Peekable<impl ExactSizeIterator<Item = AccessUnit>>) {
    let (track, timescale, from) = (lane.track.id, lane.track.timescale, lane.from);
    let units = lane.samples.map(move |sample| {
        let at = |ticks| Timestamp::new(ticks, from).rescale(timescale).ticks();
        let dts = at(sample.dts);
        let rest = end.since(Timestamp::new(dts, timescale)).to_std().min(DURATION_MAX);
        AccessUnit {
            track,
            dts,
            pts: at(sample.pts),
            random_access: sample.random_access,
            payload: sample.payload,
            arrived: received.checked_sub(rest).unwrap_or(received),
        }
    });
    (timescale, units.peekable())
}

#[cfg(test)]
mod tests;
