//! Everything that is measured of one publisher.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use media::{AccessUnit, MAX_AUDIO_TRACKS, MAX_VIDEO_TRACKS, Track, TrackKind};

use super::{
    Arrival, Cause, Encoder, HealthSnapshot, Skew, TrackFigures, Warning, WarningChange,
    WarningSet, cause::Counts, judge, micros_since, millis, ring::Ring, track::TrackMeter,
};

/// Tracks measured; further ones are not.
pub const MAX_TRACKS: usize = MAX_VIDEO_TRACKS + MAX_AUDIO_TRACKS;

/// How far apart key frames should be where nobody says.
const KEY_FRAMES_EVERY: Duration = Duration::from_secs(2);
const SECOND: i64 = 1_000_000;
/// Seconds of bitrate kept, and the one under way.
const HISTORY: usize = 61;

/// Measures a publisher's media. Moments of the arguments may come in any order.
#[derive(Debug)]
pub struct HealthMeter {
    epoch: Instant,
    transport: Arrival,
    encoder: Option<Encoder>,
    key_frames_every: Duration,
    announced_rate: Option<u32>,
    tracks: Vec<TrackMeter>,
    /// Bytes of each second.
    history: Ring<u64, HISTORY>,
    counts: Counts,
    packets: bool,
    arrived: Option<i64>,
    longest_silence: i64,
    sound_dropped: bool,
    no_decoder: bool,
    warnings: WarningSet,
}

impl HealthMeter {
    /// Of a publisher that is connected since `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            transport: Arrival::default(),
            encoder: None,
            key_frames_every: KEY_FRAMES_EVERY,
            announced_rate: None,
            tracks: Vec::with_capacity(2),
            history: Ring::new(SECOND),
            counts: Counts::new(),
            packets: false,
            arrived: None,
            longest_silence: 0,
            sound_dropped: false,
            no_decoder: false,
            warnings: WarningSet::default(),
        }
    }

    /// How its media comes.
    pub const fn set_transport(&mut self, transport: Arrival) {
        self.transport = transport;
    }

    /// How far apart its key frames should be: as long as the stream's segments.
    pub const fn set_key_frames_every(&mut self, interval: Duration) {
        self.key_frames_every = interval;
    }

    /// What it says it sends with.
    pub fn set_encoder(&mut self, told: &str) {
        self.encoder = Encoder::new(told).or_else(|| self.encoder.take());
    }

    /// The frame rate that its metadata announce, in thousandths.
    pub fn set_announced_rate(&mut self, thousandths: u32) {
        self.announced_rate = (thousandths > 0).then_some(thousandths);
    }

    /// Its sound comes, and is dropped: nothing here makes AAC of Opus.
    pub const fn set_sound_dropped(&mut self) {
        self.sound_dropped = true;
    }

    /// Whether no orchestrator decodes its video.
    pub const fn set_no_decoder(&mut self, none: bool) {
        self.no_decoder = none;
    }

    /// Takes a track, or new parameters of one.
    pub fn set_track(&mut self, now: Instant, track: &Track) {
        let at = micros_since(self.epoch, now);
        if let Some(meter) = self.tracks.iter_mut().find(|meter| meter.id == track.id) {
            if meter.set(track) {
                self.counts.add(at, Cause::SizeChange, 1);
            }
        } else if self.tracks.len() < MAX_TRACKS {
            self.tracks.push(TrackMeter::new(track));
        }
    }

    /// Takes an access unit, in decoding order of its track.
    pub fn push(&mut self, unit: &AccessUnit) {
        let at = micros_since(self.epoch, unit.arrived);
        let silence = at.saturating_sub(self.arrived.unwrap_or(0));
        self.longest_silence = self.longest_silence.max(silence);
        self.arrived = self.arrived.max(Some(at));
        let bytes = u64::try_from(unit.payload.len()).unwrap_or(u64::MAX);
        if let Some(second) = self.history.at(at) {
            *second = second.saturating_add(bytes);
        }
        if let Some(meter) = self.tracks.iter_mut().find(|meter| meter.id == unit.track) {
            meter.push(at, unit);
        }
    }

    /// Another timeline begins, on all tracks.
    pub fn discontinuity(&mut self) {
        self.tracks.iter_mut().for_each(TrackMeter::restart);
    }

    /// What a cause has come to so far.
    pub fn reach(&mut self, now: Instant, cause: Cause, total: u64) {
        self.packets |= cause == Cause::PacketReceived;
        self.counts.reach(micros_since(self.epoch, now), cause, total);
    }

    /// How it goes at `now`.
    #[must_use]
    pub fn snapshot(&mut self, now: Instant) -> HealthSnapshot {
        let now = micros_since(self.epoch, now);
        let even = self.transport != Arrival::Push;
        // Segments come in one piece: rates are of the time when the last one came.
        let at = if even { now } else { self.arrived.map_or(now, |arrived| arrived.min(now)) };
        self.history.advance(at);
        self.counts.advance(now);
        self.tracks.iter_mut().for_each(|track| track.advance(at, now));
        let announced = self.announced_rate;
        let tracks: Vec<_> =
            self.tracks.iter().map(|track| track.figures(now, announced, even)).collect();
        let mut history: Vec<_> =
            self.history.complete(60).map(|bytes| bytes.saturating_mul(8)).collect();
        history.reverse();
        let silent = now.saturating_sub(self.arrived.unwrap_or(0));
        let gained = self.gained(now).filter(|_| even);
        HealthSnapshot {
            transport: self.transport,
            encoder: self.encoder.clone(),
            connected_ms: millis(now),
            key_frames_every_ms: u32::try_from(self.key_frames_every.as_millis())
                .unwrap_or(u32::MAX),
            bitrate: sum(&tracks, |track| track.bitrate),
            bitrate_10s: sum(&tracks, |track| track.bitrate_10s),
            bitrate_history: history,
            silent_ms: millis(silent),
            longest_silence_ms: millis(self.longest_silence.max(silent)),
            behind_ms: self
                .leading()
                .and_then(|it| it.transit.behind())
                .filter(|_| even)
                .map(millis),
            skew: self.skew(),
            clock_drift_ppm: gained.map(|(gained, watched)| per_million(gained, watched)),
            clock_drift_ms: gained.map(|(gained, _)| gained / 1_000),
            lost_permille: self.packets.then(|| self.lost()),
            counts: self.counted(),
            repairs_in_a_minute: [Cause::StampRepaired, Cause::AudioResync, Cause::ClockJump]
                .map(|cause| self.counts.in_a_minute(cause))
                .iter()
                .sum(),
            size_changes_in_a_minute: self.counts.in_a_minute(Cause::SizeChange),
            sound_dropped: self.sound_dropped,
            no_decoder: self.no_decoder,
            tracks,
        }
    }

    /// Looks at the figures of `now`: what has begun to be wrong, and what has ended.
    pub fn assess(&mut self, now: Instant) -> Vec<WarningChange> {
        let snapshot = self.snapshot(now);
        let findings = judge(&snapshot, &|kind| self.warnings.stands(kind));
        self.warnings.update(now, findings)
    }

    /// The publisher has left: nothing is wrong any more.
    pub fn conclude(&mut self, now: Instant) -> Vec<WarningChange> {
        self.warnings.clear(now)
    }

    /// What is wrong, the worst first.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.list()
    }

    /// The track whose arrival says how the way here is: the first video, or the first sound.
    fn leading(&self) -> Option<&TrackMeter> {
        let mut tracks = self.tracks.iter().filter(|track| track.arrived.is_some());
        tracks.clone().find(|track| track.kind == TrackKind::Video).or_else(|| tracks.next())
    }

    fn gained(&self, now: i64) -> Option<(i64, i64)> {
        self.leading()?.transit.gained(now)
    }

    fn skew(&self) -> Option<Skew> {
        let video = self.leading().filter(|track| track.kind == TrackKind::Video)?;
        let mut sounds = self.tracks.iter().filter(|track| track.kind == TrackKind::Audio);
        let audio = sounds.find(|track| track.media().is_some())?;
        let between = |audio: i64, video: i64| audio.saturating_sub(video) / 1_000;
        Some(Skew {
            stamps_ms: between(audio.media()?, video.media()?),
            arrival_ms: between(audio.transit.mean()?, video.transit.mean()?),
            change_ms: between(audio.transit.mean_change()?, video.transit.mean_change()?),
        })
    }

    fn lost(&self) -> u64 {
        let (lost, came) =
            (self.counts.of(Cause::PacketLost), self.counts.of(Cause::PacketReceived));
        let all = lost.lately.saturating_add(came.lately);
        lost.lately.saturating_mul(1_000).checked_div(all).unwrap_or_default()
    }

    fn counted(&self) -> BTreeMap<&'static str, super::Count> {
        let counts = Cause::ALL.into_iter().map(|cause| (cause.as_str(), self.counts.of(cause)));
        counts.filter(|(_, count)| count.total > 0).collect()
    }
}

fn sum(tracks: &[TrackFigures], figure: impl Fn(&TrackFigures) -> Option<u64>) -> Option<u64> {
    tracks.iter().filter_map(figure).reduce(u64::saturating_add)
}

fn per_million(part: i64, whole: i64) -> i64 {
    part.saturating_mul(1_000_000).checked_div(whole).unwrap_or_default()
}
