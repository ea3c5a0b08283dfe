//! Packets back in order, within bounds.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    time::{Duration, Instant},
};

use crate::{Packet, TrackHealth};

/// Packets held behind a hole: 1.2 s of 8 Mbit/s in packets of 1200 bytes. One more gives up the
/// oldest hole.
const PACKETS_MAX: usize = 1_024;
/// Bytes of their payloads: 3 s of 8 Mbit/s. One more gives up the oldest hole.
const BYTES_MAX: usize = 3 << 20;
/// A sequence number further ahead, or behind, starts anew once the next packet follows on it
/// (RFC 3550 §A.1, `MAX_DROPOUT`).
const REACH: i16 = 3_000;
/// Ranges of numbers that were given up and are remembered to tell late packets from repeated ones.
const GIVEN_UP_MAX: usize = 64;
/// The first extended number: far enough from zero that none before it is negative.
const FIRST_CYCLE: u64 = 1 << 32;

/// One packet in order, or the news that some will not come.
#[derive(Debug)]
pub(crate) enum Released {
    Packet(Packet),
    Hole,
}

/// Numbers not yet given up, and when the first packet behind them came.
#[derive(Clone, Debug)]
struct Hole {
    numbers: Range<u64>,
    seen: Instant,
}

/// The reorder buffer of a track. In order, packets pass through it without being held.
///
/// Each hole has its deadline from the moment it is seen, not from when it is the next in line: many
/// open holes must not add up.
#[derive(Debug)]
pub(crate) struct Reorder {
    patience: Duration,
    place: Option<Place>,
    held: BTreeMap<u64, Packet>,
    held_bytes: usize,
    /// In order; the first one begins at the next number whenever something is held.
    holes: VecDeque<Hole>,
    given_up: VecDeque<Range<u64>>,
    /// A packet out of reach, kept until the next one tells whether the numbers go on from there.
    stray: Option<Packet>,
    released: VecDeque<Released>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    first: u64,
    next: u64,
    highest: u64,
}

impl Reorder {
    pub(crate) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            place: None,
            held: BTreeMap::new(),
            held_bytes: 0,
            holes: VecDeque::new(),
            given_up: VecDeque::new(),
            stray: None,
            released: VecDeque::new(),
        }
    }

    /// Takes a packet, and gives up what its arrival time is too late for.
    pub(crate) fn insert(&mut self, packet: Packet, health: &mut TrackHealth) {
        let now = packet.arrived;
        let Some(place) = self.place else { return self.start(packet) };
        let step = step(place.highest, packet.sequence);
        if step.unsigned_abs() > REACH.unsigned_abs() {
            self.insert_stray(packet, health);
        } else {
            let number = place.highest.saturating_add_signed(i64::from(step));
            self.stray = None;
            self.insert_numbered(place, number, packet, health);
        }
        while self.held.len() > PACKETS_MAX || self.held_bytes > BYTES_MAX {
            self.give_up(health);
        }
        self.expire(now, health);
    }

    /// Gives up every hole whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant, health: &mut TrackHealth) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.give_up(health);
        }
    }

    /// When the oldest hole is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.holes.front().map(|hole| hole.seen + self.patience)
    }

    /// The next packet or hole, in order.
    pub(crate) fn pop(&mut self) -> Option<Released> {
        self.released.pop_front()
    }

    fn start(&mut self, packet: Packet) {
        let number = FIRST_CYCLE + u64::from(packet.sequence);
        self.place = Some(Place { first: number, next: number + 1, highest: number });
        self.released.push_back(Released::Packet(packet));
    }

    fn insert_stray(&mut self, packet: Packet, health: &mut TrackHealth) {
        match self.stray.take() {
            Some(stray) if stray.sequence.wrapping_add(1) == packet.sequence => {
                health.restarts += 1;
                let patience = self.patience;
                let released = std::mem::take(&mut self.released);
                *self = Self { released, ..Self::new(patience) };
                self.released.push_back(Released::Hole);
                self.start(stray);
                self.insert(packet, health);
            }
            _ => self.stray = Some(packet),
        }
    }

    fn insert_numbered(
        &mut self,
        place: Place,
        number: u64,
        packet: Packet,
        health: &mut TrackHealth,
    ) {
        if number < place.next {
            let given_up = self.given_up.iter().any(|numbers| numbers.contains(&number));
            if given_up || number < place.first {
                health.late += 1;
            } else {
                health.duplicate += 1;
            }
            return;
        }
        if number > place.highest {
            if number > place.highest + 1 {
                let numbers = place.highest + 1..number;
                self.holes.push_back(Hole { numbers, seen: packet.arrived });
            }
            self.place = Some(Place { highest: number, ..place });
            if number == place.next {
                self.place = Some(Place { highest: number, next: number + 1, ..place });
                self.released.push_back(Released::Packet(packet));
                return;
            }
        } else if self.held.contains_key(&number) {
            health.duplicate += 1;
            return;
        } else {
            health.reordered += 1;
            self.fill(number);
        }
        self.held_bytes += packet.payload.len();
        self.held.insert(number, packet);
        self.release();
    }

    /// Takes one number out of the hole it is in.
    fn fill(&mut self, number: u64) {
        let at = self.holes.partition_point(|hole| hole.numbers.end <= number);
        let Some(hole) = self.holes.get_mut(at) else { return };
        let after = Hole { numbers: number + 1..hole.numbers.end, seen: hole.seen };
        hole.numbers.end = number;
        let before_is_empty = hole.numbers.is_empty();
        if !after.numbers.is_empty() {
            self.holes.insert(at + 1, after);
        }
        if before_is_empty {
            self.holes.remove(at);
        }
    }

    /// Lets go of what is in order.
    fn release(&mut self) {
        let Some(place) = &mut self.place else { return };
        while let Some(packet) = self.held.remove(&place.next) {
            self.held_bytes -= packet.payload.len();
            place.next += 1;
            self.released.push_back(Released::Packet(packet));
        }
    }

    fn give_up(&mut self, health: &mut TrackHealth) {
        let (Some(place), Some(hole)) = (&mut self.place, self.holes.pop_front()) else { return };
        health.lost += hole.numbers.end - hole.numbers.start;
        place.next = hole.numbers.end;
        self.given_up.push_back(hole.numbers);
        if self.given_up.len() > GIVEN_UP_MAX {
            self.given_up.pop_front();
        }
        self.released.push_back(Released::Hole);
        self.release();
    }
}

/// From the extended number `from` to the nearest one that ends in `to`.
fn step(from: u64, to: u16) -> i16 {
    let low = u16::try_from(from & u64::from(u16::MAX)).unwrap_or(0);
    to.wrapping_sub(low).cast_signed()
}

#[cfg(test)]
mod tests;
