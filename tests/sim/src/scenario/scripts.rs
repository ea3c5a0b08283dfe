//! Which orchestrators there are.

use std::{ops::Range, time::Duration};

use super::HORIZON;
use crate::{
    dice::Dice,
    orchestrator::{Phase, Script, Trouble},
};

/// What a cheap one asks, in wei per pixel.
pub(super) const CHEAP: u64 = 1_000;

/// Draws one orchestrator.
pub(super) fn orchestrator(dice: &mut Dice) -> Script {
    let whole = Duration::ZERO..HORIZON * 4;
    let mut script = Script {
        pace: dice.range(60..=280),
        round_trip: dice.millis(1..=60),
        capacity: None,
        sessions: None,
        prices: vec![(Duration::ZERO, Some(CHEAP))],
        phases: Vec::new(),
        encoder: u8::try_from(dice.index(3)).unwrap_or(0),
        refresh: Some(Duration::from_secs(1_620)),
        expiry: None,
        beacon: false,
    };
    match dice.index(13) {
        0..=2 => {
            script.beacon = true;
            script.pace = dice.range(60..=180);
            if dice.percent(60) {
                absences(dice, &mut script, Trouble::Down);
            }
        }
        3 => absences(dice, &mut script, Trouble::Hung),
        4 => absences(dice, &mut script, Trouble::Slow),
        5 => flaps(dice, &mut script),
        6 => {
            let what = Trouble::FalseWork;
            script.phases.push(Phase { when: stretch(dice, 40_000), what });
        }
        7 => prices(dice, &mut script),
        8 => {
            script.capacity = Some(u32::try_from(dice.range(1..=4)).unwrap_or(1));
            script.sessions = dice.percent(50).then(|| dice.index(3));
        }
        9 => {
            script.refresh = Some(dice.pick(
                Duration::ZERO,
                &[Duration::from_millis(80), Duration::from_secs(1), Duration::from_secs(7)],
            ));
            script.expiry = dice.pick(None, &[Some(Duration::from_secs(2)), Some(Duration::ZERO)]);
        }
        10 => script.pace = dice.range(500..=2_500),
        _ => {
            for _ in 0..dice.range(1..=2) {
                let what = trouble(dice);
                let when = if dice.percent(30) { whole.clone() } else { stretch(dice, 30_000) };
                script.phases.push(Phase { when, what });
            }
        }
    }
    script
}

fn trouble(dice: &mut Dice) -> Trouble {
    let percent = dice.pick(100, &[5, 25, 50]);
    let others = [
        Trouble::Refuses(percent),
        Trouble::Slanders(percent),
        Trouble::WrongWork(percent),
        Trouble::Short(percent),
        Trouble::Stale(percent),
        Trouble::Capped(percent),
        Trouble::Busy(percent),
        Trouble::Drips(percent),
        Trouble::Mute(percent),
        Trouble::Full(percent),
        Trouble::Dear(percent),
        Trouble::BadTerms(percent),
        Trouble::Hung,
    ];
    dice.pick(Trouble::Drops(percent), &others)
}

/// A stretch of time somewhere in the run, of so many milliseconds at most.
fn stretch(dice: &mut Dice, longest: u64) -> Range<Duration> {
    let start = dice.millis(0..=60_000);
    start..start + dice.millis(200..=longest)
}

/// A few stretches of one trouble.
fn absences(dice: &mut Dice, script: &mut Script, what: Trouble) {
    for _ in 0..dice.range(1..=3) {
        let when = stretch(dice, 20_000);
        script.phases.push(Phase { when, what });
    }
}

/// Nobody is paid for a while.
pub(super) fn unpaid(dice: &mut Dice, scripts: &mut [Script]) {
    let when = stretch(dice, 30_000);
    for script in scripts {
        script.phases.push(Phase { when: when.clone(), what: Trouble::Unpaid });
    }
}

/// Nobody is there for a while; then they return one after another.
pub(super) fn outage(dice: &mut Dice, scripts: &mut [Script]) {
    let start = dice.millis(5_000..=40_000);
    for script in scripts {
        let end = start + dice.millis(2_000..=40_000);
        script.phases.push(Phase { when: start..end, what: Trouble::Down });
    }
}

/// Up and down, again and again.
fn flaps(dice: &mut Dice, script: &mut Script) {
    let mut at = dice.millis(0..=10_000);
    while at < HORIZON {
        let end = at + dice.millis(100..=4_000);
        script
            .phases
            .push(Phase { when: at..end, what: dice.pick(Trouble::Down, &[Trouble::Hung]) });
        at = end + dice.millis(200..=6_000);
    }
}

/// Prices that rise, fall, and are not quoted.
fn prices(dice: &mut Dice, script: &mut Script) {
    for _ in 0..dice.range(1..=4) {
        let price = dice.pick(Some(CHEAP), &[Some(CHEAP * 3), Some(CHEAP * 10), None]);
        script.prices.push((dice.millis(0..=70_000), price));
    }
    script.prices.sort_by_key(|(at, _)| *at);
}
