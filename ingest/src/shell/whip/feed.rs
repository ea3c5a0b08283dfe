//! A publisher's packets on their way to its stream.

use std::{pin::Pin, sync::Arc, time::Instant};

use bytes::Bytes;
use media::{AccessUnit, CodecParameters, StreamName, Timescale, Track, TrackId};
use peers::{Layer, Offer, Received};
use rtp::{OpusPacket, Output, Receiver, ReceiverConfig};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::{debug, info, warn};

use super::{Sound, SoundEncoding, SoundLine, WhipContext, WhipMetrics, sources::Sources};
use crate::{
    Activity,
    event::{EndReason, PublisherEvent},
    publish::ConnectionId,
    shell::{
        IngestMetrics, PublisherSeat,
        event_queue::{Closed, EventQueue},
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
    /// Of the offer's video, and whether there will be sound: told once the layers are agreed on.
    parameter_sets: Vec<Bytes>,
    with_sound: bool,
    sources: Sources,
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
        offer: &Offer,
        context: &WhipContext,
        now: Instant,
    ) -> Self {
        let config = ReceiverConfig {
            key_frame_target: Some(context.config.key_frame_target),
            ..ReceiverConfig::default()
        };
        context.ingest.whip_publishers().inc();
        let mut receiver = Receiver::new(config, now);
        receiver.add_opus(TrackId::AUDIO);
        Self {
            stream: seat.stream,
            connection,
            dismissed: Box::pin(seat.ended.cancelled_owned()),
            activity: seat.activity,
            queue: EventQueue::new(seat.events, seat.health),
            receiver,
            parameter_sets: offer.parameter_sets().to_vec(),
            with_sound: offer.has_audio() && context.sound.is_some(),
            sources: Sources::new(&[]),
            tracks: TrackLog::default(),
            sound: context.sound.clone(),
            line: None,
            told_of_sound: false,
            ingest: Arc::clone(&context.ingest),
        }
    }

    /// Makes the tracks of pictures: one for each layer of the answer, which may have fewer than the offer.
    pub(super) fn agree(&mut self, layers: &[Layer]) {
        self.sources = Sources::new(layers);
        let video = self.sources.video();
        for track in &video {
            // Layers share a payload type, not parameters.
            let sets = if video.len() == 1 { self.parameter_sets.as_slice() } else { &[] };
            self.receiver.add_h264(*track, sets);
        }
        if video.len() > 1 {
            self.queue.promise(video.len(), usize::from(self.with_sound));
        }
    }

    /// Takes what came from the peer.
    pub(super) fn handle(&mut self, received: Received) {
        match received {
            Received::Packet { kind, layer, packet } => {
                self.activity.touch(packet.arrived);
                let bytes = u64::try_from(packet.payload.len()).unwrap_or(0);
                self.ingest.received_bytes.inc_by(bytes);
                let track = self.sources.saw(kind, layer.as_ref(), packet.ssrc);
                self.receiver.handle_packet(track, packet);
            }
            Received::Report(report) => {
                if let Some(track) = self.sources.track_of(report.ssrc) {
                    self.receiver.handle_sender_report(track, report);
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
                    ask.extend(self.sources.of(&request.tracks));
                }
            }
        }
        self.queue.health().take_packets(&self.receiver);
        Ok(ask)
    }

    fn hand_on_sound(&mut self, packet: OpusPacket, metrics: &WhipMetrics) {
        if self.line.is_none() {
            let sound = self.sound.as_ref();
            self.line = sound.map(|sound| sound.begin(metrics.sound_lost.clone()));
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
            self.queue.health().set_sound_dropped();
        }
    }

    /// Delivers what is left, then the last event.
    pub(super) async fn end(mut self, reason: EndReason, context: &WhipContext) {
        // When the stream is gone there is nobody to tell.
        let open = self.deliver(&context.metrics).is_ok();
        let (connection, stream, how) = (self.connection, &self.stream, reason.as_str());
        let tracks = self.sources.tracks().into_iter();
        let health = tracks.map(|it| (it, self.receiver.health(it).unwrap_or_default()));
        let health: Vec<_> = health.collect();
        let pictures = health.iter().filter(|(track, _)| *track != TrackId::AUDIO);
        info!(
            %connection, %stream,
            pictures = pictures.map(|(_, it)| it.handed_out).sum::<u64>(),
            lost = health.iter().map(|(_, it)| it.lost).sum::<u64>(),
            dropped = self.queue.dropped(),
            "publish ended: {how}",
        );
        for (track, health) in &health {
            debug!(%connection, %track, ?health, "what came");
            context.metrics.track_ended(health);
        }
        context.ingest.publish_ended(how);
        self.activity.end();
        if open {
            self.queue.end(reason, connection, stream).await;
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

#[cfg(test)]
mod tests {
    use peers::{Peers, PeersConfig};
    use tokio::sync::mpsc;
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;
    use crate::{
        Admission, BoxFuture, IngestHealth, PublishRequest, Refusal, WhipConfig, shell::now,
    };

    struct NobodyIsLetIn;

    impl Admission for NobodyIsLetIn {
        fn admit(&self, _: PublishRequest) -> BoxFuture<'_, Result<PublisherSeat, Refusal>> {
            Box::pin(async { Err(Refusal::UnknownKey) })
        }
    }

    fn context() -> WhipContext {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let addr = ([127, 0, 0, 1], 0).into();
        let ports = PeersConfig { addr, tcp: false, public: Vec::new(), peers_max: 1 };
        WhipContext {
            admission: Arc::new(NobodyIsLetIn),
            peers: Peers::bind(&ports, tasks.clone(), &shutdown).unwrap(),
            sound: None,
            config: WhipConfig::default(),
            ingest: Arc::default(),
            metrics: Arc::default(),
            tasks,
            shutdown,
        }
    }

    #[tokio::test]
    async fn tracks_are_those_of_the_answer() {
        let offer = include_str!("../../../../fixtures/chromium-156/simulcast-offer.sdp");
        let offer = Offer::parse(offer).unwrap();
        let seat = PublisherSeat {
            stream: StreamName::new("cam").unwrap(),
            events: mpsc::channel(8).0,
            ended: CancellationToken::new(),
            activity: Arc::new(Activity::new(now())),
            health: IngestHealth::new(now()),
            watch_page: None,
        };
        let context = context();
        let mut feed = Feed::new(ConnectionId::next(), seat, &offer, &context, now());
        feed.agree(&[]);
        assert_eq!(feed.sources.video(), [TrackId::VIDEO]);
        assert!(feed.receiver.health(TrackId::FURTHER).is_none());
        feed.agree(offer.layers());
        assert!(offer.layers().len() > 1);
        assert_eq!(feed.sources.video().len(), offer.layers().len());
        assert!(feed.receiver.health(TrackId::FURTHER).is_some());
        context.shutdown.cancel();
    }
}
