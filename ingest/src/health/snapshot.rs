//! How a publisher's media arrives at one moment.

use std::{collections::BTreeMap, time::Duration};

use media::{TrackId, TrackKind};
use serde::{Serialize, Serializer};

use super::{Cause, Count, Encoder, EncoderFamily};

/// How a publisher's media comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// RTMP.
    #[default]
    Rtmp,
    /// RTMP in TLS.
    Rtmps,
    /// WebRTC.
    Whip,
    /// Whole segments over HTTP.
    Push,
}

/// Everything that is known of a publisher's media. Times are in milliseconds, bitrates in bit/s of payload.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HealthSnapshot {
    /// How it comes.
    pub transport: Arrival,
    /// What it is sent with, as the publisher says.
    #[serde(serialize_with = "name_of")]
    pub encoder: Option<Encoder>,
    /// How long the publisher has been connected.
    pub connected_ms: u64,
    /// How far apart its key frames should be.
    pub key_frames_every_ms: u32,
    /// All tracks, those without a unit so far, too.
    pub tracks: Vec<TrackFigures>,
    /// Bitrate of all tracks together in the last second; `None` before one is over.
    pub bitrate: Option<u64>,
    /// The same over ten seconds.
    pub bitrate_10s: Option<u64>,
    /// The same of each second of the last minute, the oldest first.
    pub bitrate_history: Vec<u64>,
    /// How long nothing has come.
    pub silent_ms: u64,
    /// The longest time in which nothing came.
    pub longest_silence_ms: u64,
    /// How far behind the best of the last minute media is; it waits at the publisher. `None` where media
    /// comes in whole segments.
    pub behind_ms: Option<u64>,
    /// Sound against picture.
    pub skew: Option<Skew>,
    /// How much faster the publisher's clock runs than ours, in millionths; negative: slower. `None` before it
    /// was watched for a minute.
    pub clock_drift_ppm: Option<i64>,
    /// What that has come to.
    pub clock_drift_ms: Option<i64>,
    /// Lost packets per thousand lately; `None` where there are no packets.
    pub lost_permille: Option<u64>,
    /// What was dropped, lost and repaired, by cause; those that happened.
    pub counts: BTreeMap<&'static str, Count>,
    /// Repaired timestamps, set-anew clocks and jumps in the last minute.
    pub repairs_in_a_minute: u64,
    /// Times the picture's size changed in the last minute.
    pub size_changes_in_a_minute: u64,
    /// Whether sound comes and is dropped, as nothing here can make AAC of Opus.
    pub sound_dropped: bool,
    /// Whether no orchestrator decodes the video.
    pub no_decoder: bool,
}

/// One track.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackFigures {
    /// Its number.
    #[serde(serialize_with = "number_of")]
    pub id: TrackId,
    /// What it carries.
    #[serde(serialize_with = "kind_name")]
    pub kind: TrackKind,
    /// Its codec (RFC 6381).
    pub codec: String,
    /// Width as shown; video only.
    pub width: Option<u32>,
    /// Height as shown; video only.
    pub height: Option<u32>,
    /// In Hz; audio only.
    pub sampling_rate: Option<u32>,
    /// Audio only.
    pub channels: Option<u8>,
    /// Access units so far.
    pub units: u64,
    /// How long none has come.
    pub silent_ms: u64,
    /// Bitrate of the last second.
    pub bitrate: Option<u64>,
    /// Bitrate of the last ten seconds.
    pub bitrate_10s: Option<u64>,
    /// Pictures a second by their timestamps, in thousandths, over ten seconds; shown as a number of them.
    #[serde(serialize_with = "thousandths")]
    pub frame_rate: Option<u32>,
    /// What the parameters or the metadata announce, likewise.
    #[serde(serialize_with = "thousandths")]
    pub announced_frame_rate: Option<u32>,
    /// Pictures per thousand that don't follow at the usual interval.
    pub irregular_permille: Option<u64>,
    /// How far apart key frames are.
    pub gop: Option<GopFigures>,
    /// Pictures that are decoded ahead of one that is shown before them, at most; 0: no B-frames.
    pub reordering: Option<u8>,
    /// How unevenly units arrive against their clock, on the average (RFC 3550 §6.4.1).
    pub jitter_ms: Option<u64>,
    /// How much later than the earliest the latest unit of ten seconds came.
    pub jitter_peak_ms: Option<u64>,
}

/// Lengths of groups of pictures, in milliseconds of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GopFigures {
    /// Of the last one that is over.
    pub last_ms: Option<u32>,
    /// The median of the latest nine.
    pub usual_ms: Option<u32>,
    /// The shortest of the latest nine.
    pub shortest_lately_ms: Option<u32>,
    /// The longest of the latest nine.
    pub longest_lately_ms: Option<u32>,
    /// How often one of them is three times as long as its neighbour.
    pub jumps_lately: u8,
    /// The longest of all.
    pub longest_ms: Option<u32>,
    /// Of the one under way, so far.
    pub current_ms: u32,
}

/// Sound against picture, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skew {
    /// How much further the newest timestamp of the sound is than that of the picture.
    pub stamps_ms: i64,
    /// How much later sound arrives than the picture of the same time.
    pub arrival_ms: i64,
    /// How that has changed since the first seconds: their clocks part.
    pub change_ms: i64,
}

impl HealthSnapshot {
    /// The video that everything is measured by: track 1, or where that pauses the largest that doesn't.
    #[must_use]
    pub fn main_video(&self) -> Option<&TrackFigures> {
        const PAUSED_MS: u64 = 3_000;
        let videos = || self.tracks.iter().filter(|track| track.kind == TrackKind::Video);
        let active = |track: &&TrackFigures| track.units > 0 && track.silent_ms < PAUSED_MS;
        videos()
            .filter(active)
            .find(|track| track.id == TrackId::VIDEO)
            .or_else(|| videos().filter(active).max_by_key(|track| track.height))
            .or_else(|| videos().find(|track| track.units > 0))
            .or_else(|| videos().next())
    }

    /// The sound that comes most recently.
    #[must_use]
    pub fn main_audio(&self) -> Option<&TrackFigures> {
        let sounds = self.tracks.iter().filter(|track| track.kind == TrackKind::Audio);
        sounds.filter(|track| track.units > 0).min_by_key(|track| (track.silent_ms, track.id))
    }

    /// What kind of program it is sent with.
    #[must_use]
    pub fn family(&self) -> EncoderFamily {
        self.encoder.as_ref().map(Encoder::family).unwrap_or_default()
    }

    /// How often something happened.
    #[must_use]
    pub fn count(&self, cause: Cause) -> Count {
        self.counts.get(cause.as_str()).copied().unwrap_or_default()
    }

    /// How long the publisher has been connected.
    #[must_use]
    pub const fn connected(&self) -> Duration {
        Duration::from_millis(self.connected_ms)
    }
}

fn name_of<S: Serializer>(encoder: &Option<Encoder>, serializer: S) -> Result<S::Ok, S::Error> {
    encoder.as_ref().map(Encoder::name).serialize(serializer)
}

fn number_of<S: Serializer>(id: &TrackId, serializer: S) -> Result<S::Ok, S::Error> {
    id.0.serialize(serializer)
}

fn kind_name<S: Serializer>(kind: &TrackKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match kind {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
    })
}

fn thousandths<S: Serializer>(value: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| f64::from(value) / 1_000.0).serialize(serializer)
}
