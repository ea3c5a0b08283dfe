//! A sound worker's pipe.

use std::{ffi::OsString, io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    process::ChildStdout,
    sync::mpsc,
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::process::spawn;
use crate::{
    sound::{SOUND_HEADER, SoundUnit, read_header, write_header},
    wire,
};

/// How long a worker may take to read a packet; it needs less than a millisecond for one.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Runs a sound worker until `packets` closes: each packet goes in, each frame comes out. Returns
/// `packets`, so that another worker can go on with them, when the worker breaks before that. Each frame
/// goes to `take`, which must not wait. `tasks` owns the reader of its standard error.
///
/// # Errors
/// When the worker can't be started, ends by itself, or reads nothing for 5 s.
pub async fn run_sound_process(
    program: &Path,
    arguments: &[OsString],
    packets: &mut mpsc::Receiver<SoundUnit>,
    take: impl FnMut(SoundUnit) + Send,
    tasks: &TaskTracker,
) -> io::Result<()> {
    // Killed when it is dropped, at the end.
    let (_child, stdin, stdout) = spawn(program, arguments, tasks)?;
    tokio::select! {
        fed = feed(stdin, packets) => fed,
        drained = drain(stdout, take) => drained,
    }
}

/// Ends when there are no more packets; the worker then ends with its input.
async fn feed(
    mut stdin: impl AsyncWrite + Unpin,
    packets: &mut mpsc::Receiver<SoundUnit>,
) -> io::Result<()> {
    while let Some(packet) = packets.recv().await {
        let Some(header) = write_header(packet.pts, &packet.payload) else { continue };
        let write = async {
            stdin.write_all(&header).await?;
            stdin.write_all(&packet.payload).await?;
            stdin.flush().await
        };
        let written = timeout(WRITE_LIMIT, write).await;
        written.unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()))?;
    }
    Ok(())
}

async fn drain(stdout: ChildStdout, mut take: impl FnMut(SoundUnit)) -> io::Result<()> {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut header = [0; SOUND_HEADER];
        stdout.read_exact(&mut header).await?;
        let (length, pts) =
            read_header(header).ok_or_else(|| wire::invalid("a frame over the limit"))?;
        let mut payload = vec![0; length];
        stdout.read_exact(&mut payload).await?;
        take(SoundUnit { pts, payload: payload.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_reads_nothing_is_given_up() {
        let (stdin, _never_read) = tokio::io::duplex(SOUND_HEADER);
        let (packets, mut received) = mpsc::channel(1);
        packets.try_send(SoundUnit { pts: 0, payload: vec![0; 100].into() }).unwrap();
        let fed = timeout(2 * WRITE_LIMIT, feed(stdin, &mut received)).await;
        assert_eq!(fed.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
