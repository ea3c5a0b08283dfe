//! One publish on a connection: from FLV bodies to the stream's queue.

use std::{pin::Pin, time::Instant};

use media::StreamName;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info, warn};

use super::{
    IngestMetrics, PublisherSeat, Transport,
    event_queue::{Closed, EventQueue},
    metrics::PublisherStats,
    track_log::TrackLog,
};
use crate::{
    demux::{Demux, DemuxError},
    event::{EndReason, PublisherEvent},
    publish::ConnectionId,
    rtmp::MediaMessage,
};

/// A publisher that was let in.
pub(super) struct Publisher {
    pub(super) stream: StreamName,
    connection: ConnectionId,
    transport: Transport,
    /// Resolves when the root wants the publisher gone.
    pub(super) dismissed: Pin<Box<WaitForCancellationFutureOwned>>,
    activity: std::sync::Arc<super::Activity>,
    queue: EventQueue,
    demux: Demux,
    stats: PublisherStats,
    encoder: Option<String>,
    tracks: TrackLog,
}

impl Publisher {
    pub(super) fn new(connection: ConnectionId, transport: Transport, seat: PublisherSeat) -> Self {
        seat.health.over_rtmp(transport);
        Self {
            stream: seat.stream,
            connection,
            transport,
            dismissed: Box::pin(seat.ended.cancelled_owned()),
            activity: seat.activity,
            queue: EventQueue::new(seat.events, seat.health),
            demux: Demux::new(),
            stats: PublisherStats::default(),
            encoder: None,
            tracks: TrackLog::default(),
        }
    }

    pub(super) fn touch(&self, now: Instant) {
        self.activity.touch(now);
    }

    pub(super) fn push(&mut self, now: Instant, message: &MediaMessage) -> Result<(), DemuxError> {
        self.demux.push(now, message)
    }

    /// Puts what has been read into the queue. Called once per read, so that the stream wakes once.
    pub(super) fn deliver(&mut self, metrics: &IngestMetrics) -> Result<(), Closed> {
        while let Some(event) = self.demux.poll_output() {
            match &event {
                PublisherEvent::Track(track) => {
                    self.tracks.tell(self.connection, &self.stream, track);
                }
                PublisherEvent::Discontinuity(reason) => {
                    debug!(connection = %self.connection, stream = %self.stream, ?reason, "new timeline");
                }
                PublisherEvent::Layout { video, audio } => {
                    debug!(connection = %self.connection, stream = %self.stream, video, audio, "tracks announced");
                }
                PublisherEvent::AccessUnit(_) | PublisherEvent::Ended(_) => {}
            }
            self.queue.send(event)?;
        }
        if let Some(warning) = self.demux.take_warning() {
            warn!(connection = %self.connection, stream = %self.stream, "{warning}");
        }
        let now = PublisherStats {
            demux: self.demux.stats(),
            timeline: self.demux.timeline_stats(),
            queue_dropped: self.queue.dropped(),
        };
        if now != self.stats {
            metrics.add(&self.stats, &now);
            self.queue.health().take_counts(&now);
            self.stats = now;
        }
        Ok(())
    }

    /// What the connection's client calls itself, until its metadata say more.
    pub(super) fn encoded_by(&self, client: &str) {
        self.queue.health().set_encoder(client);
    }

    /// Tells the log, once per publish and encoder.
    pub(super) fn tell_encoder(&mut self, encoder: String) {
        self.queue.health().set_encoder(&encoder);
        if self.encoder.is_none() {
            debug!(connection = %self.connection, stream = %self.stream, encoder, "publisher's encoder");
            self.encoder = Some(encoder);
        }
    }

    /// The frame rate that its metadata announce, in thousandths.
    pub(super) fn announce_rate(&self, thousandths: u32) {
        self.queue.health().set_announced_rate(thousandths);
    }

    /// Delivers what is left, then the last event.
    pub(super) async fn end(mut self, reason: EndReason, metrics: &IngestMetrics) {
        self.demux.finish();
        // When the stream is gone there is nobody to tell.
        let open = self.deliver(metrics).is_ok();
        let (connection, stream) = (self.connection, &self.stream);
        let (how, stats) = (reason.as_str(), self.stats);
        info!(
            %connection, %stream,
            repaired = stats.timeline.repaired,
            jumps = stats.timeline.jumps,
            dropped = stats.queue_dropped,
            "publish ended: {how}",
        );
        metrics.publish_ended(how);
        metrics.publishers(self.transport).dec();
        self.activity.end();
        if open {
            self.queue.end(reason, connection, stream).await;
        }
    }
}

impl Drop for Publisher {
    /// The seat is free also when the connection's task is dropped with the publisher in it.
    fn drop(&mut self) {
        self.activity.end();
    }
}
