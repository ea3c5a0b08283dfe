//! Publishers' Opus into AAC, each in a worker process of its own.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use codec::{SOUND_CONFIG, SOUND_FRAME_SAMPLES, SOUND_RATE, SoundUnit};
use ingest::{Sound, SoundEncoding, SoundLine};
use media::AacParameters;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Packets, and frames, that may wait: two seconds. Further ones are lost.
const QUEUED: usize = 100;
/// How long sound is away when its worker breaks, at least.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts this same binary as a worker for each publisher.
#[derive(Clone, Debug)]
pub(crate) struct SoundWorkers {
    program: PathBuf,
    tasks: TaskTracker,
}

impl SoundWorkers {
    /// `program` is this same binary; `tasks` own what runs the workers.
    pub(crate) const fn new(program: PathBuf, tasks: TaskTracker) -> Self {
        Self { program, tasks }
    }
}

impl SoundEncoding for SoundWorkers {
    fn begin(&self) -> SoundLine {
        let (packets, opus) = mpsc::channel(QUEUED);
        let (aac, frames) = mpsc::channel(QUEUED);
        self.tasks.spawn(run(self.clone(), opus, aac));
        let parameters = Arc::new(AacParameters {
            audio_specific_config: SOUND_CONFIG.to_vec().into(),
            object_type: 2,
            sampling_rate: SOUND_RATE,
            channels: 2,
            frame_samples: SOUND_FRAME_SAMPLES,
        });
        SoundLine { parameters, packets, frames }
    }
}

/// Until the publisher has gone. A worker that breaks costs what it held, and a pause.
async fn run(workers: SoundWorkers, mut opus: mpsc::Receiver<Sound>, aac: mpsc::Sender<Sound>) {
    let (packets, mut packets_of_worker) = mpsc::channel(QUEUED);
    let (frames, mut frames_of_worker) = mpsc::channel(QUEUED);
    let into = async move {
        while let Some(Sound { pts, payload }) = opus.recv().await {
            drop(packets.try_send(SoundUnit { pts, payload }));
        }
    };
    let out_of = async move {
        while let Some(SoundUnit { pts, payload }) = frames_of_worker.recv().await {
            drop(aac.try_send(Sound { pts, payload }));
        }
    };
    let arguments = [OsString::from("sound-worker")];
    let work = async {
        loop {
            let packets = &mut packets_of_worker;
            let worked = codec::run_sound_process(
                &workers.program,
                &arguments,
                packets,
                &frames,
                &workers.tasks,
            );
            match worked.await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "a sound worker broke; starting another"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(into, work) } => {}
        () = out_of => {}
    }
}
