//! Scripted orchestrators: what each does with a question or a segment, and when.

use std::{ops::Range, time::Duration};

use router::FaultClass;

use crate::dice::Dice;

/// What may be wrong with one. Percentages are of the questions or segments it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody is there: connections are refused, those that were there are reset.
    Down,
    /// It stands still (SIGSTOP); it goes on where it was.
    Hung,
    /// Three times as slow.
    Slow,
    /// Connections break in the middle.
    Drops(u64),
    /// Answers 5xx.
    Refuses(u64),
    /// Blames segments that are good.
    Slanders(u64),
    /// Returns truncated files, or ones of another size, duration or number.
    WrongWork(u64),
    /// Returns black pictures.
    FalseWork,
    /// Returns fewer renditions than were asked for.
    Short(u64),
    /// Forgets its sessions.
    Stale(u64),
    /// Has no room, although it offered a session.
    Capped(u64),
    /// Says that it has not kept up.
    Busy(u64),
    /// Sends its answer drop by drop.
    Drips(u64),
    /// Does not answer questions for a session.
    Mute(u64),
    /// Has no session to offer.
    Full(u64),
    /// Nobody pays for it: so for all at the same time.
    Unpaid,
    /// Asks too much for a segment.
    Dear(u64),
    /// Wants to be paid in a way that can't be.
    BadTerms(u64),
}

/// A trouble and when it lasts.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) when: Range<Duration>,
    pub(crate) what: Trouble,
}

/// One orchestrator's whole script.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Time for a segment, in thousandths of its duration.
    pub(crate) pace: u64,
    pub(crate) round_trip: Duration,
    /// Segments at once that it takes, whatever the operator thinks.
    pub(crate) capacity: Option<u32>,
    /// Sessions at once that it offers.
    pub(crate) sessions: Option<usize>,
    /// What it asks, in wei per pixel, and from when on; `None`: it quotes no price.
    pub(crate) prices: Vec<(Duration, Option<u64>)>,
    pub(crate) phases: Vec<Phase>,
    /// Which encoder it has.
    pub(crate) encoder: u8,
    /// After what time its token says that it should be replaced.
    pub(crate) refresh: Option<Duration>,
    /// After what time it does not take its token any more, whatever that says.
    pub(crate) expiry: Option<Duration>,
    /// It never does anything wrong but being down, has room for all and is cheap.
    pub(crate) beacon: bool,
}

/// A session as an orchestrator knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) given: Duration,
}

/// A segment that reaches an orchestrator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) duration: Duration,
    pub(crate) poison: bool,
    pub(crate) check_picture: bool,
    pub(crate) token: Token,
    /// Others it works on.
    pub(crate) beside: u32,
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With every rendition; what it asks now, where it says so.
    Delivers {
        quotes: bool,
    },
    /// With fewer renditions than it should.
    Short,
    Fails(FaultClass),
}

/// How it answers a question for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Offers,
    Capped,
    Fails,
}

impl Script {
    /// What it asks at a time.
    pub(crate) fn price(&self, at: Duration) -> Option<u64> {
        self.prices.iter().rev().find(|(from, _)| *from <= at).and_then(|(_, price)| *price)
    }

    fn troubles(&self, at: Duration) -> impl Iterator<Item = Trouble> + '_ {
        self.phases.iter().filter(move |it| it.when.contains(&at)).map(|it| it.what)
    }

    /// Whether it has this trouble.
    pub(crate) fn is(&self, trouble: Trouble, at: Duration) -> bool {
        self.troubles(at).any(|it| it == trouble)
    }

    /// Since when it has been up and free of trouble; `None` when it is not.
    pub(crate) fn sound_since(&self, at: Duration) -> Option<Duration> {
        if self.troubles(at).next().is_some() {
            return None;
        }
        let ends = self.phases.iter().map(|it| it.when.end).filter(|end| *end <= at);
        Some(ends.max().unwrap_or(Duration::ZERO))
    }

    /// Whether it stays free of trouble until then.
    pub(crate) fn sound_until(&self, from: Duration, until: Duration) -> bool {
        !self.phases.iter().any(|it| it.when.start < until && it.when.end > from)
    }

    /// When it is found to be there, or not: what an observer learns who asks it now and then, false
    /// alarms included.
    pub(crate) fn signs_of_life(&self, dice: &mut Dice) -> Vec<(Duration, bool)> {
        let mut found = Vec::new();
        for phase in
            self.phases.iter().filter(|it| matches!(it.what, Trouble::Down | Trouble::Hung))
        {
            let noticed = phase.when.start + dice.millis(0..=900);
            if noticed < phase.when.end {
                found.extend([(noticed, false), (phase.when.end + dice.millis(0..=500), true)]);
            }
        }
        if dice.percent(20) {
            let at = dice.millis(0..=60_000);
            found.extend([(at, false), (at + dice.millis(1..=700), true)]);
        }
        found
    }

    /// When so much work that begins now is done: not while it stands still.
    fn done_at(&self, from: Duration, work: Duration) -> Duration {
        let mut hung: Vec<_> = self.phases.iter().filter(|it| it.what == Trouble::Hung).collect();
        hung.sort_by_key(|it| it.when.start);
        let mut end = from + work;
        let mut since = from;
        for phase in hung {
            let start = phase.when.start.max(since);
            if start < end && phase.when.end > start {
                end += phase.when.end - start;
                since = phase.when.end;
            }
        }
        end
    }

    /// When it is down next, within a stretch of time.
    fn down_within(&self, from: Duration, until: Duration) -> Option<Duration> {
        let down = self.phases.iter().filter(|it| it.what == Trouble::Down);
        let down = down.filter(|it| it.when.start < until && it.when.end > from);
        down.map(|it| it.when.start.max(from)).min()
    }

    /// When and how it answers a question for a session.
    pub(crate) fn reply(
        &self,
        dice: &mut Dice,
        at: Duration,
        sessions: usize,
    ) -> (Duration, Reply) {
        let time = self.round_trip + dice.millis(0..=10);
        if self.is(Trouble::Down, at) {
            return (at + dice.millis(0..=3), Reply::Fails);
        }
        let mut reply = match self.sessions {
            Some(most) if sessions >= most => Reply::Capped,
            Some(_) | None => Reply::Offers,
        };
        let mut late = Duration::ZERO;
        for trouble in self.troubles(at) {
            if let Trouble::Mute(percent) = trouble {
                late = if dice.percent(percent) { Duration::from_secs(9) } else { late };
            } else if let Trouble::Refuses(percent) = trouble {
                reply = if dice.percent(percent / 4) { Reply::Fails } else { reply };
            } else if let Trouble::Full(percent) = trouble {
                reply = if dice.percent(percent) { Reply::Capped } else { reply };
            }
        }
        let end = self.done_at(at, time + late);
        match self.down_within(at, end) {
            Some(down) => (down + dice.millis(0..=3), Reply::Fails),
            None => (end, reply),
        }
    }

    /// When and how it answers a segment.
    pub(crate) fn answer(&self, dice: &mut Dice, at: Duration, job: Job) -> (Duration, Answer) {
        if self.is(Trouble::Down, at) {
            return (at + dice.millis(0..=3), Answer::Fails(FaultClass::Network));
        }
        let shortly = self.done_at(at, self.round_trip + dice.millis(0..=3));
        if self.is_stale(at, job.token) {
            return (shortly, Answer::Fails(FaultClass::ExpiredSession));
        }
        if self.capacity.is_some_and(|most| job.beside >= most) {
            return (shortly, Answer::Fails(FaultClass::Capacity));
        }
        let mut share = self.pace * dice.spread() / 1_000;
        let (mut answer, mut early) = (Answer::Delivers { quotes: dice.percent(50) }, None);
        if job.poison {
            (answer, early) = (Answer::Fails(FaultClass::Media), Some(500));
        }
        for trouble in self.troubles(at) {
            let (hit, ending, part) = match trouble {
                Trouble::Slow => {
                    share *= 3;
                    continue;
                }
                Trouble::Drips(percent) => {
                    share *= if dice.percent(percent) { 20 } else { 1 };
                    continue;
                }
                Trouble::Drops(percent) => (percent, FaultClass::Network, dice.range(1..=1_000)),
                Trouble::Refuses(percent) => (percent, FaultClass::Orchestrator, 0),
                Trouble::Slanders(percent) => (percent, FaultClass::Media, 300),
                Trouble::WrongWork(percent) => (percent, FaultClass::WrongWork, 1_000),
                Trouble::FalseWork if job.check_picture => (100, FaultClass::FalseWork, 1_000),
                Trouble::Stale(percent) => (percent, FaultClass::ExpiredSession, 0),
                Trouble::Capped(percent) => (percent, FaultClass::Capacity, 0),
                Trouble::Busy(percent) => (percent, FaultClass::Busy, 0),
                Trouble::Unpaid => (100, FaultClass::Unpaid, 0),
                Trouble::Dear(percent) => (percent, FaultClass::Price, 0),
                Trouble::BadTerms(percent) => (percent, FaultClass::Terms, 0),
                Trouble::Short(percent) if !job.poison && dice.percent(percent) => {
                    answer = Answer::Short;
                    continue;
                }
                Trouble::Down
                | Trouble::Hung
                | Trouble::FalseWork
                | Trouble::Short(_)
                | Trouble::Mute(_)
                | Trouble::Full(_) => continue,
            };
            if dice.percent(hit) {
                (answer, early) = (Answer::Fails(ending), Some(part));
            }
        }
        let whole = u64::try_from(job.duration.as_micros()).unwrap_or(u64::MAX);
        let work = whole.saturating_mul(share) / 1_000 * early.unwrap_or(1_000) / 1_000;
        let end = self.done_at(at, self.round_trip * 2 + Duration::from_micros(work));
        match self.down_within(at, end) {
            Some(down) => (down + dice.millis(0..=3), Answer::Fails(FaultClass::Network)),
            None => (end, answer),
        }
    }

    /// Whether it does not know this session (any more): it was down since, or the token is too old.
    fn is_stale(&self, at: Duration, token: Token) -> bool {
        let down = self.phases.iter().filter(|it| it.what == Trouble::Down);
        let mut down = down.filter(|it| it.when.end <= at && it.when.end > token.given);
        down.next().is_some() || self.expiry.is_some_and(|expiry| at > token.given + expiry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn script(what: Trouble) -> Script {
        Script {
            pace: 500,
            round_trip: Duration::from_millis(10),
            capacity: None,
            sessions: None,
            prices: vec![(Duration::ZERO, Some(5)), (20 * SECOND, None)],
            phases: vec![Phase { when: 10 * SECOND..15 * SECOND, what }],
            encoder: 0,
            refresh: None,
            expiry: None,
            beacon: false,
        }
    }

    fn answer(script: &Script, at: Duration, given: Duration) -> (Duration, Answer) {
        let token = Token { given };
        let duration = 2 * SECOND;
        let job = Job { duration, poison: false, check_picture: true, token, beside: 0 };
        script.answer(&mut Dice::new(1), at, job)
    }

    #[test]
    fn one_that_stands_still_goes_on_where_it_was() {
        let script = script(Trouble::Hung);
        assert_eq!(script.done_at(9 * SECOND, 2 * SECOND), 16 * SECOND);
        assert_eq!(script.done_at(12 * SECOND, SECOND), 16 * SECOND);
        assert_eq!(script.done_at(15 * SECOND, SECOND), 16 * SECOND);
    }

    #[test]
    fn one_that_dies_resets_connections_and_forgets_sessions() {
        let script = script(Trouble::Down);
        let (at, ending) = answer(&script, 9_900 * SECOND / 1_000, SECOND);
        assert_eq!(ending, Answer::Fails(FaultClass::Network));
        assert!(at < 10 * SECOND + SECOND / 100);
        let (_, ending) = answer(&script, 16 * SECOND, SECOND);
        assert_eq!(ending, Answer::Fails(FaultClass::ExpiredSession));
        let (_, ending) = answer(&script, 17 * SECOND, 16 * SECOND);
        assert!(matches!(ending, Answer::Delivers { .. }));
        assert_eq!(script.sound_since(9 * SECOND), Some(Duration::ZERO));
        assert_eq!(script.sound_since(12 * SECOND), None);
        assert_eq!(script.sound_since(16 * SECOND), Some(15 * SECOND));
    }

    #[test]
    fn false_work_shows_only_where_pictures_are_compared() {
        let script = script(Trouble::FalseWork);
        assert_eq!(answer(&script, 11 * SECOND, SECOND).1, Answer::Fails(FaultClass::FalseWork));
        assert_eq!(script.price(SECOND), Some(5));
        assert_eq!(script.price(21 * SECOND), None);
    }
}
