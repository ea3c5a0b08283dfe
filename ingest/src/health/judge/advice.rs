//! What to do about it, where the publisher finds it.

use crate::health::{Arrival, EncoderFamily, HealthSnapshot};

/// One piece of advice for each kind of publisher; `other` says it without naming a program.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) obs: String,
    pub(super) ffmpeg: String,
    pub(super) browser: String,
    pub(super) other: String,
}

impl Ways {
    /// The same for everybody.
    pub(super) fn all(text: &str) -> Self {
        let text = || text.to_owned();
        Self { obs: text(), ffmpeg: text(), browser: text(), other: text() }
    }

    pub(super) fn new(obs: &str, ffmpeg: &str, browser: &str, other: &str) -> Self {
        let [obs, ffmpeg, browser, other] = [obs, ffmpeg, browser, other].map(str::to_owned);
        Self { obs, ffmpeg, browser, other }
    }

    /// What this publisher is told.
    pub(super) fn of(self, now: &HealthSnapshot) -> String {
        match now.family() {
            // What cuts segments is rarely the encoder itself.
            _ if now.transport == Arrival::Push => self.other,
            EncoderFamily::Obs => self.obs,
            EncoderFamily::Ffmpeg => self.ffmpeg,
            EncoderFamily::Browser => self.browser,
            EncoderFamily::Other => self.other,
        }
    }
}
