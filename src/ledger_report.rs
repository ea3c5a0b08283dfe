//! `headgate ledger report`: what was quoted, paid and billed.

mod budgets;
mod money;
mod render;
mod row;
mod sums;
#[cfg(test)]
mod tests;

use std::{str::FromStr, time::UNIX_EPOCH};

use anyhow::Context as _;
use payer::{PaymentRecord as _, ReportLine};
use store::Store;
use tickets::Wei;

use crate::{
    app::STORE_FILE,
    cli::{LedgerReportArgs, ReportBy},
};
pub use money::{ListPrice, PriceError, Usd};
use row::{Row, rows};

pub(crate) use budgets::StreamBudgets;

/// A day by UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportDay(String);

/// A text that is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day, such as 2026-11-28")]
pub struct ReportDayError;

impl FromStr for ReportDay {
    type Err = ReportDayError;

    fn from_str(text: &str) -> Result<Self, ReportDayError> {
        let shape = |(place, byte): (usize, u8)| {
            if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() }
        };
        let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u8>().ok();
        let shaped = text.len() == 10 && text.bytes().enumerate().all(shape);
        let dated = part(5..7).is_some_and(|month| (1..=12).contains(&month))
            && part(8..10).is_some_and(|day| (1..=31).contains(&day));
        if shaped && dated { Ok(Self(text.to_owned())) } else { Err(ReportDayError) }
    }
}

/// A report, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// What to print.
    pub(crate) text: String,
    /// Whether every wei is accounted for.
    pub(crate) adds_up: bool,
}

/// Reads the ledger, and tells.
///
/// # Errors
/// When there is no ledger, or it can't be read.
pub(crate) async fn report(args: &LedgerReportArgs) -> anyhow::Result<Written> {
    let store = open(args).await?;
    let lines = store.report(UNIX_EPOCH).await.context("can't read the ledger");
    store.close().await;
    let budgets = match &args.data_dir {
        Some(folder) => StreamBudgets::read(folder).context("can't read the streams' budgets")?,
        None => StreamBudgets::default(),
    };
    written(lines?, args, |stream| budgets.of_stream(stream))
}

async fn open(args: &LedgerReportArgs) -> anyhow::Result<Store> {
    let url = args.store_url.as_ref().filter(|url| !url.expose().trim().is_empty());
    if let Some(url) = url {
        return Ok(Store::connect_to_read(url.expose()).await?);
    }
    let folder = args.data_dir.as_deref().context("say where the ledger is: --data-dir DIR")?;
    let shown = folder.display();
    anyhow::ensure!(folder.is_dir(), "there is no directory {shown}");
    let file = folder.join(STORE_FILE);
    anyhow::ensure!(
        file.is_file(),
        "no gateway has kept a ledger in {shown}: no {STORE_FILE} there"
    );
    Ok(Store::open_to_read(&file).await?)
}

/// Lines of the ledger as the flags want them; `budget_of` tells a stream's budget, where it has one.
fn written(
    mut lines: Vec<ReportLine>,
    args: &LedgerReportArgs,
    budget_of: impl Fn(&str) -> Option<Wei>,
) -> anyhow::Result<Written> {
    if let Some(ReportDay(first)) = &args.since {
        // Days are written so that their texts have their order.
        lines.retain(|line| line.day >= *first);
    }
    let groups = sums::groups(lines, args.by);
    let adds_up = groups.iter().all(|group| group.sums.adds_up);
    let budget_of = |key: &str| if args.by == ReportBy::Stream { budget_of(key) } else { None };
    let rows = rows(&groups, args, budget_of);
    let text = if args.json {
        serde_json::to_string_pretty(&rows).context("can't write the report")? + "\n"
    } else if args.csv {
        render::csv(&rows, args.by)
    } else {
        render::table(&rows, args.by)
    };
    Ok(Written { text, adds_up })
}
