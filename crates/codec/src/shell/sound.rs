//! A sound worker's pipe.

use std::{ffi::OsString, io, path::Path, process::Stdio};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::mpsc,
};
use tokio_util::task::TaskTracker;

use super::process::forward_log;
use crate::{
    sound::{SOUND_HEADER, SoundUnit, read_header, write_header},
    wire,
};

/// Runs a sound worker until `packets` closes: each packet goes in, each frame comes out. Returns
/// `packets`, so that another worker can go on with them, when the worker breaks before that. Frames that
/// `frames` has no room for are dropped. `tasks` owns the reader of its standard error.
///
/// # Errors
/// When the worker can't be started, or ends by itself.
pub async fn run_sound_process(
    program: &Path,
    arguments: &[OsString],
    packets: &mut mpsc::Receiver<SoundUnit>,
    frames: &mpsc::Sender<SoundUnit>,
    tasks: &TaskTracker,
) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("a pipe of the sound worker is missing"));
    };
    tasks.spawn(forward_log(stderr, child.id().unwrap_or(0)));
    tokio::select! {
        fed = feed(stdin, packets) => fed,
        drained = drain(stdout, frames) => drained,
    }
}

/// Ends when there are no more packets; the worker then ends with its input.
async fn feed(mut stdin: ChildStdin, packets: &mut mpsc::Receiver<SoundUnit>) -> io::Result<()> {
    while let Some(packet) = packets.recv().await {
        let Some(header) = write_header(packet.pts, &packet.payload) else { continue };
        stdin.write_all(&header).await?;
        stdin.write_all(&packet.payload).await?;
        stdin.flush().await?;
    }
    Ok(())
}

async fn drain(stdout: ChildStdout, frames: &mpsc::Sender<SoundUnit>) -> io::Result<()> {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut header = [0; SOUND_HEADER];
        stdout.read_exact(&mut header).await?;
        let (length, pts) =
            read_header(header).ok_or_else(|| wire::invalid("a frame over the limit"))?;
        let mut payload = vec![0; length];
        stdout.read_exact(&mut payload).await?;
        // Whoever reads them is behind by seconds: it goes on with later ones.
        drop(frames.try_send(SoundUnit { pts, payload: payload.into() }));
    }
}
