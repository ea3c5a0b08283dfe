//! The report as a table, or as comma-separated values.

use super::{Row, row::Dollars};
use crate::cli::ReportBy;

/// What stands for lines that were added up to keep the ledger within its bounds.
const ADDED_UP: &str = "(added up)";

/// Columns of a row, in their order, with their names.
fn columns(row: &Row) -> Vec<(&'static str, String)> {
    let budget = row.budget_wei.clone().unwrap_or_default();
    let mut columns = vec![
        ("segments", row.segments.clone()),
        ("attempts", row.attempts.clone()),
        ("pixels", row.pixels.clone()),
        ("tickets", row.tickets.clone()),
        ("hours", row.hours.clone()),
        ("ev_wei", row.ev_wei.clone()),
        ("debit_wei", row.debit_wei.clone()),
        ("written_off_wei", row.written_off_wei.clone()),
        ("in_doubt_wei", row.in_doubt_wei.clone()),
        ("in_flight_wei", row.in_flight_wei.clone()),
        ("left_wei", row.left_wei.clone()),
        ("budget_wei", budget),
        ("adds_up", row.adds_up.to_string()),
    ];
    if let Some(Dollars { ev_usd, debit_usd, cost_usd, cost_usd_per_hour, .. }) = &row.dollars {
        columns.extend([
            ("ev_usd", ev_usd.clone()),
            ("debit_usd", debit_usd.clone()),
            ("cost_usd", cost_usd.clone()),
            ("cost_usd_per_hour", cost_usd_per_hour.clone().unwrap_or_default()),
        ]);
    }
    columns
}

/// Name of the first column.
const fn key(by: ReportBy) -> &'static str {
    match by {
        ReportBy::Stream => "stream",
        ReportBy::Orchestrator => "orchestrator",
        ReportBy::Day => "day",
    }
}

fn name(row: &Row) -> &str {
    [&row.stream, &row.orchestrator, &row.day]
        .into_iter()
        .flatten()
        .next()
        .map_or("", String::as_str)
}

/// One line for each row, without its parts.
pub(super) fn csv(rows: &[Row], by: ReportBy) -> String {
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        let columns = columns(row);
        if place == 0 {
            let names = columns.iter().map(|(name, _)| *name);
            text.push_str(&std::iter::once(key(by)).chain(names).collect::<Vec<_>>().join(","));
            text.push_str("\r\n");
        }
        let values = columns.into_iter().map(|(_, value)| value);
        let line: Vec<_> = std::iter::once(quoted(name(row))).chain(values).collect();
        text.push_str(&line.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A name in quotation marks where it needs some (RFC 4180), and never as what a spreadsheet executes.
fn quoted(name: &str) -> String {
    let safe = if name.starts_with(['=', '+', '-', '@', '\t']) {
        format!("'{name}")
    } else {
        name.to_owned()
    };
    if safe.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

/// For people: each row, and its parts below it.
pub(super) fn table(rows: &[Row], by: ReportBy) -> String {
    let Some(first) = rows.first() else { return "no payments are on record\n".to_owned() };
    let header = std::iter::once(key(by).to_owned());
    let mut lines: Vec<Vec<String>> =
        vec![header.chain(columns(first).into_iter().map(|(name, _)| name.to_owned())).collect()];
    for row in rows {
        lines.push(line(row, ""));
        for part in row.orchestrators.iter().chain(&row.streams).flatten() {
            lines.push(line(part, "  "));
        }
    }
    let mut text = aligned(&lines);
    for row in rows {
        for listed in row.dollars.iter().flat_map(|dollars| &dollars.list_prices) {
            let beside = match &listed.times {
                Some(times) => format!("{times} times what {} costs", shown(row)),
                None => format!("{} has no cost per hour to compare", shown(row)),
            };
            text.push_str(&format!(
                "{}: {} USD an hour, {beside}\n",
                listed.name, listed.usd_per_hour
            ));
        }
    }
    text
}

fn shown(row: &Row) -> &str {
    Some(name(row)).filter(|name| !name.is_empty()).unwrap_or(ADDED_UP)
}

fn line(row: &Row, indent: &str) -> Vec<String> {
    let name = format!("{indent}{}", shown(row));
    std::iter::once(name).chain(columns(row).into_iter().map(|(_, value)| value)).collect()
}

/// Names to the left, numbers to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut written = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let cell =
                if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            written.push_str(&cell);
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}
