//! Timestamps and clocks.

use super::{Judge, Ways, seconds, thousandths};
use crate::health::{
    Arrival, WarningKind,
    WarningLevel::{Bad, Fair},
};

/// How far apart sound and picture of the same time may come, in milliseconds.
const ARRIVAL_MS: (u64, u64) = (1_500, 800);
/// How far apart their newest timestamps may be.
const STAMPS_MS: (u64, u64) = (2_000, 1_000);
/// How far their clocks may have parted.
const PARTED_MS: (u64, u64) = (400, 200);
/// How fast or slow a publisher's clock may be, in millionths, and what that has to come to, in milliseconds.
const DRIFT_PPM: (u64, u64) = (1_000, 500);
const DRIFT_MS: u64 = 300;
/// From here on it is no clock's fault: a file is sent as fast as it can be read, or slower than it plays.
const SPEED_PPM: u64 = 30_000;
/// Repaired timestamps in a minute.
const REPAIRS: (u64, u64) = (5, 2);

impl Judge<'_> {
    pub(super) fn clocks(&mut self) {
        if self.now.transport != Arrival::Push {
            self.skew();
            self.drift();
        }
        let repairs = self.now.repairs_in_a_minute;
        if repairs >= self.limit(WarningKind::Timestamps, REPAIRS) {
            let problem = format!("{repairs} timestamps had to be repaired in the last minute");
            let ways = Ways::new(
                "restart the stream; if it stays, a source in OBS has a broken clock",
                "let ffmpeg make them anew: -fflags +genpts, or -use_wallclock_as_timestamps 1 for devices",
                "start the stream anew",
                "restart the encoder; if it stays, its source has a broken clock",
            );
            self.find(WarningKind::Timestamps, Fair, problem, ways);
        }
    }

    fn skew(&mut self) {
        let Some(skew) = self.now.skew else { return };
        // One of both that is missing is another matter.
        if self.found(WarningKind::NoPicture) || self.found(WarningKind::NoSound) {
            return;
        }
        let parted = skew.change_ms.unsigned_abs();
        if parted >= self.limit(WarningKind::Skew, PARTED_MS) {
            let problem = format!("Sound and picture drift apart, by {} so far", seconds(parted));
            let ways = Ways::new(
                "set all devices and OBS to one sampling rate, 48 kHz (Settings > Audio)",
                "hold them together with -af aresample=async=1 in ffmpeg",
                "start the stream anew",
                "use one clock for sound and picture in the encoder",
            );
            return self.find(WarningKind::Skew, Bad, problem, ways);
        }
        let arrival = skew.arrival_ms.unsigned_abs() >= self.limit(WarningKind::Skew, ARRIVAL_MS);
        let stamps = skew.stamps_ms.unsigned_abs() >= self.limit(WarningKind::Skew, STAMPS_MS);
        if arrival || stamps {
            // Sound that arrives later has older timestamps.
            let apart = if arrival { skew.arrival_ms } else { skew.stamps_ms.saturating_neg() };
            let by = seconds(apart.unsigned_abs());
            let problem = if apart > 0 {
                format!("Sound arrives {by} after its picture")
            } else {
                format!("The picture arrives {by} after its sound")
            };
            let ways = Ways::new(
                "see the sync offsets in OBS (Advanced Audio Properties)",
                "put both through one -i where you can, or shift one with -itsoffset",
                "start the stream anew",
                "see the encoder's delays of sound and picture",
            );
            self.find(WarningKind::Skew, Fair, problem, ways);
        }
    }

    fn drift(&mut self) {
        let Some((drift, gained)) = self.now.clock_drift_ppm.zip(self.now.clock_drift_ms) else {
            return;
        };
        let size = drift.unsigned_abs();
        let off = size >= self.limit(WarningKind::ClockDrift, DRIFT_PPM);
        if !off || gained.unsigned_abs() < DRIFT_MS || self.found(WarningKind::Uplink) {
            return;
        }
        if size >= SPEED_PPM {
            let speed = thousandths(1_000_u64.saturating_add_signed(drift / 1_000) * 100);
            let problem = format!("Media comes at {speed} % of the speed it plays at");
            let ways = Ways::new(
                "see whether the machine keeps up (View > Stats in OBS)",
                "read files with -re in ffmpeg, and see that its speed= stays at 1x",
                "choose a lower resolution or frame rate",
                "send it as fast as it plays",
            );
            return self.find(WarningKind::ClockDrift, Bad, problem, ways);
        }
        let which = if drift > 0 { "fast" } else { "slow" };
        let percent = format!("{}.{:02}", size / 10_000, size / 100 % 100);
        let problem = format!(
            "The publisher's clock runs {percent} % {which}, {} so far",
            seconds(gained.unsigned_abs())
        );
        let ways = Ways::new(
            "let the machine set its clock from the network, and restart the stream now and then",
            "add -use_wallclock_as_timestamps 1 ahead of a device in ffmpeg",
            "start the stream anew now and then",
            "have the encoder set its clock from the network",
        );
        self.find(WarningKind::ClockDrift, Fair, problem, ways);
    }
}
