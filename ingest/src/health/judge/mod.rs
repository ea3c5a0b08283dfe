//! What is wrong with a publisher's media, from its figures alone.
//!
//! Every limit is a constant beside what it is a limit of, as `(begins, ends)`: a warning that stands is held to
//! the second one, which is nearer to what is right, so that a figure that moves about a limit makes no noise.

mod advice;
mod clocks;
mod pictures;
mod presence;
mod way;

use super::{Finding, HealthSnapshot, WarningKind, WarningLevel};
use advice::Ways;

/// What is wrong. `stands` tells which warnings there are already.
#[must_use]
pub fn judge(snapshot: &HealthSnapshot, stands: &dyn Fn(WarningKind) -> bool) -> Vec<Finding> {
    let mut judge = Judge { now: snapshot, stands, findings: Vec::new() };
    // Where nothing comes, nothing else can be said.
    if !judge.silence() {
        judge.presence();
        judge.pictures();
        judge.way();
        judge.clocks();
    }
    judge.findings
}

struct Judge<'a> {
    now: &'a HealthSnapshot,
    stands: &'a dyn Fn(WarningKind) -> bool,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    /// The limit that counts: the first of both begins a warning, the second ends it.
    fn limit<T>(&self, kind: WarningKind, (begins, ends): (T, T)) -> T {
        if (self.stands)(kind) { ends } else { begins }
    }

    fn find(&mut self, kind: WarningKind, level: WarningLevel, problem: String, ways: Ways) {
        let advice = ways.of(self.now);
        self.findings.push(Finding { kind, level, problem, advice });
    }

    fn found(&self, kind: WarningKind) -> bool {
        self.findings.iter().any(|finding| finding.kind == kind)
    }
}

/// Milliseconds as seconds, with a decimal: `8.3 s`.
fn seconds(millis: u64) -> String {
    let tenths = millis.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// Thousandths as a number, with a decimal where it has one.
fn thousandths(value: u64) -> String {
    let tenths = value.saturating_add(50) / 100;
    if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

fn bitrate(bits: u64) -> String {
    if bits < 1_000_000 {
        return format!("{} kbit/s", bits.saturating_add(500) / 1_000);
    }
    format!("{} Mbit/s", thousandths(bits / 1_000))
}
