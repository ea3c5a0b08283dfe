//! An H.264 track from packets in order to access units.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use media::{AccessUnit, Chain, CodecParameters, Timescale, Track, TrackId};

use crate::{
    DropReason, KeyFrameReason, KeyFrameSchedule, Output, TrackHealth,
    clock::Clocks,
    h264::{Depacketizer, Picture},
    health::count_drop,
    placer::{Placed, Placer, Stamped},
    reorder::Released,
};

/// What the tracks of a receiver share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clocks: Clocks,
    pub(crate) schedule: KeyFrameSchedule,
    pub(crate) outputs: VecDeque<Output>,
}

impl Stamped for Picture {
    fn timestamp(&self) -> u32 {
        self.timestamp
    }

    fn arrived(&self) -> Instant {
        self.arrived.0
    }

    fn length(&self) -> i64 {
        1
    }
}

/// An H.264 track.
#[derive(Debug)]
pub(crate) struct VideoTrack {
    id: TrackId,
    depacketizer: Depacketizer,
    placer: Placer<Picture>,
    has_begun: bool,
}

impl VideoTrack {
    pub(crate) fn new(id: TrackId, sets: &[Bytes]) -> Self {
        Self {
            id,
            depacketizer: Depacketizer::new(sets),
            placer: Placer::new(id),
            has_begun: false,
        }
    }

    pub(crate) fn take(
        &mut self,
        now: Instant,
        released: &Released,
        health: &mut TrackHealth,
        shared: &mut Shared,
    ) {
        let lost = health.dropped;
        match released {
            Released::Packet(packet) => self.depacketizer.push(packet, health),
            Released::Hole => self.depacketizer.hole(),
        }
        while let Some(picture) = self.depacketizer.pop() {
            for placed in self.placer.push(&mut shared.clocks, picture) {
                self.hand_out(now, placed, health, shared);
            }
        }
        if self.depacketizer.awaits_key_frame() {
            let lost = lost != health.dropped || matches!(released, Released::Hole);
            let begins = !self.has_begun && !lost;
            let reason = if begins { KeyFrameReason::Start } else { KeyFrameReason::Loss };
            shared.schedule.want(now, self.id, reason);
        }
    }

    /// What comes next is of another source.
    pub(crate) fn begin_source(
        &mut self,
        now: Instant,
        health: &mut TrackHealth,
        shared: &mut Shared,
    ) {
        self.depacketizer.hole();
        if let Some(placed) = self.placer.begin_source(&mut shared.clocks) {
            self.hand_out(now, placed, health, shared);
        }
    }

    fn hand_out(
        &mut self,
        now: Instant,
        placed: Placed<Picture>,
        health: &mut TrackHealth,
        shared: &mut Shared,
    ) {
        match placed {
            Placed::Reset(reason) => {
                health.clock_resets += 1;
                shared.outputs.push_back(Output::ClockReset { track: self.id, reason });
            }
            Placed::Backward => {
                count_drop(health, DropReason::OutOfOrder);
                self.depacketizer.refuse(health);
            }
            Placed::At(picture, pts) => {
                self.has_begun = true;
                health.handed_out += 1;
                health.key_frames += u64::from(picture.idr);
                shared.schedule.saw_picture(now, self.id, picture.idr);
                if let Some(parameters) = picture.parameters {
                    shared.outputs.push_back(Output::Track(Track {
                        id: self.id,
                        timescale: Timescale::VIDEO,
                        parameters: CodecParameters::H264(parameters),
                    }));
                }
                shared.outputs.push_back(Output::AccessUnit(AccessUnit {
                    track: self.id,
                    dts: pts,
                    pts,
                    random_access: picture.idr,
                    payload: Chain::from(picture.payload),
                    arrived: picture.arrived.1,
                }));
            }
        }
    }
}
