//! One publisher's health, written by its connection and read by anybody.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use media::{TrackId, wall_clock_now};
use rtp::{DropReason, Receiver};

use crate::{
    event::PublisherEvent,
    health::{Arrival, Cause, HealthMeter, HealthReport, MAX_TRACKS, WarningChange},
    push::PushedSegment,
    shell::{Transport, metrics::PublisherStats, now},
};

/// How often packets are counted anew.
const PACKETS_EVERY: Duration = Duration::from_millis(500);

/// The health of one publisher. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct IngestHealth(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    meter: HealthMeter,
    packets_at: Instant,
}

impl IngestHealth {
    /// Of a publisher that is connected since `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State { meter: HealthMeter::new(now), packets_at: now })))
    }

    /// The same, where key frames should be `interval` apart.
    #[must_use]
    pub fn with_key_frames_every(self, interval: Duration) -> Self {
        self.lock().meter.set_key_frames_every(interval);
        self
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an owner or an operator sees at `now`. `publishing`: whether the publisher is still there.
    #[must_use]
    pub fn report(&self, now: Instant, publishing: bool) -> HealthReport {
        let mut state = self.lock();
        let snapshot = state.meter.snapshot(now);
        let warnings = state.meter.warnings();
        drop(state);
        HealthReport::new(snapshot, &warnings, publishing, now, wall_clock_now())
    }

    /// Looks at how it goes; to be called once a second. Of a publisher that has left all warnings end.
    pub fn assess(&self, now: Instant, publishing: bool) -> Vec<WarningChange> {
        let mut state = self.lock();
        if publishing { state.meter.assess(now) } else { state.meter.conclude(now) }
    }

    /// What is wrong now.
    #[must_use]
    pub fn warnings(&self) -> Vec<crate::health::Warning> {
        self.lock().meter.warnings()
    }

    /// Whether no orchestrator decodes the video.
    pub fn set_no_decoder(&self, none: bool) {
        self.lock().meter.set_no_decoder(none);
    }

    /// Takes a pushed segment.
    pub fn take_segment(&self, now: Instant, segment: &PushedSegment) {
        let meter = &mut self.lock().meter;
        meter.set_transport(Arrival::Push);
        segment.tracks.iter().for_each(|track| meter.set_track(now, track));
        if segment.out_of_order {
            meter.discontinuity();
        }
        segment.units.iter().for_each(|unit| meter.push(unit));
    }

    /// It comes over RTMP.
    pub(crate) fn over_rtmp(&self, transport: Transport) {
        self.lock().meter.set_transport(match transport {
            Transport::Plain => Arrival::Rtmp,
            Transport::Tls => Arrival::Rtmps,
        });
    }

    /// It comes over WebRTC, from a client that calls itself so.
    pub(crate) fn over_whip(&self, user_agent: Option<&str>) {
        let meter = &mut self.lock().meter;
        meter.set_transport(Arrival::Whip);
        user_agent.into_iter().for_each(|it| meter.set_encoder(it));
    }

    /// What the publisher says it sends with.
    pub(crate) fn set_encoder(&self, told: &str) {
        self.lock().meter.set_encoder(told);
    }

    /// The frame rate that its metadata announce, in thousandths.
    pub(crate) fn set_announced_rate(&self, thousandths: u32) {
        self.lock().meter.set_announced_rate(thousandths);
    }

    /// Its sound is dropped, as nothing makes AAC of it.
    pub(crate) fn set_sound_dropped(&self) {
        self.lock().meter.set_sound_dropped();
    }

    /// Takes what goes to the stream.
    pub(crate) fn observe(&self, event: &PublisherEvent) {
        if let PublisherEvent::AccessUnit(unit) = event {
            self.lock().meter.push(unit);
        } else if let PublisherEvent::Track(track) = event {
            self.lock().meter.set_track(now(), track);
        } else if matches!(event, PublisherEvent::Discontinuity(_)) {
            self.lock().meter.discontinuity();
        }
    }

    /// Access units that the queue has dropped so far.
    pub(crate) fn queue_dropped(&self, total: u64) {
        self.lock().meter.reach(now(), Cause::QueueFull, total);
    }

    /// Takes the counts of a publisher over RTMP.
    pub(crate) fn take_counts(&self, stats: &PublisherStats) {
        let (timeline, demux) = (&stats.timeline, &stats.demux);
        let counts = [
            (Cause::OldTimeline, timeline.stragglers),
            (Cause::NoParameters, timeline.untracked),
            (Cause::VideoUnreadable, demux.video_dropped),
            (Cause::AudioUnreadable, demux.audio_dropped),
            (Cause::StampRepaired, timeline.repaired),
            (Cause::AudioResync, timeline.audio_resyncs),
            (Cause::ClockJump, timeline.jumps),
        ];
        let (now, mut state) = (now(), self.lock());
        counts.into_iter().for_each(|(cause, total)| state.meter.reach(now, cause, total));
    }

    /// Takes the counts of a publisher's packets, twice a second.
    pub(crate) fn take_packets(&self, receiver: &Receiver) {
        let (now, mut state) = (now(), self.lock());
        if now < state.packets_at {
            return;
        }
        state.packets_at = now + PACKETS_EVERY;
        let mut counts = [
            Cause::PacketReceived,
            Cause::PacketLost,
            Cause::PacketLate,
            Cause::AfterLoss,
            Cause::OutOfOrder,
            Cause::ClockJump,
            Cause::VideoUnreadable,
        ]
        .map(|cause| (cause, 0_u64));
        let tracks = (1..=u32::try_from(MAX_TRACKS).unwrap_or(0)).map(TrackId);
        for health in tracks.filter_map(|track| receiver.health(track)) {
            let dropped = |reason| health.dropped_for(reason);
            let found = [
                health.received,
                health.lost,
                health.late,
                dropped(DropReason::Loss) + dropped(DropReason::AwaitingKeyFrame),
                dropped(DropReason::OutOfOrder),
                health.clock_resets,
                dropped(DropReason::NoParameterSets)
                    + dropped(DropReason::Malformed)
                    + dropped(DropReason::TooLarge),
            ];
            for ((_, total), more) in counts.iter_mut().zip(found) {
                *total = total.saturating_add(more);
            }
        }
        counts.into_iter().for_each(|(cause, total)| state.meter.reach(now, cause, total));
    }
}
