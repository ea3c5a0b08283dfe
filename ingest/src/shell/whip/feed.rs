//! A publisher's packets on their way to its stream.

use std::{pin::Pin, sync::Arc, time::Instant};

use media::{AccessUnit, CodecParameters, StreamName, Timescale, Track, TrackId};
use peers::{MediaKind, Received};
use rtp::{OpusPacket, Output, Receiver, ReceiverConfig};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info, warn};

use super::{Sound, SoundEncoding, SoundLine, WhipContext, WhipMetrics};
use crate::{
    Activity,
    event::{EndReason, PublisherEvent},
    publish::ConnectionId,
    shell::{
        IngestMetrics, PublisherSeat,
        event_queue::{Closed, EndError, EventQueue},
        track_log::TrackLog,
    },
};

/// A publisher that was let in: its packets become events of its stream.
pub(super) struct Feed {
    pub(super) stream: StreamName,
    connection: ConnectionId,
    /// Resolves when the root wants the publisher gone.
    pub(super) dismissed: Pin<Box<WaitForCancellationFutureOwned>>,
    activity: Arc<Activity>,
    queue: EventQueue,
    receiver: Receiver,
    /// The source of each track's latest packet.
    video: Option<u32>,
    audio: Option<u32>,
    tracks: TrackLog,
    sound: Option<Arc<dyn SoundEncoding>>,
    /// Open from the first packet of sound on.
    pub(super) line: Option<SoundLine>,
    told_of_sound: bool,
    ingest: Arc<IngestMetrics>,
}

impl Feed {
    pub(super) fn new(
        connection: ConnectionId,
        seat: PublisherSeat,
        context: &WhipContext,
        now: Instant,
    ) -> Self {
        let config = ReceiverConfig {
            key_frame_target: Some(context.config.key_frame_target),
            ..ReceiverConfig::default()
        };
        context.ingest.whip_publishers().inc();
        let mut receiver = Receiver::new(config, now);
        receiver.add_h264(TrackId::VIDEO, &[]);
        receiver.add_opus(TrackId::AUDIO);
        Self {
            stream: seat.stream,
            connection,
            dismissed: Box::pin(seat.ended.cancelled_owned()),
            activity: seat.activity,
            queue: EventQueue::new(seat.events),
            receiver,
            video: None,
            audio: None,
            tracks: TrackLog::default(),
            sound: context.sound.clone(),
            line: None,
            told_of_sound: false,
            ingest: Arc::clone(&context.ingest),
        }
    }

    /// Takes what came from the peer.
    pub(super) fn handle(&mut self, received: Received) {
        match received {
            Received::Packet { kind, packet, .. } => {
                self.activity.touch(packet.arrived);
                let bytes = u64::try_from(packet.payload.len()).unwrap_or(0);
                self.ingest.received_bytes.inc_by(bytes);
                let (source, track) = match kind {
                    MediaKind::Video => (&mut self.video, TrackId::VIDEO),
                    MediaKind::Audio => (&mut self.audio, TrackId::AUDIO),
                };
                *source = Some(packet.ssrc);
                self.receiver.handle_packet(track, packet);
            }
            Received::Report(report) => {
                for (source, track) in [(self.video, TrackId::VIDEO), (self.audio, TrackId::AUDIO)]
                {
                    if source == Some(report.ssrc) {
                        self.receiver.handle_sender_report(track, report);
                    }
                }
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.receiver.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.receiver.poll_timeout()
    }

    /// A picture that needs no earlier one is wanted: packets were lost while the way changed.
    pub(super) fn want_key_frames(&mut self, now: Instant) {
        self.receiver.want_key_frames(now);
    }

    /// How long nothing came.
    pub(super) fn silent_for(&self, now: Instant) -> std::time::Duration {
        self.activity.silent_for(now)
    }

    /// The publisher is there: silence counts from now.
    pub(super) fn connected(&self, now: Instant) {
        self.activity.touch(now);
    }

    /// Puts what is ready into the queue. Gives the sources to be asked for a key frame.
    pub(super) fn deliver(&mut self, metrics: &WhipMetrics) -> Result<Vec<u32>, Closed> {
        let mut ask = Vec::new();
        while let Some(output) = self.receiver.poll_output() {
            match output {
                Output::Track(track) => {
                    self.tracks.tell(self.connection, &self.stream, &track);
                    self.queue.send(PublisherEvent::Track(track))?;
                }
                Output::AccessUnit(unit) => self.queue.send(PublisherEvent::AccessUnit(unit))?,
                Output::Opus(packet) => self.hand_on_sound(packet, metrics),
                Output::ClockReset { track, reason } => {
                    let (connection, stream) = (self.connection, &self.stream);
                    debug!(%connection, %stream, %track, ?reason, "a track's clock was laid anew");
                }
                Output::KeyFrameWanted(request) => {
                    metrics.key_frame_requests.inc();
                    ask.extend(self.video.filter(|_| request.tracks.contains(&TrackId::VIDEO)));
                }
            }
        }
        Ok(ask)
    }

    fn hand_on_sound(&mut self, packet: OpusPacket, metrics: &WhipMetrics) {
        if self.line.is_none() {
            self.line = self.sound.as_ref().map(|sound| sound.begin());
        }
        let Some(line) = &self.line else { return self.drop_sound(metrics) };
        let sound = Sound { pts: packet.pts, payload: packet.payload };
        if line.packets.try_send(sound).is_err() {
            metrics.sound_lost.inc();
        }
    }

    /// Takes a frame that was made of it.
    pub(super) fn handle_frame(&mut self, frame: Sound, now: Instant) -> Result<(), Closed> {
        let Some(line) = &self.line else { return Ok(()) };
        let Some(timescale) = Timescale::new(line.parameters.sampling_rate) else { return Ok(()) };
        if !std::mem::replace(&mut self.told_of_sound, true) {
            let track = Track {
                id: TrackId::AUDIO,
                timescale,
                parameters: CodecParameters::Aac(Arc::clone(&line.parameters)),
            };
            self.tracks.tell(self.connection, &self.stream, &track);
            self.queue.send(PublisherEvent::Track(track))?;
        }
        self.queue.send(PublisherEvent::AccessUnit(AccessUnit {
            track: TrackId::AUDIO,
            dts: frame.pts,
            pts: frame.pts,
            random_access: true,
            payload: frame.payload.into(),
            arrived: now,
        }))
    }

    fn drop_sound(&mut self, metrics: &WhipMetrics) {
        if !std::mem::replace(&mut self.told_of_sound, true) {
            let (connection, stream) = (self.connection, &self.stream);
            warn!(
                %connection, %stream,
                "published without sound: it comes as Opus, and this build has no FFmpeg to make AAC of it"
            );
            metrics.sound_dropped.inc();
        }
    }

    /// Delivers what is left, then the last event.
    pub(super) async fn end(mut self, reason: EndReason, context: &WhipContext) {
        // When the stream is gone there is nobody to tell.
        let open = self.deliver(&context.metrics).is_ok();
        let (connection, stream, how) = (self.connection, &self.stream, reason.as_str());
        let health = |track| self.receiver.health(track).unwrap_or_default();
        let (video, audio) = (health(TrackId::VIDEO), health(TrackId::AUDIO));
        info!(
            %connection, %stream,
            pictures = video.handed_out,
            lost = video.lost + audio.lost,
            dropped = self.queue.dropped(),
            "publish ended: {how}",
        );
        debug!(?video, ?audio, "what came");
        context.metrics.track_ended(&video);
        context.metrics.track_ended(&audio);
        context.ingest.publish_ended(how);
        self.activity.end();
        if !open {
            return;
        }
        let dismissed = reason == EndReason::Dismissed;
        match self.queue.end(reason).await {
            Ok(()) => {}
            Err(error @ EndError::Full) if !dismissed => {
                warn!(%connection, %stream, "stream did not take the end of its publisher: {error}");
            }
            // A stream that let go of its publisher need not hear of its end.
            Err(error) => debug!(%connection, %stream, "end of the publisher not taken: {error}"),
        }
    }
}

impl Drop for Feed {
    /// The seat is free also when the session's task is dropped with the publisher in it.
    fn drop(&mut self) {
        self.ingest.whip_publishers().dec();
        self.activity.end();
    }
}
