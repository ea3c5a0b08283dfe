//! Warnings: findings that last.

use std::time::{Duration, Instant};

use super::{Finding, WarningKind};

/// How long something has to be wrong before it is a warning.
const BEGIN_AFTER: Duration = Duration::from_secs(3);
/// How long it has to be right before the warning ends.
const END_AFTER: Duration = Duration::from_secs(8);

/// Something that is wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What was found last.
    pub finding: Finding,
    /// Since when.
    pub since: Instant,
}

/// A warning that has begun, or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningChange {
    /// What was found last.
    pub finding: Finding,
    /// How long it lasted; `None`: it has begun.
    pub lasted: Option<Duration>,
}

/// One kind of warning, from when it was first found.
#[derive(Clone, Debug)]
struct Entry {
    warning: Warning,
    found: Instant,
    begun: bool,
}

/// The warnings of one publisher, at most one of each kind.
#[derive(Clone, Debug, Default)]
pub struct WarningSet {
    entries: Vec<Entry>,
}

impl WarningSet {
    /// Whether there is a warning of this kind.
    #[must_use]
    pub fn stands(&self, kind: WarningKind) -> bool {
        self.entries.iter().any(|entry| entry.begun && entry.warning.finding.kind == kind)
    }

    /// Takes what is found at `now`. What was found once and is gone before it became a warning is forgotten.
    pub fn update(&mut self, now: Instant, findings: Vec<Finding>) -> Vec<WarningChange> {
        let mut changes = Vec::new();
        for finding in findings {
            let known = self.entries.iter_mut().find(|it| it.warning.finding.kind == finding.kind);
            if let Some(entry) = known {
                entry.found = now;
                entry.warning.finding = finding;
            } else {
                let warning = Warning { finding, since: now };
                self.entries.push(Entry { warning, found: now, begun: false });
            }
        }
        self.entries.retain_mut(|entry| {
            let absent = now.saturating_duration_since(entry.found);
            let lasted = now.saturating_duration_since(entry.warning.since);
            let finding = &entry.warning.finding;
            if entry.begun && absent >= END_AFTER {
                changes.push(WarningChange { finding: finding.clone(), lasted: Some(lasted) });
                return false;
            }
            if !entry.begun && absent.is_zero() && lasted >= BEGIN_AFTER {
                entry.begun = true;
                changes.push(WarningChange { finding: finding.clone(), lasted: None });
            }
            entry.begun || absent.is_zero()
        });
        changes
    }

    /// Ends all.
    pub fn clear(&mut self, now: Instant) -> Vec<WarningChange> {
        let begun = self.entries.drain(..).filter(|entry| entry.begun);
        let ended = begun.map(|Entry { warning, .. }| WarningChange {
            finding: warning.finding,
            lasted: Some(now.saturating_duration_since(warning.since)),
        });
        ended.collect()
    }

    /// The warnings there are, the worst first, then the oldest.
    #[must_use]
    pub fn list(&self) -> Vec<Warning> {
        let begun = self.entries.iter().filter(|entry| entry.begun);
        let mut warnings: Vec<_> = begun.map(|entry| entry.warning.clone()).collect();
        warnings.sort_by_key(|it| (std::cmp::Reverse(it.finding.level), it.since));
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::WarningLevel;

    fn finding(kind: WarningKind) -> Vec<Finding> {
        vec![Finding {
            kind,
            level: WarningLevel::Fair,
            problem: "Something".to_owned(),
            advice: "do this".to_owned(),
        }]
    }

    /// Looks once a second; tells changes by second, `+` for a begin.
    fn run(seen: &str) -> Vec<String> {
        let start = crate::shell::now();
        let mut set = WarningSet::default();
        let mut told = Vec::new();
        for (second, seen) in seen.chars().enumerate() {
            let now = start + Duration::from_secs(u64::try_from(second).unwrap());
            let findings = if seen == 'x' { finding(WarningKind::Skew) } else { Vec::new() };
            for change in set.update(now, findings) {
                let what =
                    change.lasted.map_or_else(|| "+".to_owned(), |it| format!("-{}", it.as_secs()));
                told.push(format!("{second}{what}"));
            }
        }
        told
    }

    #[test]
    fn a_warning_begins_when_it_lasts_and_ends_when_it_stays_away() {
        assert_eq!(run("xxx.xxx.x.xx."), [""; 0]);
        assert_eq!(run("xxxxxx........"), ["3+", "13-13"]);
        assert_eq!(run("xxxx.....x.......x........x"), ["3+", "25-25"]);
        assert_eq!(run("xxxxx............xxxx"), ["3+", "12-12", "20+"]);
    }

    #[test]
    fn who_leaves_takes_the_warnings_along() {
        let start = crate::shell::now();
        let mut set = WarningSet::default();
        for second in 0..5 {
            set.update(start + Duration::from_secs(second), finding(WarningKind::Uplink));
        }
        assert!(set.stands(WarningKind::Uplink) && !set.stands(WarningKind::Skew));
        assert_eq!(set.list().len(), 1);
        assert_eq!(set.list()[0].since, start);
        let ended = set.clear(start + Duration::from_secs(9));
        assert_eq!(ended[0].lasted, Some(Duration::from_secs(9)));
        assert!(set.list().is_empty());
    }
}
