//! Figures and warnings as they are shown to an owner or an operator.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{HealthSnapshot, Warning, WarningKind, WarningLevel};

/// How a stream's ingest is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthWord {
    /// Nothing is wrong, but for notes.
    Good,
    /// Viewers get less than they could.
    Fair,
    /// Viewers see or hear it.
    Bad,
    /// Nobody publishes.
    Away,
}

impl HealthWord {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Good, Self::Fair, Self::Bad, Self::Away];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Bad => "bad",
            Self::Away => "away",
        }
    }

    /// That of a publisher with these warnings.
    #[must_use]
    pub fn of(warnings: &[Warning]) -> Self {
        match warnings.iter().map(|warning| warning.finding.level).max() {
            None | Some(WarningLevel::Note) => Self::Good,
            Some(WarningLevel::Fair) => Self::Fair,
            Some(WarningLevel::Bad) => Self::Bad,
        }
    }
}

/// What is shown of a publisher's health.
#[derive(Clone, Debug, Serialize)]
pub struct HealthReport {
    /// In a word.
    pub health: HealthWord,
    /// Whether somebody publishes now; else the figures are those of who was last.
    pub publishing: bool,
    /// When the publisher connected, in milliseconds since 1970.
    pub connected_at_unix_ms: u64,
    /// What is wrong, the worst first.
    pub warnings: Vec<ShownWarning>,
    /// What was measured.
    #[serde(flatten)]
    pub snapshot: HealthSnapshot,
}

/// A warning as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownWarning {
    /// What.
    pub kind: WarningKind,
    /// How bad.
    pub level: WarningLevel,
    /// One sentence: what is wrong, the figure, what to do.
    pub text: String,
    /// Its first half.
    pub problem: String,
    /// Its second half.
    pub advice: String,
    /// Since when, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
}

impl HealthReport {
    /// Of what was measured up to `now`, which is `wall` on the wall clock.
    #[must_use]
    pub fn new(
        snapshot: HealthSnapshot,
        warnings: &[Warning],
        publishing: bool,
        now: Instant,
        wall: SystemTime,
    ) -> Self {
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let wall = u64::try_from(wall).unwrap_or(u64::MAX);
        let shown = warnings.iter().map(|Warning { finding, since }| {
            let lasts = now.saturating_duration_since(*since).as_millis();
            let for_ms = u64::try_from(lasts).unwrap_or(u64::MAX);
            ShownWarning {
                kind: finding.kind,
                level: finding.level,
                text: finding.sentence(),
                problem: finding.problem.clone(),
                advice: finding.advice.clone(),
                since_unix_ms: wall.saturating_sub(for_ms),
                for_ms,
            }
        });
        Self {
            health: if publishing { HealthWord::of(warnings) } else { HealthWord::Away },
            publishing,
            connected_at_unix_ms: wall.saturating_sub(snapshot.connected_ms),
            warnings: shown.collect(),
            snapshot,
        }
    }
}
