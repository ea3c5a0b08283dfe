//! Who may write to the winning tickets of a data directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use tokio::time::Instant;

/// Name of the file in the data directory.
const FILE: &str = "winning-tickets.lock";
/// How long the last process may take to end.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time between two looks whether it has.
const RETRY: Duration = Duration::from_millis(50);

/// Held by one process at a time: what another one adds to a file while it is rewritten would be lost. It
/// ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct TicketsLock {
    _file: File,
}

impl TicketsLock {
    /// Takes it, and waits some seconds for a process that is about to end.
    ///
    /// # Errors
    /// When another process has it still, or the file can't be opened.
    pub(crate) async fn take(data_dir: &Path) -> io::Result<Self> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match Self::try_take(data_dir) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    if Instant::now() >= give_up {
                        return Err(error);
                    }
                    tokio::time::sleep(RETRY).await;
                }
                taken => return taken,
            }
        }
    }

    /// Takes it at once.
    ///
    /// # Errors
    /// `ResourceBusy` when somebody has it; others when the file can't be opened.
    pub(crate) fn try_take(data_dir: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(data_dir.join(FILE))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let text = "another orchestrator keeps its winning tickets in this data directory";
                Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_has_it_and_the_next_waits() {
        let name = format!("headgate-tickets-lock-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let first = TicketsLock::take(&directory).await.unwrap();
        let error = TicketsLock::try_take(&directory).unwrap_err();
        assert!(error.to_string().contains("another orchestrator"), "{error}");
        let mut next = std::pin::pin!(TicketsLock::take(&directory));
        tokio::time::timeout(RETRY * 2, &mut next).await.unwrap_err();
        drop(first);
        next.await.unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
