//! When to ask for key frames.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use media::TrackId;

use crate::{KeyFrameReason, KeyFrameRequest};

/// Shortest time between two requests; browsers make no second key frame sooner either.
const INTERVAL: Duration = Duration::from_millis(500);
/// So many requests in a row may stay unanswered before the time between them doubles, up to
/// [`DOUBLINGS`] times: one in seven is lost on a bad path, and some encoders never listen.
const PATIENT_REQUESTS: u32 = 4;
/// How often the time between requests doubles: up to 4 s.
const DOUBLINGS: u32 = 3;
/// How long the first key frame may take without being asked for: the first picture is one, mostly.
const START_GRACE: Duration = Duration::from_millis(500);
/// A track of which nothing came for this long is asked for nothing: a paused layer begins with a key
/// frame anyway.
const ACTIVE: Duration = Duration::from_secs(2);
/// What a key frame takes from request to arrival, until one was measured.
const FIRST_RESPONSE: Duration = Duration::from_millis(100);
/// A key frame later than this answers no request.
const LONGEST_RESPONSE: Duration = Duration::from_secs(1);

/// Decides when to ask for key frames: when one is needed now, and ahead of time such that groups of
/// pictures last no longer than a target. All tracks that are not silent are asked together, at most every 500 ms, and
/// asked again as long as a key frame is needed. Holds no I/O.
#[derive(Debug)]
pub struct KeyFrameSchedule {
    target: Option<Duration>,
    layers: BTreeMap<TrackId, Layer>,
    asked: Option<Instant>,
    unanswered: u32,
    /// From request to arrival, smoothed.
    response: Duration,
}

#[derive(Debug, Default)]
struct Layer {
    wanted: Option<Wanted>,
    /// When its last key frame came, and its last picture.
    seen: Option<(Instant, Instant)>,
}

impl Layer {
    /// Whether anything came of late.
    fn is_active(&self, now: Instant) -> bool {
        let seen = self.seen.map(|(_, last)| last);
        let latest = seen.max(self.wanted.map(|wanted| wanted.latest));
        latest.is_some_and(|latest| now <= latest + ACTIVE)
    }
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    reason: KeyFrameReason,
    due: Instant,
    /// Last time somebody said so.
    latest: Instant,
}

impl KeyFrameSchedule {
    /// A schedule that asks for a key frame each `target`; never on its own with `None`.
    #[must_use]
    pub const fn new(target: Option<Duration>) -> Self {
        Self {
            target,
            layers: BTreeMap::new(),
            asked: None,
            unanswered: 0,
            response: FIRST_RESPONSE,
        }
    }

    /// Another target from now on.
    pub const fn set_target(&mut self, target: Option<Duration>) {
        self.target = target;
    }

    /// Takes note that `track` needs a key frame. To be said again while packets come and the need
    /// lasts: it is forgotten after two seconds.
    pub fn want(&mut self, now: Instant, track: TrackId, reason: KeyFrameReason) {
        if reason == KeyFrameReason::Demand {
            self.unanswered = 0;
        }
        let grace = if reason == KeyFrameReason::Start { START_GRACE } else { Duration::ZERO };
        let new = Wanted { reason, due: now + grace, latest: now };
        let layer = self.layers.entry(track).or_default();
        let old = layer.wanted.filter(|wanted| wanted.latest + ACTIVE >= now);
        layer.wanted = Some(old.map_or(new, |old| Wanted {
            reason: old.reason.max(reason),
            due: old.due.min(new.due),
            latest: now,
        }));
    }

    /// Takes note of a picture of `track` that arrived at `now`.
    pub fn saw_picture(&mut self, now: Instant, track: TrackId, key: bool) {
        let layer = self.layers.entry(track).or_default();
        if let (false, Some((_, last))) = (key, &mut layer.seen) {
            *last = now;
        }
        if !key {
            return;
        }
        layer.seen = Some((now, now));
        layer.wanted = None;
        let waited = self.asked.map(|asked| now.saturating_duration_since(asked));
        if let Some(waited) = waited.filter(|_| self.unanswered == 1)
            && waited <= LONGEST_RESPONSE
        {
            self.response = (self.response * 3 + waited) / 4;
        }
        self.unanswered = 0;
    }

    /// The request to be made at `now`, if any. It counts as made.
    pub fn poll_request(&mut self, now: Instant) -> Option<KeyFrameRequest> {
        let reason = self.layers.values().filter_map(|layer| self.due(layer, now)).max()?;
        let asked = |layer| self.due(layer, now).is_some();
        let layers = self.layers.iter();
        let tracks = layers.filter(|(_, layer)| layer.is_active(now) || asked(layer));
        let tracks = tracks.map(|(id, _)| *id).collect();
        self.asked = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        Some(KeyFrameRequest { tracks, reason })
    }

    /// When [`Self::poll_request`] will have one at the latest, unless key frames come.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.layers.values().flat_map(|layer| self.needs(layer)).map(|(at, _)| at).min()
    }

    /// The most pressing need of a layer that may be asked for at `now`.
    fn due(&self, layer: &Layer, now: Instant) -> Option<KeyFrameReason> {
        self.needs(layer).filter(|(at, _)| *at <= now).map(|(_, reason)| reason).max()
    }

    /// When a layer's needs may be asked for, and why. Needs of a layer that is silent by then are none.
    fn needs(&self, layer: &Layer) -> impl Iterator<Item = (Instant, KeyFrameReason)> {
        let earliest = self.asked.map(|asked| asked + self.interval());
        let at = move |due: Instant, alive: Instant| {
            let at = earliest.map_or(due, |earliest| due.max(earliest));
            (at <= alive + ACTIVE).then_some(at)
        };
        let wanted = layer
            .wanted
            .and_then(|wanted| at(wanted.due, wanted.latest).map(|at| (at, wanted.reason)));
        let scheduled = layer.seen.zip(self.target).and_then(|((key, last), target)| {
            let ahead = self.response.min(target / 2);
            at(key + target - ahead, last).map(|at| (at, KeyFrameReason::Schedule))
        });
        wanted.into_iter().chain(scheduled)
    }

    fn interval(&self) -> Duration {
        INTERVAL * (1 << self.unanswered.saturating_sub(PATIENT_REQUESTS).min(DOUBLINGS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    const TARGET: Duration = Duration::from_secs(2);
    const LAYERS: [TrackId; 3] = [TrackId(1), TrackId(3), TrackId(4)];

    /// Pictures of every layer each 40 ms; each request is answered after `response`, if at all.
    /// Answers when requests were made, and when key frames came.
    fn run(response: Option<u64>, own_gop: u64, until: u64) -> (Vec<u64>, Vec<u64>) {
        let mut schedule = KeyFrameSchedule::new(Some(TARGET));
        let (mut asks, mut keys, mut answer) = (Vec::new(), Vec::new(), None);
        for ms in (0..until).step_by(4) {
            if ms % 40 == 0 {
                let answered = answer.is_some_and(|at| at <= ms);
                let key = ms.is_multiple_of(own_gop) || answered;
                if key {
                    keys.push(ms);
                    answer = None;
                }
                for layer in LAYERS {
                    schedule.saw_picture(at(ms), layer, key);
                }
            }
            let timeout = schedule.poll_timeout();
            let request = schedule.poll_request(at(ms));
            assert_eq!(timeout.is_some_and(|timeout| timeout <= at(ms)), request.is_some());
            if let Some(request) = request {
                assert_eq!(request.tracks, LAYERS);
                asks.push(ms);
                answer = answer.or_else(|| response.map(|response| ms + response));
            }
        }
        (asks, keys)
    }

    #[test]
    fn groups_of_pictures_meet_the_target() {
        let (asks, keys) = run(Some(60), 1_000_000, 60_000);
        for pair in keys.windows(2) {
            assert!((1_800..=2_000).contains(&(pair[1] - pair[0])), "{pair:?}");
        }
        assert_eq!(asks.len(), keys.len() - 1, "one request for each");
    }

    #[test]
    fn an_encoder_with_short_groups_is_left_alone() {
        let (asks, _) = run(Some(60), 1_000, 20_000);
        assert_eq!(asks, []);
    }

    #[test]
    fn an_encoder_that_does_not_listen_is_asked_ever_less() {
        let (asks, _) = run(None, 1_000_000, 60_000);
        let pauses: Vec<_> = asks.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[..8], [500, 500, 500, 500, 1_000, 2_000, 4_000, 4_000]);
        assert!(pauses[8..].iter().all(|pause| *pause == 4_000));
    }

    #[test]
    fn a_need_is_asked_for_at_once_and_again_until_it_is_met() {
        let mut schedule = KeyFrameSchedule::new(None);
        for ms in (0..1_200).step_by(20) {
            schedule.want(at(ms), TrackId(1), KeyFrameReason::Loss);
            let request = schedule.poll_request(at(ms));
            assert_eq!(request.is_some(), ms == 0 || ms == 500 || ms == 1_000, "{ms}");
        }
        schedule.saw_picture(at(1_210), TrackId(1), true);
        assert_eq!(schedule.poll_timeout(), None);
        // A new need inside the interval waits for it.
        schedule.want(at(1_220), TrackId(1), KeyFrameReason::Demand);
        assert_eq!(schedule.poll_request(at(1_499)), None);
        let request = schedule.poll_request(at(1_500)).unwrap();
        assert_eq!(request.reason, KeyFrameReason::Demand);
    }

    #[test]
    fn a_first_picture_that_is_a_key_frame_needs_no_request() {
        let mut schedule = KeyFrameSchedule::new(None);
        schedule.want(at(0), TrackId(1), KeyFrameReason::Start);
        assert_eq!(schedule.poll_request(at(499)), None);
        schedule.saw_picture(at(499), TrackId(1), true);
        assert_eq!(schedule.poll_request(at(5_000)), None);
        schedule.want(at(6_000), TrackId(1), KeyFrameReason::Start);
        assert!(schedule.poll_request(at(6_500)).is_some());
    }

    #[test]
    fn a_silent_layer_makes_nobody_ask() {
        let mut schedule = KeyFrameSchedule::new(Some(TARGET));
        schedule.saw_picture(at(0), TrackId(1), true);
        schedule.want(at(100), TrackId(3), KeyFrameReason::Loss);
        assert!(schedule.poll_request(at(100)).is_some());
        let asked = (1..100).filter(|n| schedule.poll_request(at(n * 200)).is_some()).count();
        assert!(asked <= 4, "{asked}");
        assert_eq!(schedule.poll_timeout(), None);
    }

    /// As Chromium does with its large layers when the way is narrow; the first picture after is a key frame.
    #[test]
    fn a_paused_layer_is_left_alone_until_it_goes_on() {
        let mut schedule = KeyFrameSchedule::new(Some(TARGET));
        let mut asked = Vec::new();
        for ms in (0..20_000).step_by(40) {
            let key = ms % 2_000 == 0;
            schedule.saw_picture(at(ms), TrackId(3), key);
            if !(5_000..15_000).contains(&ms) {
                schedule.saw_picture(at(ms), TrackId(1), key || ms == 15_000);
            }
            asked.extend(schedule.poll_request(at(ms)).map(|request| (ms, request.tracks)));
        }
        let both = [TrackId(1), TrackId(3)];
        for (ms, tracks) in &asked {
            let alone = (7_000..15_000).contains(ms);
            assert_eq!(tracks, if alone { &both[1..] } else { &both[..] }, "{ms}");
        }
        // One for each group of pictures, and two until it counts as paused.
        assert_eq!(asked.len(), 10 + 2, "{asked:?}");
    }
}
