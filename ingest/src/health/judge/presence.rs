//! Whether there is picture and sound at all.

use super::{Judge, Ways, seconds};
use crate::health::{
    Arrival, WarningKind,
    WarningLevel::{Bad, Fair},
};

/// What a publisher may take before its first media is missed, in milliseconds.
const START_MS: u64 = 5_000;
/// Nothing comes for so long, in milliseconds; whole segments come with pauses as long as they are.
const SILENT_MS: u64 = 3_000;
const SILENT_PUSH_MS: u64 = 30_000;

impl Judge<'_> {
    /// Whether nothing comes.
    pub(super) fn silence(&mut self) -> bool {
        let silent = self.now.silent_ms;
        let limit = if self.now.transport == Arrival::Push { SILENT_PUSH_MS } else { SILENT_MS };
        if self.now.connected_ms < START_MS || silent < limit {
            return false;
        }
        let problem = format!("Nothing has arrived for {}", seconds(silent));
        let ways = Ways::new(
            "see whether OBS is still connected, and whether the network is",
            "see whether ffmpeg still runs, and whether the network is there",
            "see whether the network is there; a firewall may keep WebRTC out",
            "see whether the encoder is still connected, and whether the network is",
        );
        self.find(WarningKind::Silent, Bad, problem, ways);
        true
    }

    pub(super) fn presence(&mut self) {
        if self.now.connected_ms >= START_MS {
            self.picture();
            self.sound();
        }
        if self.now.no_decoder {
            let codec = self.now.main_video().map(|it| it.codec.clone()).unwrap_or_default();
            let problem = format!("No orchestrator decodes this video ({codec})");
            let ways = Ways::all(
                "viewers get it as it comes and nothing smaller; send H.264 to have all sizes",
            );
            self.find(WarningKind::NoDecoder, Fair, problem, ways);
        }
    }

    fn picture(&mut self) {
        let missing = match self.now.main_video().filter(|video| video.units > 0) {
            None => None,
            Some(video) if video.silent_ms >= self.pause() => Some(video.silent_ms),
            Some(_) => return,
        };
        let (level, problem) = match missing {
            None => (Fair, "There is sound, and no picture".to_owned()),
            Some(silent) => (Bad, format!("No picture for {}", seconds(silent))),
        };
        let ways = Ways::new(
            "see in OBS whether a scene is shown and the video encoder works",
            "map a video stream (-map 0:v) and see whether its source still delivers",
            "choose a camera or a screen",
            "see whether the encoder has a picture",
        );
        self.find(WarningKind::NoPicture, level, problem, ways);
    }

    fn sound(&mut self) {
        if self.now.sound_dropped {
            let problem = "The sound comes as Opus and is dropped".to_owned();
            let ways = Ways::new(
                "publish over RTMP with AAC: this gateway has no FFmpeg to convert it",
                "publish over RTMP with -c:a aac: this gateway has no FFmpeg to convert it",
                "this gateway has no FFmpeg to convert it; its operator can run a build that has",
                "publish over RTMP with AAC: this gateway has no FFmpeg to convert it",
            );
            return self.find(WarningKind::SoundDropped, Bad, problem, ways);
        }
        let missing = match self.now.main_audio() {
            None => None,
            Some(audio) if audio.silent_ms >= self.pause() => Some(audio.silent_ms),
            Some(_) => return,
        };
        let (level, problem) = match missing {
            None => (Fair, "There is a picture, and no sound".to_owned()),
            Some(silent) => (Bad, format!("No sound for {}", seconds(silent))),
        };
        let ways = Ways::new(
            "add an audio source in OBS, and see whether its meter moves",
            "map an audio stream (-map 0:a -c:a aac)",
            "choose a microphone",
            "see whether the encoder has a sound source",
        );
        self.find(WarningKind::NoSound, level, problem, ways);
    }

    /// How long one kind may be missing while the other comes.
    const fn pause(&self) -> u64 {
        match self.now.transport {
            Arrival::Push => SILENT_PUSH_MS,
            Arrival::Rtmp | Arrival::Rtmps | Arrival::Whip => SILENT_MS,
        }
    }
}
