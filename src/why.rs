//! `headgate why`: a decision in words.

mod words;

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use axum::body::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use router::{AttemptKind, AttemptOutcome, AttemptRecord, Candidate, Decision, Standing};
use serde::Deserialize;

use crate::cli::WhyArgs;

/// Longest wait for the gateway.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest answer read.
const MAX_ANSWER: usize = 4 << 20;

#[derive(Debug, Deserialize)]
struct Answer {
    stream: String,
    #[serde(flatten)]
    decision: Decision,
}

/// Asks the gateway, and tells.
///
/// # Errors
/// When the gateway can't be reached, or has no such record.
pub(crate) async fn explain(args: &WhyArgs) -> anyhow::Result<String> {
    let WhyArgs { stream, segment, admin, json } = args;
    let url = format!("http://{admin}/v1/streams/{stream}/segments/{segment}/decision");
    let text = tokio::time::timeout(LIMIT, fetch(&url)).await.context("no answer in time")??;
    if *json {
        return Ok(text + "\n");
    }
    let answer: Answer = serde_json::from_str(&text).context("not a decision")?;
    Ok(tell(&answer.stream, &answer.decision))
}

async fn fetch(url: &str) -> anyhow::Result<String> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri = url.parse().with_context(|| format!("{url} is no URL"))?;
    let answer = client.get(uri).await.with_context(|| format!("no gateway answers at {url}"))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer can't be read: {error}"))?;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    let said: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let said = said.as_ref().and_then(|value| value.get("error")?.as_str()).unwrap_or(&text);
    anyhow::bail!("{said} ({status})")
}

fn tell(stream: &str, decision: &Decision) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(format!(
        "segment {} of {stream}: {}",
        decision.sequence,
        words::outcome(&decision.outcome)
    ));
    line(format!(
        "It lasts {} and was listed {} after it closed, where {} was the latest. Times below count from its close.",
        millis(decision.duration_micros),
        millis(decision.released_micros),
        millis(decision.due_micros),
    ));
    let pools: Vec<_> = decision.pools.iter().map(router::PoolName::as_str).collect();
    let pools = if pools.is_empty() { "all".to_owned() } else { pools.join(", then ") };
    line(format!("class: {}; pools: {pools}", label_of(&decision.class)));
    if !decision.attempts.is_empty() {
        let rule = "Of those that can deliver in time, the first pool's come first; then the lowest cost wins.";
        line(rule.to_owned());
    }
    for (place, attempt) in decision.attempts.iter().enumerate() {
        line(String::new());
        let earlier = decision.attempts.get(..place).unwrap_or_default();
        line(tell_attempt(attempt, earlier));
        attempt.candidates.iter().for_each(|it| line(tell_candidate(it, &attempt.orchestrator)));
    }
    line(String::new());
    if let Some(held_up) = &decision.held_up {
        let more = if decision.attempts.is_empty() { "" } else { " more" };
        line(format!("{}: nobody{more} could take it", millis(held_up.at_micros)));
        held_up.candidates.iter().for_each(|it| line(tell_candidate(it, "")));
    } else if decision.attempts.is_empty() {
        line("no orchestrator was asked".to_owned());
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn tell_attempt(attempt: &AttemptRecord, earlier: &[AttemptRecord]) -> String {
    let mut text = format!(
        "{}: {} attempt with {} (pool {})",
        millis(attempt.started_micros),
        attempt.kind.as_str(),
        attempt.orchestrator,
        attempt.pool,
    );
    let took = attempt.ended_micros.map(|end| end.saturating_sub(attempt.started_micros));
    let took = took.map(|took| format!(" after {}", millis(took))).unwrap_or_default();
    let ended = match &attempt.outcome {
        AttemptOutcome::InFlight => ", still under way when the segment was listed".to_owned(),
        AttemptOutcome::Delivered => format!(", delivered{took}"),
        AttemptOutcome::Surplus => format!(", delivered{took}, not needed any more"),
        AttemptOutcome::Failed { class, detail } => {
            format!(", failed{took}: {} ({}: {detail})", words::fault(*class), class.as_str())
        }
        AttemptOutcome::Cancelled { reason } => format!(", cancelled{took}: {reason}"),
    };
    text.push_str(&ended);
    for remark in [cause(attempt, earlier), fallback(attempt)].into_iter().flatten() {
        text.push_str("\n    ");
        text.push_str(&remark);
    }
    if let Some(facts) = attempt.facts {
        // Writing into a string can't fail.
        let written = write!(
            text,
            "\n    upload {}, transcoding {}, download {}, check {}; {} bytes out, {} in",
            millis(facts.upload_micros),
            millis(facts.transcode_micros),
            millis(facts.download_micros),
            millis(facts.check_micros),
            facts.bytes_sent,
            facts.bytes_received,
        );
        debug_assert!(written.is_ok(), "a string takes everything");
        if let Some(similarity) = facts.similarity_permille {
            text.push_str(&format!("; pictures compared: {similarity} of 1000 alike"));
        }
    }
    if let Some(patience) = attempt.hedge_after_micros {
        text.push_str(&format!(
            "\n    another is asked besides when it takes longer than {}",
            millis(patience)
        ));
    }
    text
}

/// Why an attempt that is not the first was begun.
fn cause(attempt: &AttemptRecord, earlier: &[AttemptRecord]) -> Option<String> {
    let began = attempt.started_micros;
    let under_way =
        earlier.iter().rev().find(|it| it.ended_micros.is_none_or(|ended| ended > began));
    match attempt.kind {
        AttemptKind::First => None,
        AttemptKind::Retry => {
            let failed =
                earlier.iter().rev().find(|it| it.ended_micros.is_some_and(|at| at <= began));
            Some(format!("retry: begun because {} failed", failed?.orchestrator))
        }
        AttemptKind::Hedge => {
            let slow = under_way?;
            let waited = millis(began.saturating_sub(slow.started_micros));
            let seen = attempt.candidates.iter().find(|it| it.orchestrator == slow.orchestrator);
            let why = match seen.map(|it| it.standing) {
                Some(Standing::Silent) => "gave no sign of life",
                _ => "had no result",
            };
            let with = &slow.orchestrator;
            Some(format!(
                "hedge: begun beside {with}, which {why} {waited} after it was asked; the first result counts"
            ))
        }
        AttemptKind::Probe => {
            let with = &under_way?.orchestrator;
            Some(format!(
                "probe: begun beside {with}, to see whether this one, which was slow, has healed"
            ))
        }
    }
}

/// Why another pool than the preferred one was used.
fn fallback(attempt: &AttemptRecord) -> Option<String> {
    let chosen = attempt.candidates.iter().find(|it| it.orchestrator == attempt.orchestrator)?;
    let preferred = attempt.candidates.iter().filter(|it| it.pool_rank < chosen.pool_rank);
    let reasons: Vec<_> = preferred
        .map(|it| format!("{} (pool {}): {}", it.orchestrator, it.pool, words::passed_over(it)))
        .collect();
    let pool = &attempt.pool;
    (!reasons.is_empty()).then(|| format!("fallback to pool {pool}: {}", reasons.join("; ")))
}

fn tell_candidate(candidate: &Candidate, chosen: &str) -> String {
    let mark = if candidate.orchestrator == chosen { "->" } else { "  " };
    let judged = match (candidate.rejected, candidate.cost) {
        (Some(reason), _) => format!("not used, {}", words::rejection(reason)),
        (None, Some(cost)) => format!("cost {cost}"),
        (None, None) => "not judged".to_owned(),
    };
    let latency = candidate.latency_permille.map_or_else(
        || "not known how long it takes".to_owned(),
        |permille| format!("takes {} of a segment's duration", percent(permille)),
    );
    let price = candidate.price.map(|price| format!(", {price}")).unwrap_or_default();
    let current = if candidate.current { ", used for the segment before" } else { "" };
    let late =
        if candidate.rejected.is_none() && !candidate.in_time { ", would be late" } else { "" };
    format!(
        "  {mark} {} (pool {}): {judged}; {}, {latency}, delivers {} of the time, {} of {} segments in flight{price}{current}{late}",
        candidate.orchestrator,
        candidate.pool,
        words::standing(candidate.standing),
        percent(candidate.success_permille),
        candidate.in_flight,
        candidate.limit,
    )
}

/// A bounded label as the configuration spells it.
fn label_of(value: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    name.as_ref().and_then(|value| value.as_str()).unwrap_or("?").to_owned()
}

fn percent(permille: u32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

fn millis(micros: u64) -> String {
    format!("{}.{} ms", micros / 1_000, micros / 100 % 10)
}
