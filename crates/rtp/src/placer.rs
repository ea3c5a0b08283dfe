//! Units on the timeline, odd ones held until the next one tells what they mean.

use std::time::Instant;

use media::TrackId;

use crate::{
    ClockReset,
    clock::{Clocks, Judgement},
};

/// Something with a timestamp.
pub(crate) trait Stamped {
    fn timestamp(&self) -> u32;
    /// When its first packet arrived: what the network and the sender's pacing delayed least.
    fn arrived(&self) -> Instant;
    /// How long it lasts at least, in ticks.
    fn length(&self) -> i64;
}

/// What became of a unit.
#[derive(Debug)]
pub(crate) enum Placed<U> {
    /// The clock is laid anew with the next unit.
    Reset(ClockReset),
    /// A unit and its presentation time, in ticks.
    At(U, i64),
    /// It would go back in time.
    Backward,
}

/// Places the units of one track. It takes two that agree before a jump is believed; a single odd
/// stamp is put back in line, right behind the unit before: without it what refers to it would break.
#[derive(Debug)]
pub(crate) struct Placer<U> {
    track: TrackId,
    odd: Option<U>,
    /// The next unit is of another source.
    new_source: bool,
    /// Length of the last unit placed.
    length: i64,
}

impl<U: Stamped> Placer<U> {
    pub(crate) const fn new(track: TrackId) -> Self {
        Self { track, odd: None, new_source: false, length: 1 }
    }

    /// What comes next is of another source, which has another clock.
    pub(crate) fn begin_source(&mut self, clocks: &mut Clocks) -> Option<Placed<U>> {
        self.new_source = true;
        self.odd.take().map(|odd| self.return_odd(clocks, odd))
    }

    /// Places a unit. Answers what can be told now, at most three things, in order.
    pub(crate) fn push(&mut self, clocks: &mut Clocks, unit: U) -> Vec<Placed<U>> {
        let mut placed = Vec::with_capacity(3);
        if std::mem::take(&mut self.new_source) {
            self.lay_anew(clocks, unit, ClockReset::NewSource, &mut placed);
            return placed;
        }
        match (clocks.judge(self.track, unit.timestamp(), unit.arrived()), self.odd.take()) {
            (Judgement::Odd, Some(odd)) if self.agree(clocks, &odd, &unit) => {
                self.lay_anew(clocks, odd, ClockReset::Jump, &mut placed);
                placed.extend(self.push(clocks, unit));
            }
            (judgement, odd) => {
                placed.extend(odd.map(|odd| self.return_odd(clocks, odd)));
                match judgement {
                    Judgement::Odd => self.odd = Some(unit),
                    Judgement::Backward => placed.push(Placed::Backward),
                    Judgement::InLine => {
                        let pts = clocks.place(self.track, unit.timestamp(), unit.arrived());
                        self.length = unit.length();
                        placed.push(Placed::At(unit, pts));
                    }
                }
            }
        }
        placed
    }

    fn agree(&self, clocks: &Clocks, first: &U, second: &U) -> bool {
        let stamp = |unit: &U| (unit.timestamp(), unit.arrived());
        clocks.agree(self.track, stamp(first), stamp(second))
    }

    fn lay_anew(
        &mut self,
        clocks: &mut Clocks,
        unit: U,
        reason: ClockReset,
        placed: &mut Vec<Placed<U>>,
    ) {
        let pts = clocks.lay_anew(self.track, unit.timestamp(), unit.arrived());
        self.length = unit.length();
        placed.push(Placed::Reset(reason));
        placed.push(Placed::At(unit, pts));
    }

    fn return_odd(&mut self, clocks: &mut Clocks, odd: U) -> Placed<U> {
        let pts = clocks.place_behind(self.track, self.length);
        self.length = odd.length();
        Placed::At(odd, pts)
    }
}
