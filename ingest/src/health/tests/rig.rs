//! A publisher in virtual time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use media::{
    AacParameters, AccessUnit, CodecParameters, FrameRate, H264Parameters, Timescale, Track,
    TrackId,
};

use crate::health::{HealthMeter, HealthSnapshot, WarningChange, WarningKind};

/// Bytes that all payloads are slices of.
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// What a publisher sends in one second, and how it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Second {
    /// Pictures; 0: none.
    pub(super) pictures: i64,
    /// Pictures from one key frame to the next.
    pub(super) gop: i64,
    /// Bit/s of the video.
    pub(super) bitrate: i64,
    /// Whether there is sound.
    pub(super) sound: bool,
    /// How late media comes at the second's end, in milliseconds; it changes evenly from the second before.
    pub(super) late_ms: i64,
    /// The same for sound alone, on top.
    pub(super) sound_late_ms: i64,
    /// Media time that passes, in thousandths of a second.
    pub(super) media_ms: i64,
}

impl Default for Second {
    fn default() -> Self {
        Self {
            pictures: 30,
            gop: 60,
            bitrate: 2_000_000,
            sound: true,
            late_ms: 0,
            sound_late_ms: 0,
            media_ms: 1_000,
        }
    }
}

pub(super) struct Rig {
    pub(super) meter: HealthMeter,
    start: Instant,
    seconds: i64,
    /// Media time so far, in microseconds.
    media: i64,
    /// Pictures since the last key frame; none so far: `i64::MAX`.
    since_key: i64,
    before: Second,
    pub(super) changes: Vec<(i64, WarningChange)>,
}

impl Rig {
    pub(super) fn new() -> Self {
        let start = crate::shell::now();
        let mut meter = HealthMeter::new(start);
        meter.set_track(start, &video(1_280, 720));
        meter.set_track(start, &audio());
        let before = Second::default();
        Self {
            meter,
            start,
            seconds: 0,
            media: 0,
            since_key: i64::MAX,
            before,
            changes: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + Duration::from_secs(u64::try_from(self.seconds).unwrap())
    }

    /// Sends so many seconds, and looks after each.
    pub(super) fn run(&mut self, seconds: i64, second: Second) -> &mut Self {
        for _ in 0..seconds {
            self.send(second);
            self.before = second;
            self.seconds += 1;
            let changes = self.meter.assess(self.now());
            self.changes.extend(changes.into_iter().map(|change| (self.seconds, change)));
        }
        self
    }

    fn send(&mut self, second: Second) {
        let span = second.media_ms * 1_000;
        let mut units: Vec<(i64, AccessUnit)> = Vec::new();
        let (before, seconds) = (self.before, self.seconds);
        let arrives = |share: i64, extra: i64| {
            // Microseconds into this second, in which media passes evenly.
            let late = before.late_ms + (second.late_ms - before.late_ms) * share / 1_000_000;
            seconds * 1_000_000 + share + (late + extra) * 1_000
        };
        for number in 0..second.pictures {
            let share = number * 1_000_000 / second.pictures;
            let media = self.media + number * span / second.pictures;
            let length = second.bitrate / 8 / second.pictures;
            let key = self.since_key >= second.gop;
            self.since_key = if key { 1 } else { self.since_key + 1 };
            let unit = unit(TrackId::VIDEO, media * 90_000 / 1_000_000, key, length);
            units.push((arrives(share, 0), unit));
        }
        for number in 0..if second.sound { 50 } else { 0 } {
            let share = number * 20_000;
            let media = self.media + number * span / 50;
            let unit = unit(TrackId::AUDIO, media * 48_000 / 1_000_000, true, 320);
            units.push((arrives(share, second.sound_late_ms), unit));
        }
        self.media += span;
        units.sort_by_key(|(arrives, _)| *arrives);
        for (arrives, mut unit) in units {
            unit.arrived =
                self.start + Duration::from_micros(u64::try_from(arrives.max(0)).unwrap());
            self.meter.push(&unit);
        }
    }

    pub(super) fn snapshot(&mut self) -> HealthSnapshot {
        let now = self.now();
        self.meter.snapshot(now)
    }

    pub(super) fn kinds(&self) -> Vec<WarningKind> {
        self.meter.warnings().iter().map(|it| it.finding.kind).collect()
    }

    /// The sentence of a warning that stands.
    pub(super) fn says(&self, kind: WarningKind) -> String {
        let found = self.meter.warnings().into_iter().find(|it| it.finding.kind == kind);
        found.unwrap_or_else(|| panic!("no {kind:?} in {:?}", self.kinds())).finding.sentence()
    }
}

pub(super) fn unit(track: TrackId, dts: i64, random_access: bool, length: i64) -> AccessUnit {
    let length = usize::try_from(length).unwrap();
    AccessUnit {
        track,
        dts,
        pts: dts,
        random_access,
        payload: Bytes::from_static(&ZEROS).slice(..length).into(),
        arrived: crate::shell::now(),
    }
}

pub(super) fn video(width: u32, height: u32) -> Track {
    Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(Arc::new(H264Parameters {
            sps: Vec::new(),
            pps: Vec::new(),
            profile_level: [100, 0, 31],
            width,
            height,
            sample_aspect_ratio: (1, 1),
            frame_rate: FrameRate::new(30, 1),
            may_reorder: true,
        })),
    }
}

pub(super) fn audio() -> Track {
    Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(48_000).unwrap(),
        parameters: CodecParameters::Aac(Arc::new(AacParameters {
            audio_specific_config: Bytes::from_static(&[0x11, 0x90]),
            object_type: 2,
            sampling_rate: 48_000,
            channels: 2,
            frame_samples: 960,
        })),
    }
}
