//! The tracks of one publisher.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::TrackId;

use crate::{KeyFrameSchedule, Output, Packet, SenderReport, TrackHealth};

/// How fast a track's offset may change, in thousandths of the media time that passes: 50 ms in a
/// second, which nobody sees in pictures.
pub const SLEW_PER_MILLE: i64 = 50;

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
    schedule: KeyFrameSchedule,
}

impl Receiver {
    /// A receiver without tracks. Media time zero is `now`.
    #[must_use]
    pub const fn new(config: ReceiverConfig, _now: Instant) -> Self {
        Self { schedule: KeyFrameSchedule::new(config.key_frame_target) }
    }

    /// Adds an H.264 track (RFC 6184, packetization modes 0 and 1). `parameter_sets` are those of
    /// `sprop-parameter-sets`, decoded from base64, or none; sets that can't be read are left out, as
    /// senders repeat them in band. Each layer of a simulcast is a track of its own. A track added
    /// again starts anew.
    pub fn add_h264(&mut self, _track: TrackId, _parameter_sets: &[Bytes]) {}

    /// Adds an Opus track (RFC 7587). A track added again starts anew.
    pub fn add_opus(&mut self, _track: TrackId) {}

    /// Takes a packet of `track`; ignored for one that was not added.
    pub fn handle_packet(&mut self, _track: TrackId, _packet: Packet) {}

    /// Takes a sender report about `track`; ignored for one that was not added.
    pub fn handle_sender_report(&mut self, _track: TrackId, _report: SenderReport) {}

    /// Asks all video tracks for a key frame, as soon as the limit of requests allows: after an ICE
    /// restart, or for a rendition that begins.
    pub fn want_key_frames(&mut self, _now: Instant) {}

    /// Another longest group of pictures from now on; `None` asks for key frames only when needed.
    pub const fn set_key_frame_target(&mut self, target: Option<Duration>) {
        self.schedule.set_target(target);
    }

    /// Does what is due at `now`: gives up missing packets, asks for key frames.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// A track's figures; `None` for one that was not added.
    #[must_use]
    pub fn health(&self, _track: TrackId) -> Option<TrackHealth> {
        None
    }
}
