//! Hands jobs to worker processes, one at a time each.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, error::Elapsed, timeout, timeout_at};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::process::{JobFailure, WorkerProcess};
use super::spawn::SpawnBackoff;
use crate::{
    CompareJob, CompareOutput, EncoderSettings, FaultCause, FillerJob, FillerOutput,
    TranscodeFault, TranscodeJob, TranscodeJobError, TranscodeOutput,
};

/// How a pool runs its workers.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Program whose main is [`crate::run_worker`] when it is given `arguments`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Worker processes, 1 or more; started when first needed, then kept.
    pub workers: usize,
    /// Jobs that may wait for a worker; the next one is refused.
    pub queue: usize,
    /// Longest a job may take in a worker, and longest it may wait for one.
    pub job_timeout: Duration,
    /// Settings of the encoders.
    pub encoder: EncoderSettings,
}

impl WorkerConfig {
    /// One worker per available core, four waiting jobs per worker, 20 s per job.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, arguments: Vec<OsString>) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            program: program.into(),
            arguments,
            workers,
            queue: workers.saturating_mul(4),
            job_timeout: Duration::from_secs(20),
            encoder: EncoderSettings::default(),
        }
    }
}

/// Transcodes, compares and makes filler in child processes. A crash costs the job that caused it, and nothing else.
///
/// Clones share the workers. Jobs wait in order of arrival; when [`WorkerConfig::queue`] of them wait,
/// the next is refused. Dropping the future of a job gives up the job and its worker; dropping the last
/// clone kills the workers.
#[derive(Clone, Debug)]
pub struct WorkerPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: WorkerConfig,
    /// One permit per worker that may run a job.
    permits: Semaphore,
    waiting: AtomicUsize,
    /// Never more than `config.workers`: a worker comes back before its job's permit does.
    idle: Mutex<Vec<WorkerProcess>>,
    backoff: Mutex<SpawnBackoff>,
    /// Jobs in work, and readers of standard error.
    jobs: TaskTracker,
    log_readers: TaskTracker,
}

impl WorkerPool {
    /// A pool without processes yet. Needs a tokio runtime from the first job on.
    #[must_use]
    pub fn new(mut config: WorkerConfig) -> Self {
        config.workers = config.workers.clamp(1, 1_024);
        let shared = Shared {
            permits: Semaphore::new(config.workers),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            backoff: Mutex::default(),
            jobs: TaskTracker::new(),
            log_readers: TaskTracker::new(),
            config,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Workers of the pool, running or not.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.config.workers
    }

    /// Jobs that wait for a worker.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Transcodes one segment, after the jobs that came before it.
    ///
    /// # Errors
    /// When the job is faulty, when there is no room for it, or when its worker fails.
    pub async fn transcode(&self, job: TranscodeJob) -> Result<TranscodeOutput, TranscodeJobError> {
        check_len(job.input.len(), TranscodeJob::MAX_INPUT)?;
        let mut lease = self.shared.lease().await?;
        let settings = self.shared.config.encoder;
        let result = timeout_at(lease.deadline, lease.worker.transcode(&job, settings)).await;
        lease.settle(result).await
    }

    /// Compares one segment's renditions with their source, after the jobs that came before it.
    ///
    /// A rendition that can't be decoded is a result, not an error. Should the worker die or take too
    /// long over a rendition, the job fails as a whole; jobs of one rendition each then tell which.
    ///
    /// # Errors
    /// When the source is faulty, when there is no rendition or too many, when there is no room for the
    /// job, or when its worker fails.
    pub async fn compare(&self, job: CompareJob) -> Result<CompareOutput, TranscodeJobError> {
        check_len(job.input_len(), CompareJob::MAX_INPUT)?;
        let fault = |cause, detail| Err(TranscodeFault::new(cause, detail).into());
        match job.renditions.len() {
            0 => return fault(FaultCause::InvalidArgument, "no rendition to compare"),
            1..=CompareJob::MAX_RENDITIONS => {}
            _ => return fault(FaultCause::TooManyOutputs, "too many renditions to compare"),
        }
        let mut lease = self.shared.lease().await?;
        let result = timeout_at(lease.deadline, lease.worker.compare(&job)).await;
        lease.settle(result).await
    }

    /// Encodes a picture that stands still for every rendition, after the jobs that came before it.
    ///
    /// # Errors
    /// When there is no picture in what it was given, when there is no room for the job, or when its worker
    /// fails.
    pub async fn fill(&self, job: FillerJob) -> Result<FillerOutput, TranscodeJobError> {
        check_len(job.input_len(), FillerJob::MAX_INPUT)?;
        let mut lease = self.shared.lease().await?;
        let result = timeout_at(lease.deadline, lease.worker.fill(&job)).await;
        lease.settle(result).await
    }

    /// Refuses new jobs, lets those in work finish, then ends the workers. Waiting jobs are refused.
    pub async fn shutdown(&self) {
        let shared = &*self.shared;
        shared.permits.close();
        shared.jobs.close();
        shared.log_readers.close();
        let limit = shared.config.job_timeout.saturating_mul(2);
        if timeout(limit, shared.jobs.wait()).await.is_err() {
            tracing::warn!("transcode jobs still in work at shutdown are abandoned");
        }
        let idle = std::mem::take(&mut *shared.idle());
        for worker in idle {
            worker.end().await;
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<WorkerProcess>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn backoff(&self) -> MutexGuard<'_, SpawnBackoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn admit(&self) -> Result<SemaphorePermit<'_>, TranscodeJobError> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        if self.permits.is_closed() {
            return Err(TranscodeJobError::ShuttingDown);
        }
        let place = Place::take(self)?;
        let acquired = timeout(self.config.job_timeout, self.permits.acquire()).await;
        drop(place);
        match acquired {
            Ok(permit) => permit.map_err(|_| TranscodeJobError::ShuttingDown),
            Err(_) => Err(self.busy(self.waiting.load(Ordering::Relaxed))),
        }
    }

    const fn busy(&self, waiting: usize) -> TranscodeJobError {
        TranscodeJobError::Busy { workers: self.config.workers, waiting }
    }

    /// A worker for one job, when its turn has come.
    async fn lease(&self) -> Result<Lease<'_>, TranscodeJobError> {
        let in_work = self.jobs.token();
        let permit = self.admit().await?;
        let deadline = Instant::now() + self.config.job_timeout;
        let worker = timeout_at(deadline, self.worker()).await;
        let worker = worker.map_err(|_| self.timed_out())?.map_err(TranscodeJobError::Start)?;
        Ok(Lease { worker, deadline, shared: self, _permit: permit, _in_work: in_work })
    }

    const fn timed_out(&self) -> TranscodeJobError {
        TranscodeJobError::TimedOut { after: self.config.job_timeout }
    }

    /// A warm worker, or a new one.
    async fn worker(&self) -> io::Result<WorkerProcess> {
        loop {
            let Some(mut worker) = self.idle().pop() else { break };
            if worker.is_alive() {
                return Ok(worker);
            }
            tracing::warn!("an idle transcode worker has ended; replaced");
        }
        let not_before = self.backoff().not_before();
        if let Some(not_before) = not_before {
            tokio::time::sleep_until(Instant::from_std(not_before)).await;
        }
        let WorkerConfig { program, arguments, .. } = &self.config;
        let started = WorkerProcess::start(program, arguments, &self.log_readers).await;
        match &started {
            Ok(_) => self.backoff().succeeded(),
            Err(_) => self.backoff().failed(Instant::now().into_std()),
        }
        started
    }
}

/// A worker that does one job. Dropped instead of settled, it kills the worker.
struct Lease<'a> {
    worker: WorkerProcess,
    deadline: Instant,
    shared: &'a Shared,
    // Given back in this order, after the worker.
    _permit: SemaphorePermit<'a>,
    _in_work: TaskTrackerToken,
}

impl Lease<'_> {
    /// Gives the worker back when it is still of use. `result` is that of its job by the deadline.
    async fn settle<T>(
        self,
        result: Result<Result<T, JobFailure>, Elapsed>,
    ) -> Result<T, TranscodeJobError> {
        let Self { _in_work, _permit, shared, worker, .. } = self;
        match result {
            Ok(Ok(output)) => {
                shared.idle().push(worker);
                Ok(output)
            }
            Ok(Err(JobFailure::Fault(fault))) => {
                shared.idle().push(worker);
                Err(fault.into())
            }
            Ok(Err(JobFailure::Broken(error))) => Err(bury(worker, error).await),
            // Dropping the worker kills it, a stopped one included.
            Err(_) => Err(shared.timed_out()),
        }
    }
}

fn check_len(len: usize, max: usize) -> Result<(), TranscodeJobError> {
    if len > max { Err(TranscodeJobError::TooLarge { len, max }) } else { Ok(()) }
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Result<Self, TranscodeJobError> {
        let place = Self(&shared.waiting);
        let before = shared.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= shared.config.queue { Err(shared.busy(before)) } else { Ok(place) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What became of a worker whose pipe broke.
async fn bury(worker: WorkerProcess, error: io::Error) -> TranscodeJobError {
    if error.kind() == io::ErrorKind::InvalidData {
        return TranscodeJobError::Protocol(error.to_string());
    }
    let status = match worker.kill().await {
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("ended ({error})"),
    };
    TranscodeJobError::WorkerDied { status }
}
