//! The program around the proxy.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
};

use clap::Parser;

use super::proxy::FaultyOrchestrator;
use crate::{Faults, FaultsError, Upstream};

/// An orchestrator that misbehaves on request: a proxy in front of a real one. Faults are switched with
/// `PUT /_faults` on its own port.
#[derive(Clone, Debug, Parser)]
#[command(name = "faulty-orchestrator")]
pub struct Args {
    /// The orchestrator that does the work.
    #[arg(long, value_name = "URL")]
    pub upstream: Upstream,
    /// Where to listen, on loopback; port 0 takes any.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    pub addr: SocketAddr,
    /// Print the address listened on, as one line.
    #[arg(long)]
    pub print_addr: bool,
    /// What goes wrong from the start, as JSON.
    #[arg(long, value_name = "JSON")]
    pub faults: Option<String>,
}

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Whoever reaches the port decides what goes wrong.
    #[error("{0} is not on loopback")]
    NotLoopback(SocketAddr),
    /// The address can't be listened on, or the runtime not be started.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The faults of the start can't be set.
    #[error(transparent)]
    Faults(#[from] FaultsError),
}

/// Runs until it is interrupted.
///
/// # Errors
/// When the proxy can't start.
pub fn run(args: &Args) -> Result<(), RunError> {
    let faults = args.faults.as_deref().map(str::as_bytes).map(Faults::from_json).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let proxy = FaultyOrchestrator::start(args.upstream.clone(), args.addr).await?;
        proxy.set(faults.unwrap_or_default())?;
        if args.print_addr {
            writeln!(io::stdout(), "{}", proxy.addr())?;
            io::stdout().flush()?;
        }
        tokio::signal::ctrl_c().await?;
        Ok(())
    })
}
