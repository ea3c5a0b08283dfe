//! Who publishes what, and when it closes.

use std::time::Duration;

use crate::{dice::Dice, tiny_media::Content};

/// One segment as the segmenter would cut it.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    /// When it reaches the router.
    pub(crate) at: Duration,
    /// When it closed: as a rule the same time.
    pub(crate) closed: Duration,
    /// Where it starts on the stream's timeline.
    pub(crate) start: Duration,
    pub(crate) duration: Duration,
    pub(crate) content: Content,
    pub(crate) discontinuity: bool,
    /// No orchestrator can transcode it.
    pub(crate) poison: bool,
    /// It came when it should: not in a burst after a stall.
    pub(crate) punctual: bool,
    /// What comes beside the source, of a publisher of several layers.
    pub(crate) layers: Option<Layers>,
}

/// A layer and a rung that come with a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layers {
    /// The source has no media here, the layer has.
    pub(crate) source_paused: bool,
    /// The layer has no media here.
    pub(crate) layer_paused: bool,
    /// The lowest rung of the ladder comes along, and need not be transcoded.
    pub(crate) brings_rung: bool,
}

/// Gives the segments of some publishers layers, which pause and come back.
pub(crate) fn add_layers(dice: &mut Dice, pushes: &mut [Push]) {
    if !dice.percent(30) {
        return;
    }
    let mut layers = Layers::default();
    for push in pushes.iter_mut().filter(|push| push.content == Content::Pictures) {
        layers.brings_rung ^= dice.percent(10);
        if dice.percent(20) {
            layers.source_paused = dice.percent(40);
            layers.layer_paused = !layers.source_paused && dice.percent(40);
        }
        push.layers = Some(layers);
    }
}

/// A publisher's habits.
#[derive(Clone, Copy, Debug)]
struct Habits {
    usual: Duration,
    jitter_percent: u64,
    stall_percent: u64,
    absence_percent: u64,
    poison_percent: u64,
    odd_percent: u64,
}

/// Longest a stream's publisher sends.
const LONGEST: Duration = Duration::from_secs(70);
const MOST_SEGMENTS: u64 = 36;

/// Everything one publisher sends, from `start` on.
pub(crate) fn pushes(dice: &mut Dice, start: Duration) -> Vec<Push> {
    let habits = Habits {
        usual: Duration::from_millis(dice.pick(2_000, &[500, 1_000, 2_000, 2_000, 4_000, 6_000])),
        jitter_percent: dice.pick(0, &[5, 20]),
        stall_percent: dice.pick(0, &[0, 3]),
        absence_percent: dice.pick(0, &[0, 3]),
        poison_percent: dice.pick(0, &[0, 4, 12]),
        odd_percent: dice.pick(0, &[0, 4]),
    };
    let count = dice.range(6..=MOST_SEGMENTS);
    let mut script = Script { habits, at: start, media: Duration::ZERO, pushes: Vec::new() };
    let mut broken = false;
    while script.has_room(start, count) {
        if dice.percent(habits.absence_percent) {
            script.be_away(dice);
            broken = true;
        }
        if dice.percent(habits.stall_percent) {
            script.stall(dice);
        }
        let first = std::mem::take(&mut broken) || dice.percent(habits.odd_percent / 2);
        script.send(dice, first);
    }
    script.pushes
}

struct Script {
    habits: Habits,
    /// Time so far.
    at: Duration,
    /// Media so far.
    media: Duration,
    pushes: Vec<Push>,
}

impl Script {
    fn has_room(&self, start: Duration, count: u64) -> bool {
        u64::try_from(self.pushes.len()).is_ok_and(|len| len < count) && self.at - start < LONGEST
    }

    fn duration(&self, dice: &mut Dice) -> Duration {
        let jitter = self.habits.jitter_percent;
        let percent = dice.range(100 - jitter..=100 + jitter);
        // Whole milliseconds survive every timescale.
        let millis = self.habits.usual.as_millis() * u128::from(percent) / 100;
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// One segment in time.
    fn send(&mut self, dice: &mut Dice, discontinuity: bool) {
        let duration = self.duration(dice);
        self.at += duration + dice.millis(0..=20);
        let content = if dice.percent(self.habits.odd_percent) {
            dice.pick(Content::Dependent, &[Content::Sound])
        } else {
            Content::Pictures
        };
        let poison = content == Content::Pictures && dice.percent(self.habits.poison_percent);
        // What is cut reaches the router a moment later.
        let closed = self.at.saturating_sub(dice.millis(0..=2));
        self.push(Push { content, poison, discontinuity, closed, ..self.blank(duration) });
    }

    /// Nothing arrives for a while, then all of it at once.
    fn stall(&mut self, dice: &mut Dice) {
        self.at += self.habits.usual * u32::try_from(dice.range(1..=6)).unwrap_or(1);
        for _ in 0..dice.range(1..=8) {
            let duration = self.duration(dice);
            self.at += dice.millis(0..=5) + Duration::from_micros(1);
            self.push(Push { punctual: false, ..self.blank(duration) });
        }
    }

    /// The publisher is away: stand-ins take its place.
    fn be_away(&mut self, dice: &mut Dice) {
        for _ in 0..dice.range(1..=4) {
            let duration = self.habits.usual;
            self.at += duration;
            let discontinuity = dice.percent(20);
            self.push(Push { content: Content::Nothing, discontinuity, ..self.blank(duration) });
        }
    }

    const fn blank(&self, duration: Duration) -> Push {
        Push {
            at: self.at,
            closed: self.at,
            start: self.media,
            duration,
            content: Content::Pictures,
            discontinuity: false,
            poison: false,
            punctual: true,
            layers: None,
        }
    }

    fn push(&mut self, push: Push) {
        self.media += push.duration;
        self.pushes.push(push);
    }
}
