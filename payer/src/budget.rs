//! What the operator allows to be spent.

use std::fmt;

use tickets::Wei;

/// Whose spending counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BudgetScope {
    /// All streams together.
    Fleet,
    /// The streams of one owner.
    Owner(String),
    /// One stream.
    Stream(String),
    /// Each stream by itself.
    EachStream,
}

/// Which time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BudgetWindow {
    /// The last sixty minutes, to the minute: a limit on bursts.
    Hour,
    /// The day, by UTC.
    Day,
    /// All time on record.
    Total,
}

/// A limit on the expected value of tickets that leave the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whose spending counts.
    pub scope: BudgetScope,
    /// Which time counts.
    pub window: BudgetWindow,
    /// The most, in wei.
    pub limit: Wei,
}

impl Budget {
    /// Whether a stream's spending counts against it.
    #[must_use]
    pub fn covers(&self, stream: &str, owner: Option<&str>) -> bool {
        match &self.scope {
            BudgetScope::Fleet | BudgetScope::EachStream => true,
            BudgetScope::Owner(name) => owner == Some(name.as_str()),
            BudgetScope::Stream(name) => stream == name,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wei ", self.limit)?;
        match self.window {
            BudgetWindow::Hour => f.write_str("an hour for ")?,
            BudgetWindow::Day => f.write_str("a day for ")?,
            BudgetWindow::Total => f.write_str("in all for ")?,
        }
        match &self.scope {
            BudgetScope::Fleet => f.write_str("all streams"),
            BudgetScope::Owner(name) => write!(f, "owner {name}"),
            BudgetScope::Stream(name) => write!(f, "stream {name}"),
            BudgetScope::EachStream => f.write_str("each stream"),
        }
    }
}
