//! Key frames, frame rate, size.

use super::{Judge, Ways, seconds, thousandths};
use crate::health::{
    Arrival, Cause, EncoderFamily, GopFigures, TrackFigures, WarningKind,
    WarningLevel::{Bad, Fair, Note},
};

/// Key frames further apart than this, in percent of what is wanted, make long segments, and viewers wait
/// longer.
const FAR_PERCENT: (u32, u32) = (200, 175);
/// From here on they are bad.
const VERY_FAR_PERCENT: u32 = 500;
/// Key frames closer together cost more than they give.
const CLOSE_PERCENT: (u32, u32) = (25, 35);
/// Groups of pictures are uneven when there are some this long, and their length jumps so often.
const UNEVEN_PERCENT: (u32, u32) = (150, 125);
const UNEVEN_JUMPS: u8 = 2;
/// Share of the announced frame rate that has to come, in percent.
const ENOUGH_PERCENT: (u64, u64) = (85, 93);
/// How long frame rates are measured before they count.
const MEASURED_MS: u64 = 10_000;
/// Pictures per thousand off the usual interval.
const IRREGULAR_PERMILLE: (u64, u64) = (250, 150);
/// Changes of size in a minute from which on they are more than a note.
const MANY_SIZES: u64 = 3;

impl Judge<'_> {
    pub(super) fn pictures(&mut self) {
        if self.now.count(Cause::OutOfOrder).lately > 0 && self.now.transport == Arrival::Whip {
            let problem = "B-frames come over WebRTC, and are dropped".to_owned();
            let ways = Ways::new(
                "set the maximum of B-frames to 0 in OBS (Settings > Output)",
                "add -bf 0 in ffmpeg",
                "send H.264 of the baseline profile",
                "switch B-frames off in the encoder",
            );
            self.find(WarningKind::BFrames, Bad, problem, ways);
        }
        let now = self.now;
        if let Some(video) = now.main_video() {
            if let Some(gop) = &video.gop {
                self.key_frames(gop, video.frame_rate.or(video.announced_frame_rate));
            }
            self.frame_rate(video);
        }
        self.sizes();
    }

    fn key_frames(&mut self, gop: &GopFigures, frame_rate: Option<u32>) {
        let usual = gop.usual_ms.unwrap_or_default();
        let far = self.share_of_wanted(WarningKind::KeyFramesFar, FAR_PERCENT);
        let very_far =
            self.share_of_wanted(WarningKind::KeyFramesFar, (VERY_FAR_PERCENT, VERY_FAR_PERCENT));
        let close = self.share_of_wanted(WarningKind::KeyFramesClose, CLOSE_PERCENT);
        let longest = usual.max(gop.current_ms);
        if longest > far {
            let level = if longest >= very_far { Bad } else { Fair };
            let problem = if usual > far {
                format!("Keyframe every {}", seconds(usual.into()))
            } else {
                format!("No keyframe for {}", seconds(gop.current_ms.into()))
            };
            self.find(WarningKind::KeyFramesFar, level, problem, self.interval("", frame_rate));
        } else if gop.usual_ms.is_some_and(|it| it < close) {
            let problem = format!("Keyframe every {}, which costs quality", seconds(usual.into()));
            self.find(WarningKind::KeyFramesClose, Note, problem, self.interval("", frame_rate));
        } else if self.now.transport != Arrival::Whip {
            self.uneven_key_frames(gop, frame_rate);
        }
    }

    fn uneven_key_frames(&mut self, gop: &GopFigures, frame_rate: Option<u32>) {
        let Some((shortest, longest)) = gop.shortest_lately_ms.zip(gop.longest_lately_ms) else {
            return;
        };
        let long = longest >= self.share_of_wanted(WarningKind::KeyFramesUneven, UNEVEN_PERCENT);
        if long && gop.jumps_lately >= UNEVEN_JUMPS {
            let (shortest, longest) = (seconds(shortest.into()), seconds(longest.into()));
            let problem = format!("Keyframes come {shortest} to {longest} apart");
            let ways = self.interval(" and scene detection off", frame_rate);
            self.find(WarningKind::KeyFramesUneven, Note, problem, ways);
        }
    }

    fn frame_rate(&mut self, video: &TrackFigures) {
        let measured = self.now.connected_ms >= MEASURED_MS;
        let rates = video.frame_rate.zip(video.announced_frame_rate).filter(|_| measured);
        if let Some((comes, announced)) = rates {
            let (comes, announced) = (u64::from(comes), u64::from(announced));
            let enough = self.limit(WarningKind::FrameRate, ENOUGH_PERCENT);
            if comes.saturating_mul(100) < announced.saturating_mul(enough) {
                let (comes, announced) = (thousandths(comes), thousandths(announced));
                let problem = format!("{comes} pictures a second come of {announced} announced");
                let ways = Ways::new(
                    "see View > Stats in OBS: where encoding lags choose a faster preset, where frames are dropped a lower bitrate",
                    "where its speed= is below 1x choose a faster -preset, else a lower bitrate",
                    "choose a lower resolution or frame rate",
                    "choose a faster preset or a lower bitrate in the encoder",
                );
                self.find(WarningKind::FrameRate, Fair, problem, ways);
            }
        }
        // Browsers send pictures as cameras make them.
        let steady = self.now.transport != Arrival::Whip && measured;
        let irregular = video.irregular_permille.filter(|_| steady).unwrap_or_default();
        if irregular >= self.limit(WarningKind::FrameIntervals, IRREGULAR_PERMILLE) {
            let problem =
                format!("Variable frame rate: {} % of the intervals differ", irregular / 10);
            let ways = Ways::new(
                "choose a fixed frame rate in OBS (Settings > Video), and see View > Stats for skipped frames",
                "add -fps_mode cfr in ffmpeg",
                "choose a lower frame rate",
                "choose a constant frame rate in the encoder",
            );
            self.find(WarningKind::FrameIntervals, Note, problem, ways);
        }
    }

    fn sizes(&mut self) {
        let changes = self.now.size_changes_in_a_minute;
        if changes == 0 {
            return;
        }
        let level = if changes >= MANY_SIZES { Fair } else { Note };
        let times = if changes == 1 { "once".to_owned() } else { format!("{changes} times") };
        let problem = format!("The picture's size changed {times} in the last minute");
        let ways = if self.now.family() == EncoderFamily::Browser {
            Ways::all("a lower bitrate or resolution from the start spares the browser that")
        } else {
            Ways::all("players start their decoders anew each time; keep one size while live")
        };
        self.find(WarningKind::SizeChanges, level, problem, ways);
    }

    /// A limit of milliseconds that is so many percent of what is wanted.
    fn share_of_wanted(&self, kind: WarningKind, percent: (u32, u32)) -> u32 {
        self.now.key_frames_every_ms.saturating_mul(self.limit(kind, percent)) / 100
    }

    /// How key frames are set to come as they should.
    fn interval(&self, and: &str, frame_rate: Option<u32>) -> Ways {
        let every = u64::from(self.now.key_frames_every_ms);
        let wanted = thousandths(every);
        let rate = u64::from(frame_rate.unwrap_or(30_000));
        let pictures = (rate.saturating_mul(every) + 500_000) / 1_000_000;
        let scenes = if and.is_empty() { "" } else { " -sc_threshold 0" };
        Ways {
            obs: format!(
                "set it to {wanted} s{and} in OBS (Settings > Output > Keyframe Interval)"
            ),
            ffmpeg: format!("set it to {wanted} s in ffmpeg (-g {pictures}{scenes})"),
            browser: format!(
                "the gateway asks for one every {wanted} s and gets none; start the stream anew"
            ),
            other: format!("set it to {wanted} s{and} in the encoder"),
        }
    }
}
