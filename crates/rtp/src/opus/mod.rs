//! Opus out of RTP packets (RFC 7587): one packet each, its length by its table of contents.

mod packet;

use std::time::Instant;

use bytes::Bytes;
use media::TrackId;

use self::packet::Framing;
use crate::{
    DropReason, Missing, OpusPacket, Output, TrackHealth,
    health::count_drop,
    placer::{Placed, Placer, Stamped},
    reorder::Released,
    video::Shared,
};

/// Timestamps that are off by less than the shortest frame (2.5 ms) are rounded, not missing sound, in
/// samples at 48 kHz.
const ROUNDING: i64 = 120;

/// A packet with its own timestamp.
#[derive(Debug)]
struct Unit {
    timestamp: u32,
    arrived: Instant,
    framing: Framing,
    /// Something was lost before it.
    after_loss: bool,
    payload: Bytes,
}

impl Stamped for Unit {
    fn timestamp(&self) -> u32 {
        self.timestamp
    }

    fn arrived(&self) -> Instant {
        self.arrived
    }

    fn length(&self) -> i64 {
        i64::from(self.framing.samples)
    }
}

/// An Opus track.
#[derive(Debug)]
pub(crate) struct AudioTrack {
    id: TrackId,
    placer: Placer<Unit>,
    /// Something was lost before the next packet.
    after_loss: bool,
    /// Where the last packet handed out ends, in samples on the media timeline.
    end: Option<i64>,
}

impl AudioTrack {
    pub(crate) const fn new(id: TrackId) -> Self {
        Self { id, placer: Placer::new(id), after_loss: false, end: None }
    }

    pub(crate) fn take(
        &mut self,
        released: Released,
        health: &mut TrackHealth,
        shared: &mut Shared,
    ) {
        let Released::Packet(packet) = released else {
            self.after_loss = true;
            return;
        };
        // Padding to probe the path.
        if packet.payload.is_empty() {
            return;
        }
        let Ok(framing) = packet::parse(&packet.payload) else {
            count_drop(health, DropReason::Malformed);
            self.after_loss = true;
            return;
        };
        let unit = Unit {
            timestamp: packet.timestamp,
            arrived: packet.arrived,
            framing,
            after_loss: std::mem::take(&mut self.after_loss),
            payload: packet.payload,
        };
        for placed in self.placer.push(&mut shared.clocks, unit) {
            self.hand_out(placed, health, shared);
        }
    }

    /// What comes next is of another source.
    pub(crate) fn begin_source(&mut self, health: &mut TrackHealth, shared: &mut Shared) {
        self.after_loss = true;
        if let Some(placed) = self.placer.begin_source(&mut shared.clocks) {
            self.hand_out(placed, health, shared);
        }
    }

    fn hand_out(&mut self, placed: Placed<Unit>, health: &mut TrackHealth, shared: &mut Shared) {
        let (unit, pts) = match placed {
            Placed::Reset(reason) => {
                health.clock_resets += 1;
                shared.outputs.push_back(Output::ClockReset { track: self.id, reason });
                return;
            }
            Placed::Backward => return count_drop(health, DropReason::OutOfOrder),
            Placed::At(unit, pts) => (unit, pts),
        };
        let gap = self.end.map_or(0, |end| pts - end);
        if gap < -ROUNDING {
            return count_drop(health, DropReason::OutOfOrder);
        }
        let missing = match u32::try_from(gap) {
            Ok(samples) if gap >= ROUNDING && unit.after_loss => Missing::Lost(samples),
            Ok(samples) if gap >= ROUNDING => Missing::Silence(samples),
            Ok(_) | Err(_) => Missing::Nothing,
        };
        let pts = pts - gap.min(0);
        self.end = Some(pts + unit.length());
        health.handed_out += 1;
        shared.outputs.push_back(Output::Opus(OpusPacket {
            track: self.id,
            pts,
            samples: unit.framing.samples,
            channels: unit.framing.channels,
            missing,
            payload: unit.payload,
            arrived: unit.arrived,
        }));
    }
}

/// Reads any bytes as a packet; what is read has a length.
pub(crate) fn fuzz_packet(data: &[u8]) {
    if let Ok(framing) = packet::parse(data) {
        assert!((120..=packet::SAMPLES_MAX).contains(&framing.samples), "2.5 to 120 ms");
    }
}

#[cfg(test)]
mod tests;
