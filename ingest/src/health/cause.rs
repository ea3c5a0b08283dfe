//! What was dropped, lost or repaired, and why.

use serde::Serialize;

use super::ring::Ring;

/// Slots of five seconds, of which three and the open one are lately.
const SLOT: i64 = 5_000_000;
const SLOTS: usize = 13;
const LATELY: i64 = 3;
/// A minute of them.
const MINUTE: i64 = 12;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// What is counted of a publisher.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause {
            $($(#[$doc])* $name,)*
        }

        impl Cause {
            /// All of them.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// A short, bounded name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

causes! {
    /// Access units dropped because their stream took events too slowly.
    QueueFull = "queue_full",
    /// Access units of a timeline that was left.
    OldTimeline = "old_timeline",
    /// Access units before their track's parameters.
    NoParameters = "no_parameters",
    /// Video that could not be read, and what can't be decoded without it.
    VideoUnreadable = "video_unreadable",
    /// Audio that could not be read.
    AudioUnreadable = "audio_unreadable",
    /// Timestamps put back in line.
    StampRepaired = "timestamp_repaired",
    /// Audio clocks set anew, as stamps and samples had drifted apart.
    AudioResync = "audio_resync",
    /// Jumps of the publisher's clock.
    ClockJump = "clock_jump",
    /// RTP packets that came.
    PacketReceived = "packet_received",
    /// RTP packets given up.
    PacketLost = "packet_lost",
    /// RTP packets that came after they had been given up.
    PacketLate = "packet_late",
    /// Pictures and sounds dropped after packets were lost.
    AfterLoss = "after_loss",
    /// Pictures that came in another order than they are shown, over WebRTC.
    OutOfOrder = "out_of_order",
    /// Times the picture's size changed.
    SizeChange = "size_change",
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Since the publisher connected.
    pub total: u64,
    /// In the last 15 to 20 s.
    pub lately: u64,
}

/// Counts of every cause.
#[derive(Debug)]
pub(super) struct Counts {
    totals: [u64; Cause::ALL.len()],
    slots: Ring<[u32; Cause::ALL.len()], SLOTS>,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self { totals: [0; Cause::ALL.len()], slots: Ring::new(SLOT) }
    }

    /// Adds to a cause.
    pub(super) fn add(&mut self, at: i64, cause: Cause, count: u64) {
        if count == 0 {
            return;
        }
        if let Some(total) = self.totals.get_mut(place(cause)) {
            *total = total.saturating_add(count);
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(slot) = self.slots.at(at).and_then(|slot| slot.get_mut(place(cause))) {
            *slot = slot.saturating_add(count);
        }
    }

    /// Sets what a cause has come to so far; it never goes down.
    pub(super) fn reach(&mut self, at: i64, cause: Cause, total: u64) {
        let before = self.totals.get(place(cause)).copied().unwrap_or_default();
        self.add(at, cause, total.saturating_sub(before));
    }

    pub(super) fn advance(&mut self, now: i64) {
        self.slots.advance(now);
    }

    pub(super) fn of(&self, cause: Cause) -> Count {
        let total = self.totals.get(place(cause)).copied().unwrap_or_default();
        Count { total, lately: self.within(cause, LATELY) }
    }

    /// In the last minute.
    pub(super) fn in_a_minute(&self, cause: Cause) -> u64 {
        self.within(cause, MINUTE)
    }

    fn within(&self, cause: Cause, slots: i64) -> u64 {
        let slots = self.slots.complete(slots).chain([self.slots.open()]);
        slots.filter_map(|slot| slot.get(place(cause)).copied()).map(u64::from).sum()
    }
}

/// Where a cause stands among all.
fn place(cause: Cause) -> usize {
    Cause::ALL.iter().position(|it| *it == cause).unwrap_or(Cause::ALL.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_past_counts_in_the_total_only() {
        let mut counts = Counts::new();
        counts.reach(0, Cause::QueueFull, 3);
        counts.reach(1_000_000, Cause::QueueFull, 5);
        assert_eq!(counts.of(Cause::QueueFull), Count { total: 5, lately: 5 });
        counts.advance(21_000_000);
        assert_eq!(counts.of(Cause::QueueFull), Count { total: 5, lately: 0 });
        assert_eq!(counts.in_a_minute(Cause::QueueFull), 5);
        // A count that begins anew adds nothing until it is further than before.
        counts.reach(21_000_000, Cause::QueueFull, 2);
        assert_eq!(counts.of(Cause::QueueFull).total, 5);
        assert_eq!(counts.of(Cause::PacketLost), Count::default());
    }

    #[test]
    fn every_cause_has_a_place_and_a_name_of_its_own() {
        for (at, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(place(cause), at);
            let same = Cause::ALL.iter().filter(|it| it.as_str() == cause.as_str()).count();
            assert_eq!(same, 1);
        }
    }
}
