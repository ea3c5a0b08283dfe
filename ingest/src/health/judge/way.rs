//! The way from the publisher to here.

use super::{Judge, Ways, bitrate, seconds};
use crate::health::{
    Arrival, Cause, WarningKind,
    WarningLevel::{Bad, Fair, Note},
};

/// Media that waits at the publisher, in milliseconds; OBS begins to drop pictures at 700.
const BEHIND_MS: (u64, u64) = (600, 250);
const FAR_BEHIND_MS: u64 = 2_000;
/// The latest unit of ten seconds came so much later than the earliest, in milliseconds.
const PEAK_MS: (u64, u64) = (1_000, 500);
/// Bitrates below this are not judged.
const LEAST_BITRATE: u64 = 300_000;
/// Seconds of bitrate that tell what is usual, and how many of them are now.
const USUAL_SECONDS: usize = 20;
const NOW_SECONDS: usize = 3;
/// Share of the usual bitrate that is a collapse, in percent.
const COLLAPSE_PERCENT: (u64, u64) = (25, 50);
/// Bitrates are compared over so many seconds, which evens key frames out, once there are so many.
const BLOCK_SECONDS: usize = 4;
const BLOCKS: usize = 40;
/// Mean deviation of them from their mean, in percent.
const VARIES_PERCENT: (u64, u64) = (30, 22);
/// Lost packets per thousand.
const LOST_PERMILLE: (u64, u64) = (10, 3);
const MUCH_LOST_PERMILLE: u64 = 50;
/// What a publisher may take before unreadable media counts: what comes before the first key frame is none.
const START_MS: u64 = 30_000;

impl Judge<'_> {
    pub(super) fn way(&mut self) {
        self.uplink();
        self.loss();
        self.bitrates();
        self.drops();
    }

    fn uplink(&mut self) {
        let behind = self.now.behind_ms.unwrap_or_default();
        if behind >= self.limit(WarningKind::Uplink, BEHIND_MS) {
            let level = if behind >= FAR_BEHIND_MS { Bad } else { Fair };
            let problem =
                format!("Media arrives {} late, as the upload can't keep up", seconds(behind));
            let lower = self.lower_bitrate();
            let ways = Ways {
                obs: format!("{lower} in OBS (Settings > Output), or use a cable"),
                ffmpeg: format!("{lower} (-b:v, -maxrate), or use a better line"),
                browser: format!("{lower}, or use a cable"),
                other: format!("{lower} in the encoder, or use a better line"),
            };
            return self.find(WarningKind::Uplink, level, problem, ways);
        }
        let peak = self.now.main_video().or_else(|| self.now.main_audio());
        let peak = peak.and_then(|track| track.jitter_peak_ms).unwrap_or_default();
        if peak >= self.limit(WarningKind::Bursts, PEAK_MS) {
            let problem = format!("Media arrives in bursts, up to {} late", seconds(peak));
            let ways =
                Ways::all("a cable in place of Wi-Fi, a lower bitrate or a nearer gateway helps");
            self.find(WarningKind::Bursts, Note, problem, ways);
        }
    }

    /// "lower the bitrate from 6 to 4.2 Mbit/s", or without figures where there are none.
    fn lower_bitrate(&self) -> String {
        match self.now.bitrate_10s.filter(|now| *now >= LEAST_BITRATE) {
            Some(now) => {
                let lower = now / 10 * 7 / 100_000 * 100_000;
                format!("lower the bitrate, to {} or so", bitrate(lower.max(LEAST_BITRATE / 3)))
            }
            None => "lower the bitrate".to_owned(),
        }
    }

    fn loss(&mut self) {
        let lost = self.now.lost_permille.unwrap_or_default();
        if lost >= self.limit(WarningKind::PacketLoss, LOST_PERMILLE) {
            let level = if lost >= MUCH_LOST_PERMILLE { Bad } else { Fair };
            let problem =
                format!("{}.{} % of the packets are lost on the way", lost / 10, lost % 10);
            let ways =
                Ways::all("use a cable or a place nearer to the router, or lower the bitrate");
            self.find(WarningKind::PacketLoss, level, problem, ways);
        }
    }

    fn bitrates(&mut self) {
        let history = &self.now.bitrate_history;
        if self.now.transport == Arrival::Push || history.len() < USUAL_SECONDS {
            return;
        }
        let mut sorted = history.clone();
        sorted.sort_unstable();
        let usual = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let now = mean(history.iter().rev().take(NOW_SECONDS).copied());
        let share = self.limit(WarningKind::BitrateDrop, COLLAPSE_PERCENT);
        if usual >= LEAST_BITRATE && now.saturating_mul(100) < usual.saturating_mul(share) {
            // A still picture needs little; it is more than that where the way is bad as well.
            let bad_way = [WarningKind::Uplink, WarningKind::PacketLoss, WarningKind::FrameRate];
            let level = if bad_way.iter().any(|kind| self.found(*kind)) { Bad } else { Note };
            let problem = format!("The bitrate fell from {} to {}", bitrate(usual), bitrate(now));
            let ways = Ways::all(
                "where the picture is not just still, the line has become too slow: lower the bitrate",
            );
            return self.find(WarningKind::BitrateDrop, level, problem, ways);
        }
        self.variation();
    }

    fn variation(&mut self) {
        let blocks = self.now.bitrate_history.windows(BLOCK_SECONDS);
        let blocks: Vec<_> = blocks.map(|block| mean(block.iter().copied())).collect();
        let average = mean(blocks.iter().copied());
        let deviation = mean(blocks.iter().map(|block| block.abs_diff(average)));
        let most = self.limit(WarningKind::BitrateVaries, VARIES_PERCENT);
        let varies = deviation.saturating_mul(100) > average.saturating_mul(most);
        if blocks.len() < BLOCKS || average < LEAST_BITRATE || !varies {
            return;
        }
        let (least, most) = (blocks.iter().min(), blocks.iter().max());
        let [least, most] = [least, most].map(|it| bitrate(it.copied().unwrap_or_default()));
        let problem = format!("The bitrate varies between {least} and {most}");
        let ways = Ways::new(
            "choose CBR as rate control in OBS (Settings > Output)",
            "hold it with -b:v, -maxrate and -bufsize in ffmpeg",
            "a lower bitrate or resolution is steadier",
            "choose a constant bitrate in the encoder",
        );
        self.find(WarningKind::BitrateVaries, Note, problem, ways);
    }

    fn drops(&mut self) {
        let dropped = self.now.count(Cause::QueueFull).lately;
        if dropped > 0 {
            let problem = format!("The gateway dropped {dropped} pictures and sounds");
            let ways = Ways::all("it has too much to do, which its operator can change");
            self.find(WarningKind::GatewayDrops, Bad, problem, ways);
        }
        let unreadable = [Cause::VideoUnreadable, Cause::AudioUnreadable, Cause::NoParameters];
        let unreadable: u64 = unreadable.iter().map(|it| self.now.count(*it).lately).sum();
        if unreadable > 0 && self.now.connected_ms >= START_MS {
            let problem = format!("{unreadable} pictures and sounds can't be read");
            let ways = Ways::new(
                "choose H.264 and AAC in OBS; if they are, restart the stream",
                "choose -c:v libx264 -c:a aac; if they are, the source is damaged",
                "start the stream anew",
                "choose H.264 and AAC; if they are, the encoder's output is damaged",
            );
            self.find(WarningKind::Unreadable, Fair, problem, ways);
        }
    }
}

fn mean(values: impl Iterator<Item = u64>) -> u64 {
    let (sum, count) = values.fold((0_u64, 0_u64), |(sum, n), it| (sum.saturating_add(it), n + 1));
    sum.checked_div(count).unwrap_or_default()
}
