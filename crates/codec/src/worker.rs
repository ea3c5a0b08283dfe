//! The child's main: jobs from standard input, results to standard output, logs to standard error.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{sync::Arc, thread};

use crate::{
    EncodedRendition, FillerRendition, PictureComparison, TranscodeFault, compare, filler, library,
    stdin_watch, transcode,
    wire::{self, ReceivedJob, Reply},
};

/// Does the jobs that arrive on standard input until it closes, then returns.
///
/// Blocks the calling thread. Standard output belongs to the protocol: the caller must not print.
/// A job in work is given up when standard input closes, so a worker never outlives its parent.
#[must_use]
pub fn run_worker() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nowhere to say it; the exit code remains.
            writeln!(io::stderr(), "transcode worker ends: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    library::initialize().map_err(io::Error::other)?;
    let (jobs_sender, jobs) = sync_channel(1);
    let (done, done_receiver) = sync_channel::<()>(0);
    let abandoned = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&abandoned);
    thread::Builder::new().name("jobs".into()).spawn(move || {
        read_jobs(jobs_sender, &flag);
        stdin_watch::end_process_unless_done(&done_receiver);
    })?;
    let result = answer_jobs(&jobs, &abandoned);
    drop(done);
    result
}

/// Reads ahead of the work, so that the end of input is seen in the middle of a job. Takes the sender,
/// because the worker ends when it is dropped.
fn read_jobs(jobs: SyncSender<io::Result<ReceivedJob>>, abandoned: &AtomicBool) {
    let mut stdin = io::stdin().lock();
    loop {
        let job = match wire::read_job(&mut stdin) {
            Ok(Some(job)) => Ok(job),
            Ok(None) => break,
            Err(error) => Err(error),
        };
        let broken = job.is_err();
        if jobs.send(job).is_err() || broken {
            break;
        }
    }
    abandoned.store(true, Ordering::Relaxed);
}

fn answer_jobs(jobs: &Receiver<io::Result<ReceivedJob>>, abandoned: &AtomicBool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    wire::write_reply(&mut stdout, &Reply::Ready)?;
    for job in jobs {
        let done = work(job?, abandoned);
        if abandoned.load(Ordering::Relaxed) {
            return Ok(());
        }
        match done {
            Ok(Done::Transcoded(renditions)) => wire::write_transcoded(&mut stdout, &renditions),
            Ok(Done::Compared(comparisons)) => wire::write_compared(&mut stdout, comparisons),
            Ok(Done::Filled(renditions)) => wire::write_filled(&mut stdout, &renditions),
            Err(fault) => wire::write_reply(&mut stdout, &Reply::Fault(fault)),
        }?;
    }
    Ok(())
}

enum Done {
    Transcoded(Vec<EncodedRendition>),
    Compared(Vec<PictureComparison>),
    Filled(Vec<Result<FillerRendition, TranscodeFault>>),
}

fn work(job: ReceivedJob, abandoned: &AtomicBool) -> Result<Done, TranscodeFault> {
    match job {
        ReceivedJob::Transcode { header, input } => {
            let (output, settings) = (header.output, header.settings);
            let profiles = header.profiles();
            let request =
                transcode::Request { input, profiles: &profiles, output, settings, abandoned };
            transcode::transcode(request).map(Done::Transcoded)
        }
        ReceivedJob::Compare { source, renditions } => {
            compare::compare(compare::Request { source, renditions, abandoned }).map(Done::Compared)
        }
        ReceivedJob::Fill { header, input } => {
            let (slate, pictures, frame_rate) = (header.slate, header.pictures, header.frame_rate);
            let profiles = header.profiles();
            let profiles = &profiles;
            let request =
                filler::Request { input, slate, profiles, pictures, frame_rate, abandoned };
            filler::fill(&request).map(Done::Filled)
        }
    }
}
