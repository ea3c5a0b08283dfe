//! What a publisher's connection tells the stream it feeds.

use media::{AccessUnit, Track};

use crate::publish::Refusal;

/// One thing that happened to a publisher's stream, in order.
#[derive(Clone, Debug)]
pub enum PublisherEvent {
    /// How many tracks of each kind the publisher has said will come. Sent only where there are several
    /// of a kind, and then as the first event, so that a stream can wait for the parameters of all before
    /// it settles what it shows. A promise, not a bound: one of them may never come (a browser pauses the
    /// layers that its uplink has no room for), and others may join later.
    Layout {
        /// Video tracks, at most [`media::MAX_VIDEO_TRACKS`].
        video: usize,
        /// Audio tracks, at most [`media::MAX_AUDIO_TRACKS`].
        audio: usize,
    },
    /// A new track, or new parameters of one: holds from that track's next access unit on.
    Track(Track),
    /// The next access unit in decoding order of its track.
    AccessUnit(AccessUnit),
    /// A new timeline begins with the next access unit; its clock is not comparable with the old.
    Discontinuity(DiscontinuityReason),
    /// The publish is over. Always the last event.
    Ended(EndReason),
}

/// Why a new timeline begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiscontinuityReason {
    /// The publisher's clock jumped.
    ClockJump,
    /// The stream took events too slowly, and access units up to a random access point were dropped.
    Dropped,
    /// A pushed segment's number is behind that of the one before.
    OutOfOrder,
}

/// Why a publish is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The publisher said so.
    Unpublished,
    /// The connection closed or broke.
    ConnectionLost,
    /// No byte for the idle timeout.
    Silent,
    /// The root ended the seat: kicked or taken over.
    Dismissed,
    /// The gateway shuts down.
    ShuttingDown,
    /// The publisher is turned away after the start, with what it was told.
    Refused(Refusal),
    /// The publisher broke RTMP, or its media can't be read.
    ProtocolError,
}

impl EndReason {
    /// A short, bounded name for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unpublished => "unpublished",
            Self::ConnectionLost => "connection lost",
            Self::Silent => "silent",
            Self::Dismissed => "dismissed",
            Self::ShuttingDown => "shutting down",
            Self::Refused(_) => "refused",
            Self::ProtocolError => "protocol error",
        }
    }
}
