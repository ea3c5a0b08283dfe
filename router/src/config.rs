//! What an operator may set about routing.

use std::time::Duration;

use media::MediaDuration;

/// Routing settings of one gateway, the same for each of its streams.
///
/// The defaults suit segments of 1 to 10 s.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct RouterConfig {
    /// How long after a segment closed its renditions may keep it from being listed, in percent of
    /// its duration. Default 150. This is the most an orchestrator can delay the source.
    pub hold_percent: u32,
    /// How long after a segment closed its renditions are listed even when they are there before, in
    /// percent of its duration, but for streams of the class `low-latency`. Default 75. What is listed
    /// early has to be followed early (HLS rule PL-21): without this cushion an orchestrator that stops
    /// answering leaves no time for another.
    pub cushion_percent: u32,
    /// The least hold, so that the short last segment of a broadcast is not lost. Default 1 s.
    pub minimum_hold: Duration,
    /// How much earlier than 1.5 target durations after the previous publication (HLS rule PL-21)
    /// the next one goes out. Default 100 ms.
    pub publication_margin: Duration,
    /// Attempts per segment, hedges included. Default 4.
    pub attempts: u32,
    /// Work done twice (hedges and probes), in percent of all work. Default 20; 0 turns both off.
    pub extra_work_percent: u32,
    /// How often a slow orchestrator is tried again, with work done twice. Default 5 s.
    pub probe_interval: Duration,
    /// First time an orchestrator that returned a false picture gets no work; doubles with each
    /// offence. Default 10 min.
    pub demotion: Duration,
    /// Of how many segments of an orchestrator one has its picture compared with the source's, besides
    /// its first two; 0: of none. Default 5.
    pub picture_check_every: u32,
    /// How long an orchestrator that asks too much is left alone. Default 30 s.
    pub price_pause: Duration,
    /// How long a stream sends nothing that costs something to a pool after a payment was refused that
    /// no orchestrator is to blame for. Default 1 s.
    pub unpaid_pause: Duration,
    /// Whether what costs something is paid before it is sent, which can take its time.
    #[serde(default)]
    pub pays: bool,
    /// Attempts in flight on one orchestrator session; orchestrators queue four. Default 3.
    pub in_flight_per_session: usize,
    /// Orchestrators a stream keeps a session with. Default 4.
    pub sessions: usize,
    /// Orchestrators asked at once while the stream has no session. Default 8.
    pub discovery_width: usize,
    /// How long an orchestrator may take to answer `GetOrchestrator`, should the client's own, shorter
    /// call timeout not end the call before. Default 3 s.
    pub discovery_timeout: Duration,
    /// First time an orchestrator is set aside after a fault; doubles with each fault in a row.
    /// Default 250 ms.
    pub set_aside: Duration,
    /// Longest time set aside while the stream has no session at all. Default 1 s.
    pub set_aside_longest_without_session: Duration,
    /// Longest time set aside while others do the work. Default 30 s.
    pub set_aside_longest: Duration,
    /// How long an orchestrator at capacity is left alone; that is no fault. Default 1 s.
    pub capped_pause: Duration,
    /// How long an orchestrator that can't do what a stream needs, such as decoding its source, is left
    /// alone; that is no fault. Default 30 s.
    #[serde(default = "incapable_pause")]
    pub incapable_pause: Duration,
    /// Segments waiting for release. When full, the oldest is released at once with gaps, so that
    /// the publisher never waits and no number is lost. Default 16.
    pub waiting_segments: usize,
    /// How long attempts in flight may go on after the stream's end. Default 3 s.
    pub finish_grace: Duration,
}

const fn incapable_pause() -> Duration {
    Duration::from_secs(30)
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            hold_percent: 150,
            cushion_percent: 75,
            minimum_hold: Duration::from_secs(1),
            publication_margin: Duration::from_millis(100),
            attempts: 4,
            extra_work_percent: 20,
            probe_interval: Duration::from_secs(5),
            demotion: Duration::from_secs(600),
            picture_check_every: 5,
            price_pause: Duration::from_secs(30),
            unpaid_pause: Duration::from_secs(1),
            pays: false,
            in_flight_per_session: 3,
            sessions: 4,
            discovery_width: 8,
            discovery_timeout: Duration::from_secs(3),
            set_aside: Duration::from_millis(250),
            set_aside_longest_without_session: Duration::from_secs(1),
            set_aside_longest: Duration::from_secs(30),
            capped_pause: Duration::from_secs(1),
            incapable_pause: incapable_pause(),
            waiting_segments: 16,
            finish_grace: Duration::from_secs(3),
        }
    }
}

impl RouterConfig {
    /// How long after its closing a segment of this duration may wait for its renditions, at this many
    /// percent of it.
    #[must_use]
    pub fn hold(&self, duration: MediaDuration, percent: u32) -> Duration {
        let share = duration.to_std().saturating_mul(percent) / 100;
        share.max(self.minimum_hold)
    }

    /// How long after one publication the next has to follow.
    #[must_use]
    pub fn publication_interval(&self, target_duration: Duration) -> Duration {
        (target_duration * 3 / 2).saturating_sub(self.publication_margin)
    }
}
