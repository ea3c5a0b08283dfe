//! What the operator allows to be spent.

use std::{collections::BTreeSet, fmt};

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
    /// What is kept back for cheaper pools.
    pub cheaper: Option<CheaperPools>,
    /// What whoever pays does about a stream that meets the limit.
    pub at_limit: AtLimit,
}

/// From an amount on, only some pools are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheaperPools {
    /// What may be spent with any pool, in wei; the rest up to the limit is for these.
    pub from: Wei,
    /// Names of pools.
    pub pools: BTreeSet<String>,
}

/// What follows for a stream that meets a limit. Nothing is paid in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// It goes on with what costs nothing, or with its source alone.
    #[default]
    SourceOnly,
    /// It is ended.
    Stop,
}

impl Budget {
    /// A limit that ends nothing.
    #[must_use]
    pub const fn new(scope: BudgetScope, window: BudgetWindow, limit: Wei) -> Self {
        Self { scope, window, limit, cheaper: None, at_limit: AtLimit::SourceOnly }
    }

    /// The most that may have been spent once a pool is paid.
    #[must_use]
    pub fn limit_for(&self, pool: &str) -> &Wei {
        let kept_back = self.cheaper.as_ref().filter(|it| !it.pools.contains(pool));
        kept_back.map_or(&self.limit, |it| (&it.from).min(&self.limit))
    }

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
