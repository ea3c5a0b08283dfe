//! The bounded queue from a publisher's connection to its stream.

use std::{collections::BTreeMap, time::Duration};

use media::{AccessUnit, StreamName, TrackId, TrackKind};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::timeout,
};
use tracing::{debug, warn};

use super::IngestHealth;
use crate::{
    event::{DiscontinuityReason, EndReason, PublisherEvent},
    publish::ConnectionId,
};

/// How long the last event may wait for room.
const ENDED_DEADLINE: Duration = Duration::from_secs(5);

/// The receiver is gone: the stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// Why the last event did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum EndError {
    /// The receiver is gone.
    #[error("the stream no longer listens")]
    Closed,
    /// The queue stayed full.
    #[error("no room within {ENDED_DEADLINE:?}")]
    Full,
}

/// Hands events to the stream without ever waiting for it.
///
/// When the queue is full, access units are dropped up to the next random access point of the video
/// (of the audio, where there is no video), so that a GOP is missing whole; of several videos each is
/// dropped up to its own, and sound goes on with the first. What has to arrive all the same, tracks and
/// discontinuities, is owed and goes ahead of the next access unit.
pub(super) struct EventQueue {
    sender: mpsc::Sender<PublisherEvent>,
    /// Told of everything that is sent, and of what is dropped.
    health: IngestHealth,
    owed: Vec<PublisherEvent>,
    /// Video tracks, each with whether it is dropped up to its next random access point.
    video: BTreeMap<TrackId, bool>,
    /// Nothing has passed since the queue was full.
    dropping: bool,
    dropped: u64,
}

impl EventQueue {
    pub(super) const fn new(sender: mpsc::Sender<PublisherEvent>, health: IngestHealth) -> Self {
        let video = BTreeMap::new();
        Self { sender, health, owed: Vec::new(), video, dropping: false, dropped: 0 }
    }

    /// Says ahead of everything how many tracks will come ([`PublisherEvent::Layout`]).
    pub(super) fn promise(&mut self, video: usize, audio: usize) {
        self.owed.insert(0, PublisherEvent::Layout { video, audio });
    }

    /// Access units dropped so far.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How well the publisher's media arrives.
    pub(super) const fn health(&self) -> &IngestHealth {
        &self.health
    }

    pub(super) fn send(&mut self, event: PublisherEvent) -> Result<(), Closed> {
        self.health.observe(&event);
        match event {
            PublisherEvent::Layout { video, audio } => {
                self.promise(video, audio);
                Ok(())
            }
            PublisherEvent::AccessUnit(unit) => self.send_unit(unit),
            PublisherEvent::Track(track) => {
                if track.kind() == TrackKind::Video {
                    self.video.entry(track.id).or_insert(self.dropping);
                }
                // Only the newest parameters of a track matter to its next unit.
                let id = track.id;
                self.owed
                    .retain(|owed| !matches!(owed, PublisherEvent::Track(old) if old.id == id));
                self.owed.push(PublisherEvent::Track(track));
                Ok(())
            }
            PublisherEvent::Discontinuity(reason) => {
                self.owe_discontinuity(reason);
                Ok(())
            }
            PublisherEvent::Ended(_) => Ok(()),
        }
    }

    fn send_unit(&mut self, unit: AccessUnit) -> Result<(), Closed> {
        if !self.passes(&unit) {
            self.dropped += 1;
            self.health.queue_dropped(self.dropped);
            return Ok(());
        }
        if self.dropping {
            self.owe_discontinuity(DiscontinuityReason::Dropped);
        }
        let permits = match self.sender.try_reserve_many(self.owed.len() + 1) {
            Ok(permits) => permits,
            Err(TrySendError::Closed(())) => return Err(Closed),
            Err(TrySendError::Full(())) => {
                self.dropping = true;
                self.video.values_mut().for_each(|dropped| *dropped = true);
                self.dropped += 1;
                self.health.queue_dropped(self.dropped);
                return Ok(());
            }
        };
        self.dropping = false;
        self.video.entry(unit.track).and_modify(|dropped| *dropped = false);
        let events = self.owed.drain(..).chain([PublisherEvent::AccessUnit(unit)]);
        for (permit, event) in permits.zip(events) {
            permit.send(event);
        }
        Ok(())
    }

    /// Whether nothing before a unit is missing that it refers to.
    fn passes(&self, unit: &AccessUnit) -> bool {
        match self.video.get(&unit.track) {
            Some(dropped) => !dropped || unit.random_access,
            None if self.video.is_empty() => !self.dropping || unit.random_access,
            None => !self.dropping,
        }
    }

    fn owe_discontinuity(&mut self, reason: DiscontinuityReason) {
        let owes = |owed: &PublisherEvent| matches!(owed, PublisherEvent::Discontinuity(_));
        if !self.owed.iter().any(owes) {
            self.owed.push(PublisherEvent::Discontinuity(reason));
        }
    }

    /// Delivers the last event, and tells the log where it is not taken. Send nothing after it.
    pub(super) async fn end(
        &self,
        reason: EndReason,
        connection: ConnectionId,
        stream: &StreamName,
    ) {
        let dismissed = reason == EndReason::Dismissed;
        match self.deliver_end(reason).await {
            Ok(()) => {}
            Err(error @ EndError::Full) if !dismissed => {
                warn!(%connection, %stream, "stream did not take the end of its publisher: {error}");
            }
            // A stream that let go of its publisher need not hear of its end.
            Err(error) => debug!(%connection, %stream, "end of the publisher not taken: {error}"),
        }
    }

    async fn deliver_end(&self, reason: EndReason) -> Result<(), EndError> {
        let last = self.sender.send(PublisherEvent::Ended(reason));
        let sent = timeout(ENDED_DEADLINE, last).await.map_err(|_elapsed| EndError::Full)?;
        sent.map_err(|_unsent| EndError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use media::{AacParameters, Chain, CodecParameters, Timescale, Track};

    use super::*;

    fn queue(sender: mpsc::Sender<PublisherEvent>) -> EventQueue {
        EventQueue::new(sender, IngestHealth::new(crate::shell::now()))
    }

    fn unit(track: TrackId, dts: i64, random_access: bool) -> PublisherEvent {
        PublisherEvent::AccessUnit(AccessUnit {
            track,
            dts,
            pts: dts,
            random_access,
            payload: Chain::new(),
            arrived: crate::shell::now(),
        })
    }

    fn audio_track() -> PublisherEvent {
        PublisherEvent::Track(Track {
            id: TrackId::AUDIO,
            timescale: Timescale::new(48_000).unwrap(),
            parameters: CodecParameters::Aac(std::sync::Arc::new(AacParameters {
                audio_specific_config: bytes::Bytes::from_static(&[0x11, 0x90]),
                object_type: 2,
                sampling_rate: 48_000,
                channels: 2,
                frame_samples: 1024,
            })),
        })
    }

    fn drain(receiver: &mut mpsc::Receiver<PublisherEvent>) -> Vec<String> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|event| match event {
                PublisherEvent::Layout { video, audio } => format!("{video}+{audio} tracks"),
                PublisherEvent::AccessUnit(unit) => format!("{}:{}", unit.track, unit.dts),
                PublisherEvent::Track(_) => "track".to_owned(),
                PublisherEvent::Discontinuity(reason) => format!("{reason:?}"),
                PublisherEvent::Ended(reason) => reason.as_str().to_owned(),
            })
            .collect()
    }

    #[tokio::test]
    async fn full_queue_drops_whole_gops_and_says_so() {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut queue = queue(sender);
        queue.video.insert(TrackId::VIDEO, false);
        for dts in 0..6 {
            queue.send(unit(TrackId::VIDEO, dts, dts == 0)).unwrap();
        }
        assert_eq!(queue.dropped(), 2);
        assert_eq!(drain(&mut receiver), ["1:0", "1:1", "1:2", "1:3"]);
        // Room again, but neither a later picture nor audio restarts; the next IDR picture does.
        queue.send(unit(TrackId::VIDEO, 6, false)).unwrap();
        queue.send(unit(TrackId::AUDIO, 6, true)).unwrap();
        queue.send(audio_track()).unwrap();
        queue.send(unit(TrackId::VIDEO, 7, true)).unwrap();
        queue.send(unit(TrackId::AUDIO, 7, true)).unwrap();
        assert_eq!(drain(&mut receiver), ["track", "Dropped", "1:7", "2:7"]);
        assert_eq!(queue.dropped(), 4);
        let report = queue.health().report(crate::shell::now(), true);
        assert_eq!(report.snapshot.count(crate::health::Cause::QueueFull).total, 4);
    }

    #[tokio::test]
    async fn each_of_several_videos_restarts_at_its_own_key_frame() {
        let small = TrackId::FURTHER;
        let (sender, mut receiver) = mpsc::channel(2);
        let mut queue = queue(sender);
        queue.video = BTreeMap::from([(TrackId::VIDEO, false), (small, false)]);
        queue.promise(2, 1);
        queue.send(unit(TrackId::VIDEO, 0, true)).unwrap();
        assert_eq!(drain(&mut receiver), ["2+1 tracks", "1:0"]);
        for dts in 1..4 {
            queue.send(unit(TrackId::VIDEO, dts, false)).unwrap();
        }
        assert_eq!(drain(&mut receiver), ["1:1", "1:2"]);
        queue.send(unit(small, 3, false)).unwrap();
        queue.send(unit(TrackId::AUDIO, 3, true)).unwrap();
        queue.send(unit(small, 4, true)).unwrap();
        // The key frame of the large picture comes a little later, what is before it is no use.
        queue.send(unit(TrackId::VIDEO, 4, false)).unwrap();
        assert_eq!(drain(&mut receiver), ["Dropped", "3:4"]);
        queue.send(unit(TrackId::AUDIO, 5, true)).unwrap();
        queue.send(unit(TrackId::VIDEO, 5, true)).unwrap();
        assert_eq!(drain(&mut receiver), ["2:5", "1:5"]);
        assert_eq!(queue.dropped(), 4);
    }

    #[tokio::test]
    async fn audio_alone_restarts_at_any_frame() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut queue = queue(sender);
        queue.send(unit(TrackId::AUDIO, 0, true)).unwrap();
        queue.send(unit(TrackId::AUDIO, 1, true)).unwrap();
        assert_eq!(drain(&mut receiver), ["2:0"]);
        // The discontinuity needs room as well.
        queue.send(unit(TrackId::AUDIO, 2, true)).unwrap();
        assert!(drain(&mut receiver).is_empty());
        assert_eq!(queue.dropped(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_event_waits_for_room() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut queue = queue(sender);
        queue.send(unit(TrackId::AUDIO, 0, true)).unwrap();
        let ended = async { queue.deliver_end(EndReason::Silent).await };
        let read = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let first = receiver.recv().await;
            (first.is_some(), matches!(receiver.recv().await, Some(PublisherEvent::Ended(_))))
        };
        assert_eq!(tokio::join!(ended, read), (Ok(()), (true, true)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_takes_nothing_more_is_told_from_one_that_is_gone() {
        let (sender, receiver) = mpsc::channel(1);
        let mut queue = queue(sender);
        queue.send(unit(TrackId::AUDIO, 0, true)).unwrap();
        assert_eq!(queue.deliver_end(EndReason::Silent).await, Err(EndError::Full));
        drop(receiver);
        assert_eq!(queue.deliver_end(EndReason::Silent).await, Err(EndError::Closed));
    }

    #[tokio::test]
    async fn a_gone_stream_is_noticed() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let mut queue = queue(sender);
        assert_eq!(queue.send(unit(TrackId::AUDIO, 0, true)), Err(Closed));
    }
}
