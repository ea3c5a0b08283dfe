//! `budgets.json`: the budgets of streams that a gateway last started with, for reports.

use std::{io, path::Path};

use payer::{Budget, BudgetScope, BudgetWindow};
use serde::{Deserialize, Serialize};
use tickets::Wei;

/// Name of the file in the data directory.
const FILE: &str = "budgets.json";

/// Limits on what streams may spend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamBudgets(Vec<Limit>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Limit {
    /// `None` is each.
    stream: Option<String>,
    per: Window,
    limit_wei: String,
}

/// Those that tell most about a report come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Window {
    Total,
    Day,
    Hour,
}

impl StreamBudgets {
    /// Those of streams, of all that are configured.
    pub(crate) fn of(budgets: &[Budget]) -> Self {
        let limit = |budget: &Budget| {
            let stream = match &budget.scope {
                BudgetScope::Stream(name) => Some(name.clone()),
                BudgetScope::EachStream => None,
                BudgetScope::Fleet | BudgetScope::Owner(_) => return None,
            };
            let per = match budget.window {
                BudgetWindow::Total => Window::Total,
                BudgetWindow::Day => Window::Day,
                BudgetWindow::Hour => Window::Hour,
            };
            Some(Limit { stream, per, limit_wei: budget.limit.to_string() })
        };
        Self(budgets.iter().filter_map(limit).collect())
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub(crate) fn write(&self, data_dir: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let unfinished = data_dir.join("budgets.json.new");
        std::fs::write(&unfinished, text + "\n")?;
        std::fs::rename(unfinished, data_dir.join(FILE))
    }

    /// Reads the file; without one there are none.
    ///
    /// # Errors
    /// When it is not one of ours.
    pub(super) fn read(data_dir: &Path) -> io::Result<Self> {
        match std::fs::read(data_dir.join(FILE)) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// The least that a stream may spend in all; where nothing limits that, in a day, or in an hour.
    pub(super) fn of_stream(&self, stream: &str) -> Option<Wei> {
        let covers = |limit: &&Limit| limit.stream.as_deref().is_none_or(|name| name == stream);
        let limits = self.0.iter().filter(covers);
        let limits = limits.filter_map(|limit| Some((limit.per, limit.limit_wei.parse().ok()?)));
        limits.min().map(|(_, limit)| limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_in_all_comes_before_those_of_a_day_or_an_hour() {
        let budget = |scope, window, wei: &str| Budget::new(scope, window, wei.parse().unwrap());
        let stream = |name: &str| BudgetScope::Stream(name.to_owned());
        let budgets = StreamBudgets::of(&[
            budget(BudgetScope::Fleet, BudgetWindow::Total, "1"),
            budget(BudgetScope::EachStream, BudgetWindow::Hour, "20"),
            budget(BudgetScope::EachStream, BudgetWindow::Day, "90"),
            budget(stream("cam"), BudgetWindow::Day, "80"),
            budget(stream("desk"), BudgetWindow::Total, "1000"),
            budget(stream("desk"), BudgetWindow::Total, "700"),
        ]);
        let told =
            ["cam", "desk", "other"].map(|name| budgets.of_stream(name).unwrap().to_string());
        assert_eq!(told, ["80", "700", "90"]);
        assert_eq!(StreamBudgets::default().of_stream("cam"), None);
    }
}
