//! `faulty-orchestrator --upstream http://127.0.0.1:PORT --addr 127.0.0.1:0 --print-addr`

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

fn main() -> ExitCode {
    match faulty_orchestrator::run(&faulty_orchestrator::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "faulty-orchestrator: {error}"));
            ExitCode::FAILURE
        }
    }
}
