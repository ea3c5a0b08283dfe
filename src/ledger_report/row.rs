//! A line of the report, as JSON has it.

use serde::Serialize;
use tickets::Wei;

use super::{
    money::{ListPrice, Usd, written_hours},
    sums::{Group, Sums},
};
use crate::cli::{LedgerReportArgs, ReportBy};

/// Of what has a line, or a part of it. Of lines that were added up to keep the ledger within its bounds,
/// stream and orchestrator are empty.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) orchestrator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) day: Option<String>,
    pub(super) segments: String,
    pub(super) attempts: String,
    pub(super) pixels: String,
    pub(super) tickets: String,
    pub(super) hours: String,
    pub(super) ev_wei: String,
    pub(super) debit_wei: String,
    pub(super) written_off_wei: String,
    pub(super) in_doubt_wei: String,
    pub(super) in_flight_wei: String,
    pub(super) left_wei: String,
    pub(super) budget_wei: Option<String>,
    pub(super) adds_up: bool,
    pub(super) exact: Exact,
    #[serde(flatten)]
    pub(super) dollars: Option<Dollars>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) orchestrators: Option<Vec<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) streams: Option<Vec<Self>>,
}

/// The amounts as they are kept.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Exact {
    ev_wei: String,
    debit_wei: String,
    written_off_wei: String,
    in_doubt_wei: String,
    in_flight_wei: String,
    left_wei: String,
}

/// Amounts in USD.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Dollars {
    pub(super) ev_usd: String,
    pub(super) debit_usd: String,
    pub(super) cost_usd: String,
    /// None where nothing came back.
    pub(super) cost_usd_per_hour: Option<String>,
    pub(super) list_prices: Vec<Listed>,
}

/// Another service beside it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) usd_per_hour: String,
    /// How many times as much it costs; none where this costs nothing, or nothing came back.
    pub(super) times: Option<String>,
}

/// The lines, with their parts.
pub(super) fn rows(
    groups: &[Group],
    args: &LedgerReportArgs,
    budget_of: impl Fn(&str) -> Option<Wei>,
) -> Vec<Row> {
    let part = |(name, sums): &(String, Sums)| {
        let mut part = row(sums, args);
        match args.by {
            ReportBy::Stream => part.orchestrator = Some(name.clone()),
            ReportBy::Orchestrator | ReportBy::Day => part.stream = Some(name.clone()),
        }
        part
    };
    let line = |group: &Group| {
        let mut line = row(&group.sums, args);
        line.budget_wei = budget_of(&group.key).map(|budget| budget.to_string());
        let parts = Some(group.parts.iter().map(part).collect());
        let key = Some(group.key.clone());
        match args.by {
            ReportBy::Stream => (line.stream, line.orchestrators) = (key, parts),
            ReportBy::Orchestrator => (line.orchestrator, line.streams) = (key, parts),
            ReportBy::Day => (line.day, line.streams) = (key, parts),
        }
        line
    };
    groups.iter().map(line).collect()
}

/// A line without its name.
pub(super) fn row(sums: &Sums, args: &LedgerReportArgs) -> Row {
    let Sums { exact, whole, adds_up } = sums;
    Row {
        stream: None,
        orchestrator: None,
        day: None,
        segments: exact.segments.to_string(),
        attempts: exact.attempts.to_string(),
        pixels: exact.pixels.to_string(),
        tickets: exact.tickets.to_string(),
        hours: written_hours(exact.duration_micros),
        ev_wei: whole.sent.to_string(),
        debit_wei: whole.debited.to_string(),
        written_off_wei: whole.written_off.to_string(),
        in_doubt_wei: whole.in_doubt.to_string(),
        in_flight_wei: whole.in_flight.to_string(),
        left_wei: whole.left.to_string(),
        budget_wei: None,
        adds_up: *adds_up,
        exact: Exact {
            ev_wei: exact.sent.to_string(),
            debit_wei: exact.debited.to_string(),
            written_off_wei: exact.written_off.to_string(),
            in_doubt_wei: exact.in_doubt.to_string(),
            in_flight_wei: exact.in_flight.to_string(),
            left_wei: exact.left.to_string(),
        },
        dollars: args.eth_usd.as_ref().map(|ether| dollars(sums, ether, &args.list_prices)),
        orchestrators: None,
        streams: None,
    }
}

fn dollars(sums: &Sums, ether: &Usd, list_prices: &[ListPrice]) -> Dollars {
    let exact = &sums.exact;
    let cost = &(&exact.debited + &exact.written_off) + &exact.in_doubt;
    let cost = ether.worth(&cost);
    let hourly = cost.for_an_hour(exact.duration_micros);
    let listed = |listed: &ListPrice| Listed {
        name: listed.name.clone(),
        usd_per_hour: listed.price.written(),
        times: hourly.as_ref().and_then(|hourly| listed.price.times(hourly)),
    };
    Dollars {
        ev_usd: ether.worth(&exact.sent).written(),
        debit_usd: ether.worth(&exact.debited).written(),
        cost_usd: cost.written(),
        cost_usd_per_hour: hourly.as_ref().map(Usd::written),
        list_prices: list_prices.iter().map(listed).collect(),
    }
}
