//! Writes a run to a file while it happens.

use std::{path::PathBuf, time::Instant};

use tokio::{fs::File, io::AsyncWriteExt as _, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{call::Call, dispatcher::Dispatcher, recording::Recorder};

/// Lines that may wait for the disk. When full, the recording ends with a mark: a run with a hole can't
/// be repeated, and the streams don't wait.
const QUEUED: usize = 8_192;
/// Most bytes of a recording; then it ends.
const MAX_BYTES: u64 = 1 << 30;

/// A recording under way.
#[derive(Debug)]
pub(super) struct Tape {
    recorder: Recorder,
    lines: Option<mpsc::Sender<String>>,
}

impl Tape {
    /// The tape, and what writes it.
    pub(super) fn new(
        recorder: Recorder,
        first: String,
        path: PathBuf,
        closed: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (lines, written) = mpsc::channel(QUEUED);
        let mut tape = Self { recorder, lines: Some(lines) };
        tape.write(first);
        (tape, write(path, written, closed))
    }

    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Whether it still takes lines: not once the disk was too slow, failed or was full.
    pub(super) fn is_running(&self) -> bool {
        self.lines.as_ref().is_some_and(|lines| !lines.is_closed())
    }

    pub(super) fn write(&mut self, line: String) {
        let Some(lines) = &self.lines else { return };
        // One place is kept for the mark.
        if lines.capacity() > 1 {
            drop(lines.try_send(line));
            return;
        }
        drop(lines.try_send(Recorder::lost()));
        self.lines = None;
        tracing::warn!("the recording ends here: the disk is slower than the gateway");
    }

    /// Makes a call, and writes it down with what came of it.
    pub(super) fn made(
        &mut self,
        now: Instant,
        stream: u64,
        call: Call,
        dispatcher: &mut Dispatcher,
        make: impl FnOnce(&mut Dispatcher, Call) -> bool,
    ) -> bool {
        let kept = self.recorder.call(&call);
        let result = make(dispatcher, call);
        let line = self.recorder.made(now, stream, kept, dispatcher);
        self.write(line);
        result
    }
}

async fn write(path: PathBuf, mut lines: mpsc::Receiver<String>, closed: CancellationToken) {
    let shown = path.display().to_string();
    let mut file = match File::create(&path).await {
        Ok(file) => tokio::io::BufWriter::new(file),
        Err(error) => return tracing::error!(path = shown, %error, "the run can't be recorded"),
    };
    tracing::info!(path = shown, "recording every choice");
    let mut bytes = 0_u64;
    loop {
        let line = tokio::select! {
            biased;
            line = lines.recv() => line,
            () = closed.cancelled() => None,
        };
        let Some(line) = line else { break };
        bytes = bytes.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        if bytes > MAX_BYTES {
            tracing::warn!(path = shown, "the recording ends here: it is as large as it may be");
            break;
        }
        let written = async {
            file.write_all(line.as_bytes()).await?;
            // What is there is whole up to here when the process ends without warning.
            if lines.is_empty() { file.flush().await } else { Ok(()) }
        };
        if let Err(error) = written.await {
            return tracing::error!(path = shown, %error, "the recording ends here");
        }
    }
    if let Err(error) = file.flush().await {
        tracing::error!(path = shown, %error, "the recording's end is missing");
    }
}
