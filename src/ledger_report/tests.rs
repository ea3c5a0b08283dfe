use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::Parser as _;
use payer::{Ending, Entry, PaymentId, Sent, Settled};
use serde_json::{Value, json};
use tickets::{Price, Settlement};

use super::*;
use crate::cli::{Cli, Command, LedgerCommand};

/// 2023-11-14, 12:00.
const NOON: Duration = Duration::from_secs(1_699_963_200);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("headgate-ledger-report-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn wei(text: &str) -> Wei {
    text.parse().unwrap()
}

fn at(days: u64) -> SystemTime {
    UNIX_EPOCH + NOON + Duration::from_secs(days * 86_400)
}

fn sent(payment: u64, days: u64, stream: &str, orchestrator: &str, amounts: [&str; 2]) -> Entry {
    Entry::Sent(Box::new(Sent {
        payment: PaymentId(payment),
        at: at(days),
        stream: stream.to_owned(),
        owner: None,
        sequence: payment,
        attempt: 0,
        orchestrator: orchestrator.to_owned(),
        recipient: [1; 20],
        session_id: "s".to_owned(),
        price: Price::new(7, 3).unwrap(),
        estimated_pixels: 10,
        duration_micros: 1_800_000_000,
        carried: wei(amounts[0]),
        tickets: 2,
        added: wei(amounts[1]),
        mark: None,
    }))
}

fn settled(payment: u64, ending: Ending, amounts: [&str; 4]) -> Entry {
    let [returned, debited, written_off, in_doubt] = amounts.map(wei);
    let settlement = Settlement { returned, debited, written_off, in_doubt };
    let at = at(0);
    Entry::Settled(Box::new(Settled { payment: PaymentId(payment), at, ending, settlement }))
}

/// Two streams on two days: done, failed, without an answer, withdrawn and under way.
async fn ledger(folder: &Path) -> Store {
    let store = Store::open(&folder.join(STORE_FILE)).await.unwrap();
    let entries = vec![
        sent(1, 0, "cam", "https://a", ["0", "301/3"]),
        settled(1, Ending::Done { pixels: 30 }, ["91/3", "70", "0", "0"]),
        sent(2, 0, "cam", "https://b", ["0", "50"]),
        settled(2, Ending::NoAnswer, ["0", "0", "0", "50"]),
        sent(3, 0, "cam", "https://a", ["91/3", "1/3"]),
        settled(3, Ending::Failed, ["0", "0", "92/3", "0"]),
        sent(4, 1, "cam", "https://b", ["0", "40"]),
        settled(4, Ending::Withdrawn, ["0", "0", "0", "0"]),
        sent(5, 1, "desk", "https://a", ["0", "1000000000000000000"]),
        settled(5, Ending::Done { pixels: 9 }, ["0", "1000000000000000000", "0", "0"]),
        sent(6, 1, "desk", "https://a", ["0", "12"]),
    ];
    store.append(entries).await.unwrap();
    store
}

fn args(folder: &Path, flags: &[&str]) -> LedgerReportArgs {
    let folder = folder.to_str().unwrap();
    let given = ["headgate", "ledger", "report", "--data-dir", folder];
    let cli = Cli::try_parse_from(given.into_iter().chain(flags.iter().copied())).unwrap();
    let Command::Ledger(LedgerCommand::Report(args)) = cli.command else { panic!("{cli:?}") };
    *args
}

fn refused(flags: &[&str]) -> String {
    let given = ["headgate", "ledger", "report"].into_iter().chain(flags.iter().copied());
    Cli::try_parse_from(given).unwrap_err().to_string()
}

async fn json(folder: &Path, flags: &[&str]) -> Value {
    let flags: Vec<_> = ["--json"].into_iter().chain(flags.iter().copied()).collect();
    let report = report(&args(folder, &flags)).await.unwrap();
    assert!(report.adds_up, "{}", report.text);
    serde_json::from_str(&report.text).unwrap()
}

#[tokio::test]
async fn every_wei_of_a_stream_is_told() {
    let folder = Folder::new("streams");
    let store = ledger(&folder.0).await;
    // The gateway still runs.
    let told = json(&folder.0, &[]).await;
    let expected = json!({
        "stream": "cam",
        "segments": "1", "attempts": "4", "pixels": "30", "tickets": "8", "hours": "0.5000",
        "ev_wei": "150", "debit_wei": "70", "written_off_wei": "30", "in_doubt_wei": "50",
        "in_flight_wei": "0", "left_wei": "0", "budget_wei": null, "adds_up": true,
        "exact": {
            "ev_wei": "452/3", "debit_wei": "70", "written_off_wei": "92/3", "in_doubt_wei": "50",
            "in_flight_wei": "0", "left_wei": "0",
        },
        "orchestrators": [
            {
                "orchestrator": "https://a",
                "segments": "1", "attempts": "2", "pixels": "30", "tickets": "4", "hours": "0.5000",
                "ev_wei": "100", "debit_wei": "70", "written_off_wei": "30", "in_doubt_wei": "0",
                "in_flight_wei": "0", "left_wei": "0", "budget_wei": null, "adds_up": true,
                "exact": {
                    "ev_wei": "302/3", "debit_wei": "70", "written_off_wei": "92/3",
                    "in_doubt_wei": "0", "in_flight_wei": "0", "left_wei": "0",
                },
            },
            {
                "orchestrator": "https://b",
                "segments": "0", "attempts": "2", "pixels": "0", "tickets": "4", "hours": "0.0000",
                "ev_wei": "50", "debit_wei": "0", "written_off_wei": "0", "in_doubt_wei": "50",
                "in_flight_wei": "0", "left_wei": "0", "budget_wei": null, "adds_up": true,
                "exact": {
                    "ev_wei": "50", "debit_wei": "0", "written_off_wei": "0", "in_doubt_wei": "50",
                    "in_flight_wei": "0", "left_wei": "0",
                },
            },
        ],
    });
    assert_eq!(told[0], expected, "{told:#}");
    assert_eq!(told.as_array().unwrap().len(), 2);
    assert_eq!(told[1]["stream"], "desk");
    assert_eq!(told[1]["in_flight_wei"], "12");
    let kept = store.payments(PaymentId(5), 1).await.unwrap();
    assert_eq!(kept[0].settled, None, "looking settles nothing");
    store.close().await;
}

#[tokio::test]
async fn a_report_reads_a_ledger_whose_gateway_is_gone() {
    let folder = Folder::new("closed");
    ledger(&folder.0).await.close().await;
    assert_eq!(json(&folder.0, &[]).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn lines_can_be_of_orchestrators_and_days_and_begin_later() {
    let folder = Folder::new("by");
    ledger(&folder.0).await.close().await;
    let by = json(&folder.0, &["--by", "orchestrator"]).await;
    let names: Vec<_> = by.as_array().unwrap().iter().map(|it| &it["orchestrator"]).collect();
    assert_eq!(names, ["https://a", "https://b"]);
    assert_eq!(by[0]["streams"][1]["debit_wei"], "1000000000000000000");

    let by = json(&folder.0, &["--by", "day", "--since", "2023-11-15"]).await;
    assert_eq!(by.as_array().unwrap().len(), 1);
    assert_eq!((&by[0]["day"], &by[0]["attempts"]), (&json!("2023-11-15"), &json!("3")));
    assert_eq!(by[0]["streams"][0]["tickets"], "2");
}

#[tokio::test]
async fn an_hour_has_a_price_beside_those_of_others() {
    let folder = Folder::new("usd");
    ledger(&folder.0).await.close().await;
    let flags = ["--eth-usd", "2000.5", "--list-price", "One=6001.50", "--list-price", "Two=1"];
    let told = json(&folder.0, &flags).await;
    let desk = &told[1];
    assert_eq!(desk["debit_usd"], "2000.500000");
    assert_eq!(
        (&desk["hours"], &desk["cost_usd_per_hour"]),
        (&json!("0.5000"), &json!("4001.000000"))
    );
    let listed = json!([
        { "name": "One", "usd_per_hour": "6001.500000", "times": "1.50" },
        { "name": "Two", "usd_per_hour": "1.000000", "times": "0.00" },
    ]);
    assert_eq!(desk["list_prices"], listed);
    assert_eq!(told[0]["orchestrators"][1]["cost_usd_per_hour"], Value::Null, "nothing came back");

    let table = report(&args(&folder.0, &flags)).await.unwrap().text;
    assert!(
        table.contains("One: 6001.500000 USD an hour, 1.50 times what desk costs\n"),
        "{table}"
    );
}

#[tokio::test]
async fn a_table_and_a_csv_tell_the_same() {
    let folder = Folder::new("shapes");
    ledger(&folder.0).await.close().await;
    let csv = report(&args(&folder.0, &["--csv"])).await.unwrap().text;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "stream,segments,attempts,pixels,tickets,hours,ev_wei,debit_wei,written_off_wei,\
             in_doubt_wei,in_flight_wei,left_wei,budget_wei,adds_up",
            "cam,1,4,30,8,0.5000,150,70,30,50,0,0,,true",
        ]
    );
    let table = report(&args(&folder.0, &[])).await.unwrap().text;
    let words: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], lines[0].split(',').collect::<Vec<_>>());
    let cam = "cam 1 4 30 8 0.5000 150 70 30 50 0 0 true";
    assert_eq!(words[1], cam.split(' ').collect::<Vec<_>>());
    assert_eq!((words[2][0], words[3][0], words[4][0]), ("https://a", "https://b", "desk"));
}

#[tokio::test]
async fn a_budget_is_told_beside_its_stream() {
    let folder = Folder::new("budget");
    let store = ledger(&folder.0).await;
    let lines = store.report(UNIX_EPOCH).await.unwrap();
    assert_eq!(json(&folder.0, &[]).await[0]["budget_wei"], Value::Null);
    let limit = wei("500");
    let all = payer::Budget::new(payer::BudgetScope::EachStream, payer::BudgetWindow::Day, limit);
    StreamBudgets::of(&[all]).write(&folder.0).unwrap();
    let told = json(&folder.0, &[]).await;
    assert_eq!((&told[0]["budget_wei"], &told[1]["budget_wei"]), (&json!("500"), &json!("500")));
    let of_days = json(&folder.0, &["--by", "day"]).await;
    assert_eq!(of_days[0]["budget_wei"], Value::Null);

    let args = args(&folder.0, &["--json"]);
    let budget = |stream: &str| (stream == "cam").then(|| wei("500"));
    let told = written(lines.clone(), &args, budget).unwrap();
    let told: Value = serde_json::from_str(&told.text).unwrap();
    assert_eq!((&told[0]["budget_wei"], &told[1]["budget_wei"]), (&json!("500"), &Value::Null));

    // A sum that someone changed.
    let mut lines = lines;
    lines[0].totals.debited += &wei("1/7");
    let told = written(lines, &args, budget).unwrap();
    assert!(!told.adds_up);
    let told: Value = serde_json::from_str(&told.text).unwrap();
    assert_eq!((&told[0]["adds_up"], &told[1]["adds_up"]), (&json!(false), &json!(true)));
    store.close().await;
}

#[tokio::test]
async fn whole_amounts_add_up_whatever_was_rounded() {
    let folder = Folder::new("whole");
    ledger(&folder.0).await.close().await;
    let told = json(&folder.0, &[]).await;
    let whole = |row: &Value, name: &str| row[name].as_str().unwrap().parse::<i128>().unwrap();
    for stream in told.as_array().unwrap() {
        let parts = ["debit_wei", "written_off_wei", "in_doubt_wei", "in_flight_wei", "left_wei"];
        let rows = [stream].into_iter().chain(stream["orchestrators"].as_array().unwrap());
        for row in rows {
            let parts: i128 = parts.iter().map(|part| whole(row, part)).sum();
            assert_eq!(parts, whole(row, "ev_wei"), "{row:#}");
        }
    }
}

#[tokio::test]
async fn where_there_is_no_ledger_it_says_so() {
    let folder = Folder::new("missing");
    let missing = folder.0.join("nowhere");
    let error = report(&args(&missing, &[])).await.unwrap_err().to_string();
    assert_eq!(error, format!("there is no directory {}", missing.display()));
    let error = report(&args(&folder.0, &[])).await.unwrap_err().to_string();
    assert!(error.starts_with("no gateway has kept a ledger in "), "{error}");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "nothing was created");
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    for (flags, said) in [
        (&["--data-dir", "d", "--json", "--csv"][..], "cannot be used with"),
        (&["--data-dir", "d", "--since", "yesterday"], "not a day, such as 2026-11-28"),
        (&["--data-dir", "d", "--since", "2026-13-01"], "not a day"),
        (&["--data-dir", "d", "--since", "2026-1+-01"], "not a day"),
        (&["--data-dir", "d", "--eth-usd", "many"], "not a positive number of USD"),
        (&["--data-dir", "d", "--list-price", "One=3"], "--eth-usd"),
    ] {
        let error = refused(flags);
        assert!(error.contains(said), "{flags:?}: {error}");
    }
}
