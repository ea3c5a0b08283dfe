//! Figures of a track, for the health of an ingest.

use std::time::Duration;

/// Why access units, or packets that would have become some, were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A packet of it was lost.
    Loss,
    /// It came after something was lost, or before the first key frame.
    AwaitingKeyFrame,
    /// A key frame without the parameter sets that decode it.
    NoParameterSets,
    /// Its payload breaks the payload format's rules, or is of a kind that was not negotiated.
    Malformed,
    /// It is larger than any bound allows.
    TooLarge,
    /// It would go back in time: pictures in another order than they are shown (B-frames), or sound
    /// that overlaps.
    OutOfOrder,
}

impl DropReason {
    /// All of them, in the order of [`TrackHealth::dropped`].
    pub const ALL: [Self; 6] = [
        Self::Loss,
        Self::AwaitingKeyFrame,
        Self::NoParameterSets,
        Self::Malformed,
        Self::TooLarge,
        Self::OutOfOrder,
    ];

    /// A short, bounded name for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::AwaitingKeyFrame => "awaiting_key_frame",
            Self::NoParameterSets => "no_parameter_sets",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::OutOfOrder => "out_of_order",
        }
    }
}

/// What happened on a track so far. Counters never go down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackHealth {
    /// Packets that came, duplicates and late ones included.
    pub received: u64,
    /// Bytes of their payloads.
    pub received_bytes: u64,
    /// Packets given up: they had not come when their deadline passed.
    pub lost: u64,
    /// Packets that came after they had been given up, or from before the first one.
    pub late: u64,
    /// Packets that had come before.
    pub duplicate: u64,
    /// Packets that came after a later one, in time.
    pub reordered: u64,
    /// How often sequence numbers went on elsewhere, out of reach of reordering.
    pub restarts: u64,
    /// Access units or Opus packets handed out.
    pub handed_out: u64,
    /// Key frames among them; zero for sound.
    pub key_frames: u64,
    /// Access units or Opus packets dropped, by [`DropReason::ALL`]'s order.
    pub dropped: [u64; DropReason::ALL.len()],
    /// Clocks laid anew.
    pub clock_resets: u64,
    /// Sender reports that were believed.
    pub reports: u64,
    /// Sender reports that made no sense.
    pub reports_ignored: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1, §A.8).
    pub jitter: Duration,
}

impl TrackHealth {
    /// How many access units or Opus packets were dropped for this reason.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        let counts = DropReason::ALL.iter().zip(self.dropped);
        counts.filter(|(known, _)| **known == reason).map(|(_, count)| count).sum()
    }
}

/// Counts an access unit or Opus packet that was dropped.
pub(crate) fn count_drop(health: &mut TrackHealth, reason: DropReason) {
    let at = DropReason::ALL.iter().position(|known| *known == reason);
    if let Some(count) = at.and_then(|at| health.dropped.get_mut(at)) {
        *count += 1;
    }
}
