//! Audio ticks from the sample count, held to the stamps.
//!
//! A frame of 1024 samples lasts 21.333 ms at 48 kHz, and its RTMP stamp is a whole millisecond.
//! Counting samples gives the even spacing that players want; the stamps keep the count from
//! drifting away from the video's clock.

use media::Timescale;

use super::ticks;

/// The error's moving average is kept in units of 1/256 tick, over 64 frames.
const FRACTION: i64 = 256;
const AVERAGE_FRAMES: i64 = 64;

/// The clock of one audio track.
#[derive(Debug)]
pub(super) struct AudioClock {
    timescale: Timescale,
    frame: i64,
    next: Option<i64>,
    last: Option<i64>,
    /// Stamp minus count, averaged: what is left when the rounding to milliseconds evens out.
    error: i64,
    slewing: bool,
}

impl AudioClock {
    pub(super) const fn new(timescale: Timescale, frame: i64) -> Self {
        Self { timescale, frame, next: None, last: None, error: 0, slewing: false }
    }

    /// Forgets everything: the next stamp starts the count.
    pub(super) const fn reset(&mut self) {
        self.next = None;
        self.last = None;
        self.error = 0;
        self.slewing = false;
    }

    /// Ticks of the frame stamped `position` milliseconds.
    pub(super) fn place(&mut self, position: i64, resyncs: &mut u64) -> i64 {
        let stamped = ticks(position, self.timescale);
        let dts = match self.next {
            None => stamped,
            Some(next) if (stamped - next).abs() > self.frame => {
                *resyncs += 1;
                self.error = 0;
                self.slewing = false;
                self.last.map_or(stamped, |last| stamped.max(last + 1))
            }
            Some(next) => next + self.slew(stamped - next),
        };
        self.last = Some(dts);
        self.next = Some(dts + self.frame);
        dts
    }

    /// A tick towards the stamps once the average error passes 0.6 ms, until it is below 0.1 ms.
    ///
    /// Rounding alone keeps the average within 0.5 ms, so a publisher whose sampling clock is the
    /// one it stamps with gets frames of exactly `frame` ticks for ever.
    fn slew(&mut self, error: i64) -> i64 {
        self.error += (error * FRACTION - self.error) / AVERAGE_FRAMES;
        let rate = i64::from(self.timescale.get()) * FRACTION;
        let distance = self.error.abs() * 10_000;
        if distance > rate * 6 {
            self.slewing = true;
        } else if distance < rate {
            self.slewing = false;
        }
        if !self.slewing {
            return 0;
        }
        let step = self.error.signum();
        self.error -= step * FRACTION;
        step
    }
}
