//! The `headgate` binary.

use std::process::ExitCode;

use clap::Parser as _;
use headgate::cli::Cli;

fn main() -> ExitCode {
    match headgate::run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a command that could not start")]
fn complain(error: &anyhow::Error) {
    eprintln!("headgate: {error:#}");
}
