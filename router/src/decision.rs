//! Why a segment went where it went: the record of one segment.

use orchestrator::PixelPrice;
use serde::{Deserialize, Serialize};

use crate::{
    fault::FaultClass,
    pool::{PoolName, StreamClass},
    selection::Candidate,
};

/// Everything that was decided about one segment. Times are microseconds after it closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The segment's number.
    pub sequence: u64,
    /// Its duration, in microseconds.
    pub duration_micros: u64,
    /// What counted most.
    pub class: StreamClass,
    /// The pools it was bound to; empty: all.
    pub pools: Vec<PoolName>,
    /// When it had to be listed at the latest.
    pub due_micros: u64,
    /// Every attempt, in order.
    pub attempts: Vec<AttemptRecord>,
    /// Why no (further) attempt was begun, where one was wanted: the last time that was so.
    pub held_up: Option<HeldUp>,
    /// What it came to: `complete`, `source_only`, or why there are gaps.
    pub outcome: String,
    /// When it was released.
    pub released_micros: u64,
}

/// A segment that nobody could take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldUp {
    /// When.
    pub at_micros: u64,
    /// The candidates, with their reasons.
    pub candidates: Vec<Candidate>,
}

/// What an attempt was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    /// The segment's first.
    First,
    /// After another had failed.
    Retry,
    /// Beside another that takes longer than it should.
    Hedge,
    /// Beside another, to see whether a slow orchestrator has healed.
    Probe,
}

impl AttemptKind {
    /// A bounded label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
            Self::Probe => "probe",
        }
    }

    /// Whether it is work done twice.
    pub(crate) const fn is_extra(self) -> bool {
        matches!(self, Self::Hedge | Self::Probe)
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Its name within the stream.
    pub id: u64,
    /// What it was for.
    pub kind: AttemptKind,
    /// Where it went.
    pub orchestrator: String,
    /// The pool through which.
    pub pool: PoolName,
    /// When it began.
    pub started_micros: u64,
    /// How long it might take.
    pub budget_micros: u64,
    /// After what time a second orchestrator was to be asked, where that was possible.
    pub hedge_after_micros: Option<u64>,
    /// When it ended.
    pub ended_micros: Option<u64>,
    /// How.
    pub outcome: AttemptOutcome,
    /// What was measured.
    pub facts: Option<AttemptFacts>,
    /// What was paid, or was about to be.
    #[serde(default)]
    pub payment: Option<PaymentFacts>,
    /// Who else could have been chosen, and why not.
    pub candidates: Vec<Candidate>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum AttemptOutcome {
    /// It has not.
    InFlight,
    /// Its renditions were used.
    Delivered,
    /// Its renditions were good, and not needed any more.
    Surplus,
    /// It failed.
    Failed {
        /// What follows.
        class: FaultClass,
        /// What happened.
        detail: String,
    },
    /// Another was faster, or the segment had to be listed.
    Cancelled {
        /// Which of both.
        reason: String,
    },
}

/// What went along with an attempt. Amounts are wei, exact fractions as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFacts {
    /// The payment's name in the ledger.
    pub payment: u64,
    /// What a pixel cost.
    pub price: PixelPrice,
    /// Tickets that were made for it; none where there was credit.
    pub tickets: u32,
    /// What they are worth.
    pub ev_wei: String,
}

/// What was measured of an attempt that delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFacts {
    /// Until the orchestrator had the segment, in microseconds.
    pub upload_micros: u64,
    /// From there until it had transcoded it.
    pub transcode_micros: u64,
    /// From there until the last rendition was here.
    pub download_micros: u64,
    /// From there until they were checked.
    pub check_micros: u64,
    /// Bytes of the segment.
    pub bytes_sent: u64,
    /// Bytes of the renditions.
    pub bytes_received: u64,
    /// Pixels the orchestrator encoded.
    pub pixels: u64,
    /// How alike the pictures are, in thousandths, where they were compared.
    pub similarity_permille: Option<u32>,
}
