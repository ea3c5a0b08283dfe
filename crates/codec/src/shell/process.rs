//! One worker process and the pipe to it.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use media::Chain;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::{
    CompareJob, CompareOutput, EncoderSettings, FillerJob, FillerOutput, FillerPicture,
    FillerRendition, TranscodeFault, TranscodeJob, TranscodeOutput,
    wire::{self, FilledHeader, JobHeader, Reply},
};

/// How long a new worker may take to load its libraries.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long a worker without a job may take to end when its input closes.
const END_LIMIT: Duration = Duration::from_secs(2);
/// Pieces handed to the kernel at once; it takes no more than 1024.
const PIECES_PER_WRITE: usize = 64;

/// A running worker. Killed when dropped.
#[derive(Debug)]
pub(super) struct WorkerProcess {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// How a job went, as far as the process is concerned.
pub(super) enum JobFailure {
    /// The job's own fault; the worker waits for the next.
    Fault(TranscodeFault),
    /// The pipe broke, or what came through it makes no sense; the worker is of no more use.
    Broken(io::Error),
}

impl From<io::Error> for JobFailure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A reply without the results that were asked for.
impl From<Reply> for JobFailure {
    fn from(reply: Reply) -> Self {
        Self::Broken(wire::invalid(match reply {
            Reply::Fault(fault) => return Self::Fault(fault),
            Reply::Ready => "ready during a job",
            Reply::Transcoded(_) | Reply::Compared(_) | Reply::Filled(_) => {
                "the answer to another kind of job"
            }
        }))
    }
}

/// Starts a worker of any kind, which ends when it is dropped, and takes the pipes to and from it. `tasks`
/// owns the reader of its standard error.
pub(super) fn spawn(
    program: &Path,
    arguments: &[OsString],
    tasks: &TaskTracker,
) -> io::Result<(Child, ChildStdin, ChildStdout)> {
    // A group of its own: a Ctrl-C at the terminal is for the parent, which drains its jobs first.
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
        return Err(io::Error::other("a pipe of the worker is missing"));
    };
    tasks.spawn(forward_log(stderr, child.id().unwrap_or(0)));
    Ok((child, stdin, stdout))
}

impl WorkerProcess {
    /// Starts a worker and waits until it is ready. `tasks` owns the reader of its standard error.
    pub(super) async fn start(
        program: &Path,
        arguments: &[OsString],
        tasks: &TaskTracker,
    ) -> io::Result<Self> {
        let (child, stdin, stdout) = spawn(program, arguments, tasks)?;
        let mut worker = Self { child, stdin, stdout: BufReader::new(stdout) };
        let ready = timeout(START_LIMIT, worker.read_header::<Reply>()).await;
        match ready.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            Reply::Ready => Ok(worker),
            Reply::Transcoded(_) | Reply::Compared(_) | Reply::Filled(_) | Reply::Fault(_) => {
                Err(wire::invalid("an answer before it was ready"))
            }
        }
    }

    /// Whether it still runs, as far as the kernel knows.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Transcodes one segment. Dropped in the middle, it leaves the worker in an unknown state.
    pub(super) async fn transcode(
        &mut self,
        job: &TranscodeJob,
        settings: EncoderSettings,
    ) -> Result<TranscodeOutput, JobFailure> {
        self.send_header(&JobHeader::transcode(job, settings)).await?;
        write_chain(&mut self.stdin, &job.input).await?;
        let headers = match self.read_header::<Reply>().await? {
            Reply::Transcoded(headers) => headers,
            reply @ (Reply::Ready | Reply::Compared(_) | Reply::Filled(_) | Reply::Fault(_)) => {
                return Err(reply.into());
            }
        };
        if headers.len() != job.renditions.len() {
            return Err(wire::invalid("another number of renditions than asked for").into());
        }
        let mut renditions = Vec::with_capacity(headers.len());
        for header in headers {
            let data = self.read_body(header.len, TranscodeJob::MAX_OUTPUT).await?;
            renditions.push(header.with_body(data));
        }
        Ok(TranscodeOutput { renditions })
    }

    /// Compares the pictures of one segment. Dropped in the middle, it leaves the worker in an unknown
    /// state.
    pub(super) async fn compare(&mut self, job: &CompareJob) -> Result<CompareOutput, JobFailure> {
        self.send_header(&JobHeader::compare(job)).await?;
        write_chain(&mut self.stdin, &job.source).await?;
        for rendition in &job.renditions {
            self.stdin.write_all(rendition).await?;
        }
        self.stdin.flush().await?;
        let headers = match self.read_header::<Reply>().await? {
            Reply::Compared(headers) => headers,
            reply @ (Reply::Ready | Reply::Transcoded(_) | Reply::Filled(_) | Reply::Fault(_)) => {
                return Err(reply.into());
            }
        };
        if headers.len() != job.renditions.len() {
            return Err(wire::invalid("another number of comparisons than asked for").into());
        }
        let mut comparisons = Vec::with_capacity(headers.len());
        for comparison in headers {
            comparison.check()?;
            comparisons.push(if comparison.decodable {
                comparison.with_body(&self.read_body(wire::PAIR_LEN, wire::PAIR_LEN).await?)
            } else {
                comparison
            });
        }
        Ok(CompareOutput { comparisons })
    }

    /// Encodes a picture that stands still. Dropped in the middle, it leaves the worker in an unknown state.
    pub(super) async fn fill(&mut self, job: &FillerJob) -> Result<FillerOutput, JobFailure> {
        self.send_header(&JobHeader::fill(job)).await?;
        match &job.picture {
            FillerPicture::LastOf(segments) => write_chain(&mut self.stdin, segments).await?,
            FillerPicture::Slate(image) => {
                self.stdin.write_all(image).await?;
                self.stdin.flush().await?;
            }
        }
        let headers = match self.read_header::<Reply>().await? {
            Reply::Filled(headers) => headers,
            reply
            @ (Reply::Ready | Reply::Transcoded(_) | Reply::Compared(_) | Reply::Fault(_)) => {
                return Err(reply.into());
            }
        };
        let mut room = FillerJob::MAX_OUTPUT;
        wire::check_filled(&headers, job)?;
        let mut renditions = Vec::with_capacity(headers.len());
        for header in headers {
            renditions.push(match header {
                FilledHeader::Pictures(lens) => {
                    let mut pictures = Vec::with_capacity(lens.len());
                    for len in lens {
                        pictures.push(self.read_body(len, room).await?);
                        room = room.saturating_sub(len);
                    }
                    Ok(FillerRendition { pictures })
                }
                FilledHeader::Fault(fault) => Err(fault),
            });
        }
        Ok(FillerOutput { renditions })
    }

    async fn send_header(&mut self, header: &JobHeader) -> io::Result<()> {
        self.stdin.write_all(&wire::encode_header(header)?).await
    }

    async fn read_header<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut len = [0; 4];
        self.stdout.read_exact(&mut len).await?;
        let mut header = vec![0; wire::header_len(len)?];
        self.stdout.read_exact(&mut header).await?;
        wire::decode_header(&header)
    }

    async fn read_body(&mut self, len: usize, most: usize) -> io::Result<Bytes> {
        if len > most {
            return Err(wire::invalid("a body over the limit"));
        }
        let mut body = Vec::with_capacity(len);
        let limit = u64::try_from(len).map_err(io::Error::other)?;
        let read = (&mut self.stdout).take(limit).read_to_end(&mut body).await?;
        if read < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(body.into()) }
    }

    /// Ends it at once and says how it ended; the status is its own when it had ended before.
    pub(super) async fn kill(mut self) -> io::Result<ExitStatus> {
        // A crashed process closes its pipes a little before it can be waited for.
        let ended = timeout(Duration::from_millis(200), self.child.wait()).await;
        if let Ok(status) = ended {
            return status;
        }
        self.child.start_kill()?;
        self.child.wait().await
    }

    /// Lets a worker without a job end by itself.
    pub(super) async fn end(mut self) {
        drop(self.stdin);
        if timeout(END_LIMIT, self.child.wait()).await.is_err() {
            tracing::debug!("transcode worker did not end by itself; killed");
        }
    }
}

/// Writes the pieces as they lie, many with each call.
async fn write_chain(to: &mut ChildStdin, chain: &Chain) -> io::Result<()> {
    let pieces: Vec<&[u8]> = chain.pieces().map(|piece| piece.as_ref()).collect();
    for pieces in pieces.chunks(PIECES_PER_WRITE) {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest: &mut [IoSlice<'_>] = &mut slices;
        while !rest.is_empty() {
            let written = to.write_vectored(rest).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    to.flush().await
}

/// Passes a worker's standard error on, line by line, until it closes.
pub(super) async fn forward_log(stderr: ChildStderr, worker: u32) {
    const LONGEST_LINE: u64 = 1_024;
    let mut stderr = BufReader::new(stderr);
    let mut limit = LineLimit::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stderr).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        if limit.admits(Instant::now()) {
            let text = String::from_utf8_lossy(&line);
            tracing::warn!(worker, suppressed = limit.take_suppressed(), "{}", text.trim_end());
        }
    }
    let suppressed = limit.take_suppressed();
    if suppressed > 0 {
        tracing::warn!(worker, suppressed, "more lines from transcode worker");
    }
}

/// At most so many lines in each interval; a broken stream makes libav* write one per macroblock.
#[derive(Debug)]
struct LineLimit {
    interval_start: Instant,
    admitted: u32,
    suppressed: u64,
}

impl LineLimit {
    const LINES: u32 = 10;
    const INTERVAL: Duration = Duration::from_secs(10);

    fn new() -> Self {
        Self { interval_start: Instant::now(), admitted: 0, suppressed: 0 }
    }

    fn admits(&mut self, now: Instant) -> bool {
        if now.duration_since(self.interval_start) >= Self::INTERVAL {
            self.interval_start = now;
            self.admitted = 0;
        }
        let admitted = self.admitted < Self::LINES;
        if admitted {
            self.admitted = self.admitted.saturating_add(1);
        } else {
            self.suppressed = self.suppressed.saturating_add(1);
        }
        admitted
    }

    fn take_suppressed(&mut self) -> u64 {
        std::mem::take(&mut self.suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_lines_is_counted_not_passed_on() {
        let mut limit = LineLimit::new();
        let admitted = (0..1_000).filter(|_| limit.admits(Instant::now())).count();
        assert_eq!(admitted, 10);
        tokio::time::advance(LineLimit::INTERVAL).await;
        assert!(limit.admits(Instant::now()));
        assert_eq!(limit.take_suppressed(), 990);
        assert_eq!(limit.take_suppressed(), 0);
    }
}
