//! How live streams arrive: who is told, and who may look.

use std::time::{Duration, Instant};

use ingest::{
    HealthMetrics, IngestHealth, OwnedStream, StreamKey, StreamOwners,
    health::{HealthReport, HealthWord, WarningChange},
};
use media::{GapReason, PresentationSegment, RenditionOutcome, StreamName, TrackKind};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Live, Streams, last_part};
use crate::config::KeyDigest;

/// How often it is looked whether something is wrong.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Streams {
    /// How a live stream arrives.
    pub(crate) fn health(&self, stream: &StreamName) -> Option<HealthReport> {
        let now = tokio::time::Instant::now().into_std();
        let seen = self.live().get(stream).map(|live| (live.health.clone(), live.is_published()));
        seen.map(|(health, published)| health.report(now, published))
    }

    /// Begins to measure a publisher, whose key frames should come as often as segments are cut.
    pub(super) fn measure(&self, now: Instant) -> IngestHealth {
        IngestHealth::new(now).with_key_frames_every(self.0.parts.segmenter.goal)
    }

    /// Looks at all streams every second, tells the log what begins and ends, and counts it.
    pub(crate) async fn watch_health(self, metrics: HealthMetrics, closed: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = closed.cancelled() => return,
                now = ticks.tick() => self.look_at_health(now.into_std(), &metrics),
            }
        }
    }

    fn look_at_health(&self, now: Instant, metrics: &HealthMetrics) {
        // The registry is not held meanwhile.
        let look = |(name, live): (&StreamName, &Live)| {
            (name.clone(), live.health.clone(), live.is_published())
        };
        let live: Vec<_> = self.live().iter().map(look).collect();
        let (mut kinds, mut words) = (Vec::new(), Vec::with_capacity(live.len()));
        for (name, health, published) in live {
            let changes = health.assess(now, published);
            changes.iter().filter(|change| change.lasted.is_none()).for_each(|change| {
                metrics.begun(change.finding.kind);
            });
            tell(&name, &changes);
            let warnings = health.warnings();
            let word = HealthWord::of(&warnings);
            words.push(if published { word } else { HealthWord::Away });
            kinds.extend(warnings.iter().map(|warning| warning.finding.kind));
        }
        metrics.set(kinds.into_iter(), words.into_iter());
    }
}

impl Live {
    /// How it arrives, in a word.
    pub(super) fn health_word(&self) -> HealthWord {
        if self.is_published() { HealthWord::of(&self.health.warnings()) } else { HealthWord::Away }
    }

    /// Its publisher is no longer who is looked at.
    pub(super) fn conclude_health(&self, name: &StreamName, now: Instant) {
        tell(name, &self.health.assess(now, false));
    }

    /// Whether somebody publishes it now.
    pub(super) fn is_published(&self) -> bool {
        let holder = self.holder.as_ref().filter(|holder| !holder.activity.has_ended());
        holder.is_some() || self.pushes.is_some()
    }

    /// Takes what became of a segment: whether anybody can decode the source.
    pub(super) fn note_decoders(&self, segment: &PresentationSegment) {
        let mut outcomes = segment.renditions.iter().map(|rendition| &rendition.outcome);
        let none = |outcome: &RenditionOutcome| {
            matches!(outcome, RenditionOutcome::Gap(GapReason::NoDecoder))
        };
        // Where the publisher sends smaller pictures as well, viewers have something to choose.
        let ready_made = segment.source.ready_made.iter().filter_map(|it| it.media.as_ref());
        let alone =
            ready_made.map(|media| media.init.track.kind()).all(|kind| kind == TrackKind::Audio);
        self.health.set_no_decoder(alone && outcomes.any(none));
    }

    /// The key that it is published with.
    const fn key(&self) -> &KeyDigest {
        match &self.pushes {
            Some(pushes) => &pushes.key,
            None => &self.key,
        }
    }
}

impl StreamOwners for Streams {
    fn owned(&self, key: &StreamKey) -> OwnedStream {
        let now = tokio::time::Instant::now().into_std();
        let digests = [key.expose(), last_part(key)].map(KeyDigest::of);
        let look =
            |live: &Live| (live.playback_id.clone(), live.health.clone(), live.is_published());
        let seen = self.live().values().find(|live| digests.contains(live.key())).map(look);
        if let Some((playback_id, health, published)) = seen {
            let report = Box::new(health.report(now, published));
            return OwnedStream::Live { playback_id: playback_id.to_string(), report };
        }
        if self.find(key).is_some() { OwnedStream::OffAir } else { OwnedStream::Unknown }
    }
}

/// Tells the log what has begun to be wrong, and what has ended.
fn tell(stream: &StreamName, changes: &[WarningChange]) {
    for WarningChange { finding, lasted } in changes {
        let kind = finding.kind.as_str();
        match lasted {
            None => tracing::warn!(%stream, kind, "{}", finding.sentence()),
            Some(lasted) => {
                let lasted = lasted.as_secs();
                tracing::info!(%stream, kind, lasted_seconds = lasted, "over: {}", finding.problem);
            }
        }
    }
}
