//! A child process that is restarted when it ends, and ends with us.

use std::{ffi::OsString, io, path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
};
use tokio_util::sync::CancellationToken;

/// First pause before a restart; doubles with each quick end.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A child that lived this long starts with the first pause again.
const HEALTHY: Duration = Duration::from_secs(10);
/// How long a child may take to end once its standard input has.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What to run. Its standard input stays open for as long as we live: children end when it does, so
/// that none survives a gateway that is killed.
#[derive(Clone, Debug)]
pub(crate) struct ChildSpec {
    /// For log lines.
    pub name: &'static str,
    /// The program; usually this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Written to its standard input first: what must not show in the list of processes.
    pub input: Vec<u8>,
}

impl ChildSpec {
    /// Starts it. The pipe to its standard input is apart, since waiting for a child closes its own.
    async fn spawn(&self) -> io::Result<(Child, Option<ChildStdin>)> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take();
        if let Some(stdin) = &mut stdin {
            stdin.write_all(&self.input).await?;
            stdin.flush().await?;
        }
        Ok((child, stdin))
    }

    /// Keeps the child running until `closed`; `starting` is called before each start.
    pub(crate) async fn supervise(self, closed: CancellationToken, mut starting: impl FnMut()) {
        let mut pause = FIRST_PAUSE;
        while !closed.is_cancelled() {
            starting();
            let since = tokio::time::Instant::now();
            match self.spawn().await {
                Ok((mut child, stdin)) => {
                    tracing::info!(
                        child = self.name,
                        process = child.id(),
                        "child process started"
                    );
                    let status = tokio::select! {
                        status = child.wait() => status,
                        () = closed.cancelled() => return end(self.name, child, stdin).await,
                    };
                    let status =
                        status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    tracing::warn!(child = self.name, status, "child process ended, restarting");
                }
                Err(error) => {
                    tracing::error!(child = self.name, %error, "can't start a child process")
                }
            }
            if since.elapsed() >= HEALTHY {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = closed.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn end(name: &str, mut child: Child, stdin: Option<ChildStdin>) {
    drop(stdin);
    match tokio::time::timeout(END_LIMIT, child.wait()).await {
        Ok(Ok(status)) => tracing::debug!(child = name, %status, "child process ended"),
        Ok(Err(error)) => tracing::warn!(child = name, %error, "can't wait for a child process"),
        Err(_late) => {
            tracing::warn!(child = name, "child process does not end, killing it");
            if let Err(error) = child.kill().await {
                tracing::warn!(child = name, %error, "can't kill a child process");
            }
        }
    }
}
