//! One sequence number in every rendition at once.

use std::sync::Arc;

use crate::{RenditionName, Segment, TrackSegment};

/// A segment as all playlists of the presentation show it, in one step (HLS rules MV-9, MV-10).
#[derive(Clone, Debug)]
pub struct PresentationSegment {
    /// The source: its numbering, boundaries, and its own media.
    pub source: Arc<Segment>,
    /// The transcoded renditions, in the ladder's order.
    pub renditions: Vec<RenditionSegment>,
}

impl PresentationSegment {
    /// Why renditions have no media, where they have none. They share one fate.
    #[must_use]
    pub fn gap(&self) -> Option<GapReason> {
        self.renditions.iter().find_map(|rendition| match rendition.outcome {
            RenditionOutcome::Gap(reason) => Some(reason),
            RenditionOutcome::Media(_) => None,
        })
    }

    /// What its renditions came to, as a bounded label: `complete`, `source_only`, `filler` where nothing was to
    /// be transcoded, or the gap's reason.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self.gap() {
            _ if self.source.filler => "filler",
            Some(reason) => reason.as_str(),
            None if self.renditions.is_empty() => "source_only",
            None => "complete",
        }
    }
}

/// One transcoded rendition's share of a [`PresentationSegment`].
#[derive(Clone, Debug)]
pub struct RenditionSegment {
    /// Which rendition.
    pub name: RenditionName,
    /// Its media, or why there is none.
    pub outcome: RenditionOutcome,
}

/// Media or a declared gap.
#[derive(Clone, Debug)]
pub enum RenditionOutcome {
    /// The segment, on the source's timeline.
    Media(Arc<TrackSegment>),
    /// Nothing to fetch: `EXT-X-GAP`.
    Gap(GapReason),
}

/// Why a rendition has no media for a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The publisher was away; the source has nothing either.
    PublisherAway,
    /// The source segment has no video, or does not start with a key frame: it can't be transcoded.
    NotTranscodable,
    /// No orchestrator had delivered it when it had to be listed.
    Deadline,
    /// Every allowed attempt failed.
    AttemptsFailed,
    /// There was no orchestrator to send it to.
    NoOrchestrator,
    /// There are orchestrators, and none that decodes the source.
    NoDecoder,
    /// Two orchestrators found that it can't be transcoded.
    Quarantined,
    /// Every orchestrator is at work for others, and too many wait already.
    FleetFull,
}

impl GapReason {
    /// A bounded label for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PublisherAway => "publisher_away",
            Self::NotTranscodable => "not_transcodable",
            Self::Deadline => "deadline",
            Self::AttemptsFailed => "attempts_failed",
            Self::NoOrchestrator => "no_orchestrator",
            Self::NoDecoder => "no_decoder",
            Self::Quarantined => "quarantined",
            Self::FleetFull => "fleet_full",
        }
    }
}
