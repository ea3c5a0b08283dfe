//! What a pool does when its workers, or its callers, misbehave.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use codec::{OutputContainer, TranscodeJob, TranscodeJobError, WorkerConfig, WorkerPool};
use support::{TS, WORKER, chain, config, profile};
use tokio::time::{Instant, sleep, timeout};

fn job(input: &Bytes) -> TranscodeJob {
    let renditions = vec![profile("180p", 320, 180, 300_000)];
    TranscodeJob { input: chain(input), renditions, output: OutputContainer::MpegTs }
}

fn short() -> Bytes {
    support::silent_segment("testsrc2=s=320x180:r=30", "0.5", &[], TS)
}

/// Keeps a worker busy for seconds.
fn long() -> TranscodeJob {
    let input = support::silent_segment("testsrc2=s=640x360:r=30", "60", &[], TS);
    let renditions = vec![profile("1080p", 1920, 1080, 5_000_000); 4];
    TranscodeJob { input: chain(&input), renditions, output: OutputContainer::MpegTs }
}

/// Children of this process that run the worker under this unique argument.
fn workers(argument: &str) -> Vec<u32> {
    let is_ours = |pid: &u32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|found| found == argument.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(is_ours).collect()
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

fn tagged(argument: &str, workers: usize) -> WorkerConfig {
    WorkerConfig { arguments: vec![argument.into()], ..config(workers) }
}

async fn running(argument: &str) -> u32 {
    for _ in 0..1_000 {
        if let [pid] = workers(argument)[..] {
            return pid;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("no worker {argument}");
}

#[tokio::test]
async fn a_killed_worker_costs_its_job_only() {
    let pool = WorkerPool::new(tagged("kill-test", 1));
    pool.transcode(job(&short())).await.unwrap();
    let (doomed, killed) = tokio::join!(pool.transcode(long()), async {
        let pid = running("kill-test").await;
        sleep(Duration::from_millis(500)).await;
        signal("-KILL", pid);
        pid
    });
    let error = doomed.unwrap_err();
    assert!(matches!(error, TranscodeJobError::WorkerDied { .. }), "{error}");
    assert!(error.to_string().contains("signal: 9"), "{error}");
    pool.transcode(job(&short())).await.unwrap();
    assert_ne!(running("kill-test").await, killed);
}

#[tokio::test]
async fn a_worker_killed_while_idle_is_replaced_without_an_error() {
    let pool = WorkerPool::new(tagged("idle-test", 1));
    let input = short();
    pool.transcode(job(&input)).await.unwrap();
    let first = running("idle-test").await;
    pool.transcode(job(&input)).await.unwrap();
    assert_eq!(running("idle-test").await, first, "stays warm between jobs");
    signal("-KILL", first);
    sleep(Duration::from_millis(300)).await;
    pool.transcode(job(&input)).await.unwrap();
}

#[tokio::test]
async fn a_stopped_worker_times_out_and_is_replaced() {
    let pool = WorkerPool::new(WorkerConfig {
        job_timeout: Duration::from_secs(8),
        ..tagged("stop-test", 1)
    });
    let input = short();
    pool.transcode(job(&input)).await.unwrap();
    let stopped = running("stop-test").await;
    signal("-STOP", stopped);
    let error = pool.transcode(job(&input)).await.unwrap_err();
    assert!(matches!(error, TranscodeJobError::TimedOut { .. }), "{error}");
    pool.transcode(job(&input)).await.unwrap();
    assert_ne!(running("stop-test").await, stopped);
}

#[tokio::test]
async fn a_full_queue_refuses_and_an_abandoned_job_frees_its_place() {
    let pool = WorkerPool::new(WorkerConfig { queue: 1, ..tagged("queue-test", 1) });
    let input = short();
    let long = long();
    {
        let mut running_job = Box::pin(pool.transcode(long));
        assert!(timeout(Duration::from_millis(500), &mut running_job).await.is_err());
        let mut waiting = Box::pin(pool.transcode(job(&input)));
        assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err());
        assert_eq!(pool.waiting(), 1);
        let refused = pool.transcode(job(&input)).await.unwrap_err();
        assert!(matches!(refused, TranscodeJobError::Busy { workers: 1, waiting: 1 }), "{refused}");
    }
    assert_eq!(pool.waiting(), 0);
    pool.transcode(job(&input)).await.unwrap();
}

#[tokio::test]
async fn shutdown_finishes_the_job_in_work_and_refuses_the_rest() {
    let pool = WorkerPool::new(tagged("shutdown-test", 1));
    let input = short();
    let (done, waiting, ()) =
        tokio::join!(pool.transcode(job(&input)), pool.transcode(job(&input)), pool.shutdown());
    done.unwrap();
    assert!(matches!(waiting, Err(TranscodeJobError::ShuttingDown)));
    assert!(workers("shutdown-test").is_empty());
    assert!(matches!(pool.transcode(job(&input)).await, Err(TranscodeJobError::ShuttingDown)));
}

#[tokio::test]
async fn a_program_that_is_no_worker_is_an_error_with_a_back_off() {
    let missing = WorkerPool::new(WorkerConfig { program: "/nonexistent".into(), ..config(1) });
    let input = short();
    let start = Instant::now();
    for _ in 0..3 {
        let error = missing.transcode(job(&input)).await.unwrap_err();
        assert!(matches!(error, TranscodeJobError::Start(_)), "{error}");
    }
    assert!(start.elapsed() >= Duration::from_millis(300));
    let liar = WorkerPool::new(WorkerConfig { program: "true".into(), ..config(1) });
    assert!(matches!(liar.transcode(job(&input)).await, Err(TranscodeJobError::Start(_))));
}

#[test]
fn a_worker_ends_with_its_parent_even_in_the_middle_of_a_job() {
    let mut child =
        Command::new(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let profile = serde_json::json!({
        "name": "1080p", "width": 1920, "height": 1080, "bitrate": 5_000_000,
        "frame_rate": null, "h264_profile": null, "gop": "Segment",
    });
    let input = support::silent_segment("testsrc2=s=640x360:r=30", "60", &[], TS);
    let header = serde_json::json!({ "Transcode": {
        "input_len": input.len(), "output": "Mp4",
        "settings": { "preset": "Medium", "threads": 1 }, "renditions": vec![profile; 8],
    } });
    let header = header.to_string();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&u32::try_from(header.len()).unwrap().to_be_bytes()).unwrap();
    stdin.write_all(header.as_bytes()).unwrap();
    stdin.write_all(&input).unwrap();
    std::thread::park_timeout(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "in work");
    drop(stdin);
    for _ in 0..400 {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the worker outlives its parent");
}
