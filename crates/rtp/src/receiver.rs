//! The tracks of one publisher.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use media::{Timescale, TrackId};

use crate::{
    KeyFrameReason, KeyFrameSchedule, Output, Packet, SenderReport, TrackHealth,
    clock::Clocks,
    jitter::Jitter,
    opus::AudioTrack,
    reorder::Reorder,
    video::{Shared, VideoTrack},
};

/// How fast a track's offset may change as a rule, in thousandths of the media time that passes: 50 ms in
/// a second, which nobody sees in pictures.
pub const SLEW_PER_MILLE: i64 = 50;

/// How fast it changes at most: where half a second and more is to be made good, 250 ms in a second.
pub const SLEW_MAX_PER_MILLE: i64 = 250;

/// Settings of a [`Receiver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// How long a missing video packet is waited for, counted from when it was first missed. Long
    /// enough for two retransmissions over the longest path to be healed. Default 300 ms.
    pub video_patience: Duration,
    /// The same for sound, of which browsers resend nothing. Default 100 ms.
    pub audio_patience: Duration,
    /// Longest group of pictures: a key frame is asked for ahead of it. `None`: only when needed.
    /// Default 2 s.
    pub key_frame_target: Option<Duration>,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            video_patience: Duration::from_millis(300),
            audio_patience: Duration::from_millis(100),
            key_frame_target: Some(Duration::from_secs(2)),
        }
    }
}

/// Makes access units of the packets of one publisher's tracks. Holds no I/O and reads no clock.
///
/// Drain [`Self::poll_output`] after every `handle_*` and `want_*`; call [`Self::handle_timeout`] when
/// [`Self::poll_timeout`] has passed.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    epoch: Instant,
    tracks: BTreeMap<TrackId, TrackState>,
    shared: Shared,
}

/// One track on its way through the receiver.
#[derive(Debug)]
struct TrackState {
    ssrc: Option<u32>,
    reorder: Reorder,
    patience: Duration,
    jitter: Jitter,
    health: TrackHealth,
    /// A report from before the first unit: some senders begin with one.
    early_report: Option<SenderReport>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    H264(Box<VideoTrack>),
    Opus(AudioTrack),
}

impl Receiver {
    /// A receiver without tracks. Media time zero is `now`.
    #[must_use]
    pub const fn new(config: ReceiverConfig, now: Instant) -> Self {
        let shared = Shared {
            clocks: Clocks::new(now),
            schedule: KeyFrameSchedule::new(config.key_frame_target),
            outputs: VecDeque::new(),
        };
        Self { config, epoch: now, tracks: BTreeMap::new(), shared }
    }

    /// Adds an H.264 track (RFC 6184, packetization modes 0 and 1). `parameter_sets` are those of
    /// `sprop-parameter-sets`, decoded from base64, or none; sets that can't be read are left out, as
    /// senders repeat them in band. Each layer of a simulcast is a track of its own. A track added
    /// again starts anew.
    pub fn add_h264(&mut self, track: TrackId, parameter_sets: &[Bytes]) {
        let format = Format::H264(Box::new(VideoTrack::new(track, parameter_sets)));
        self.add(track, Timescale::VIDEO, self.config.video_patience, format);
    }

    /// Adds an Opus track (RFC 7587). A track added again starts anew.
    pub fn add_opus(&mut self, track: TrackId) {
        let format = Format::Opus(AudioTrack::new(track));
        self.add(track, OPUS, self.config.audio_patience, format);
    }

    fn add(&mut self, track: TrackId, timescale: Timescale, patience: Duration, format: Format) {
        self.shared.clocks.add(track, timescale, matches!(format, Format::Opus(_)));
        let state = TrackState {
            ssrc: None,
            reorder: Reorder::new(patience),
            patience,
            jitter: Jitter::new(timescale, self.epoch),
            health: TrackHealth::default(),
            early_report: None,
            format,
        };
        self.tracks.insert(track, state);
    }

    /// Takes a packet of `track`; ignored for one that was not added.
    pub fn handle_packet(&mut self, track: TrackId, packet: Packet) {
        let now = packet.arrived;
        let Some(state) = self.tracks.get_mut(&track) else { return };
        state.handle_packet(packet, &mut self.shared);
        state.report_early(track, &mut self.shared);
        self.ask(now);
    }

    /// Takes a sender report about `track`; ignored for one that was not added, or of another source
    /// than its packets are of.
    pub fn handle_sender_report(&mut self, track: TrackId, report: SenderReport) {
        let Some(state) = self.tracks.get_mut(&track) else { return };
        match state.ssrc {
            Some(ssrc) if ssrc != report.ssrc => state.health.reports_ignored += 1,
            Some(_) if state.health.handed_out > 0 => {
                state.report(track, &report, &mut self.shared);
            }
            Some(_) | None => state.early_report = Some(report),
        }
    }

    /// Asks all video tracks for a key frame, as soon as the limit of requests allows: after an ICE
    /// restart, or for a rendition that begins.
    pub fn want_key_frames(&mut self, now: Instant) {
        for (id, state) in &self.tracks {
            if matches!(state.format, Format::H264(_)) {
                self.shared.schedule.want(now, *id, KeyFrameReason::Demand);
            }
        }
        self.ask(now);
    }

    /// Another longest group of pictures from now on; `None` asks for key frames only when needed.
    pub const fn set_key_frame_target(&mut self, target: Option<Duration>) {
        self.shared.schedule.set_target(target);
    }

    /// Does what is due at `now`: gives up missing packets, asks for key frames.
    pub fn handle_timeout(&mut self, now: Instant) {
        for state in self.tracks.values_mut() {
            state.reorder.expire(now, &mut state.health);
            state.take_released(now, &mut self.shared);
        }
        self.ask(now);
    }

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let holes = self.tracks.values().filter_map(|state| state.reorder.deadline());
        holes.chain(self.shared.schedule.poll_timeout()).min()
    }

    /// A track's figures; `None` for one that was not added.
    #[must_use]
    pub fn health(&self, track: TrackId) -> Option<TrackHealth> {
        self.tracks.get(&track).map(|state| state.health)
    }

    fn ask(&mut self, now: Instant) {
        if let Some(request) = self.shared.schedule.poll_request(now) {
            self.shared.outputs.push_back(Output::KeyFrameWanted(request));
        }
    }
}

/// The clock of every Opus track (RFC 7587 §4.1).
const OPUS: Timescale = Timescale::new(48_000).unwrap();

impl TrackState {
    fn handle_packet(&mut self, packet: Packet, shared: &mut Shared) {
        let now = packet.arrived;
        if self.ssrc.replace(packet.ssrc).is_some_and(|ssrc| ssrc != packet.ssrc) {
            self.begin_source(now, shared);
        }
        let bytes = u64::try_from(packet.payload.len()).unwrap_or(u64::MAX);
        self.health.received += 1;
        self.health.received_bytes += bytes;
        self.health.jitter = self.jitter.push(packet.timestamp, now);
        self.reorder.insert(packet, &mut self.health);
        self.take_released(now, shared);
    }

    fn begin_source(&mut self, now: Instant, shared: &mut Shared) {
        self.reorder = Reorder::new(self.patience);
        self.jitter.restart();
        self.early_report = None;
        match &mut self.format {
            Format::H264(video) => video.begin_source(now, &mut self.health, shared),
            Format::Opus(audio) => audio.begin_source(&mut self.health, shared),
        }
    }

    fn take_released(&mut self, now: Instant, shared: &mut Shared) {
        while let Some(released) = self.reorder.pop() {
            match &mut self.format {
                Format::H264(video) => video.take(now, &released, &mut self.health, shared),
                Format::Opus(audio) => audio.take(released, &mut self.health, shared),
            }
        }
    }

    /// Hands over a report that came ahead of the first unit.
    fn report_early(&mut self, track: TrackId, shared: &mut Shared) {
        if self.health.handed_out == 0 {
            return;
        }
        let Some(report) = self.early_report.take() else { return };
        if Some(report.ssrc) == self.ssrc {
            self.report(track, &report, shared);
        } else {
            self.health.reports_ignored += 1;
        }
    }

    fn report(&mut self, track: TrackId, report: &SenderReport, shared: &mut Shared) {
        if shared.clocks.report(track, report) {
            self.health.reports += 1;
        } else {
            self.health.reports_ignored += 1;
        }
    }
}

#[cfg(test)]
mod tests;
