//! `sim`: runs seeds, and prints a line that runs a failing one again.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use sim::{Detail, Summary, Violation, run};

/// Failing seeds that are named.
const NAMED: usize = 20;

/// Characters of a violation that are printed without --trace.
const LONGEST: usize = 300;
/// One in so many seeds is run twice, and has to come to the same.
const TWICE: u64 = 50;

/// Runs the gateway's cores in virtual time, one run for each seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run this one alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens. With --seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Stop at the first seed that fails.
    #[arg(long)]
    fail_fast: bool,
}

/// What all seeds came to.
#[derive(Debug, Default)]
struct Results {
    summary: Summary,
    run: u64,
    failed: Vec<(u64, Violation)>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A core's panic is caught and named with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = now();
    let results = match arguments.seed {
        Some(seed) => run_one(seed, arguments.trace),
        None => run_all(&arguments),
    };
    let longest = if arguments.trace { usize::MAX } else { LONGEST };
    if report(&results, longest, now() - begun).is_err() || !results.failed.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run_one(seed: u64, trace: bool) -> Results {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let detail = if trace { Detail::Decisions } else { Detail::Events };
    let result = run(seed, detail, if trace { Some(&mut out) } else { None });
    let mut results = Results::default();
    results.take(seed, result);
    results
}

/// Runs the seeds on every core.
fn run_all(arguments: &Arguments) -> Results {
    let next = AtomicU64::new(0);
    let results = Mutex::new(Results::default());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let stop = arguments.fail_fast && !locked(&results).failed.is_empty();
            if index >= arguments.seeds || stop {
                return;
            }
            let seed = arguments.first.saturating_add(index);
            let mut result = run(seed, Detail::Events, None);
            if seed.is_multiple_of(TWICE) && result != run(seed, Detail::Events, None) {
                result = Err(Violation::unequal());
            }
            locked(&results).take(seed, result);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.failed.sort_by_key(|(seed, _)| *seed);
    results
}

fn locked(results: &Mutex<Results>) -> std::sync::MutexGuard<'_, Results> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Results {
    fn take(&mut self, seed: u64, result: Result<Summary, Violation>) {
        self.run += 1;
        match result {
            Ok(summary) => self.summary += summary,
            Err(violation) => self.failed.push((seed, violation)),
        }
    }
}

fn report(results: &Results, longest: usize, took: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (seed, violation) in results.failed.iter().take(NAMED) {
        let what: String = violation.to_string().chars().take(longest).collect();
        writeln!(out, "seed {seed}: {what}; reproduce: cargo run -p sim -- --seed {seed} --trace")?;
    }
    let Results { summary: it, run, failed } = results;
    let hours = it.simulated.as_secs_f64() / 3_600.0;
    writeln!(
        out,
        "{run} seeds, {} failed: {hours:.1} simulated hours, {} streams, {} segments ({} complete, \
         {} without renditions; {} of {} lost with a good orchestrator there), {} attempts ({} retries, {} hedges, {} probes) in {:.1} s",
        failed.len(),
        it.streams,
        it.segments,
        it.complete,
        it.missing,
        it.lost,
        it.required,
        it.attempts,
        it.retries,
        it.hedges,
        it.probes,
        took.as_secs_f64(),
    )?;
    out.flush()
}

#[expect(clippy::disallowed_methods, reason = "how long it took, for people")]
fn now() -> Instant {
    Instant::now()
}
