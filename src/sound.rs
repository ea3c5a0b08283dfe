//! Publishers' Opus into AAC, each in a worker process of its own.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use codec::{SOUND_CONFIG, SOUND_FRAME_SAMPLES, SOUND_RATE, SoundUnit};
use ingest::{Sound, SoundEncoding, SoundLine};
use media::AacParameters;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc::{self, error::TrySendError};
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
    fn begin(&self, lost: Counter) -> SoundLine {
        let (packets, opus) = mpsc::channel(QUEUED);
        let (aac, frames) = mpsc::channel(QUEUED);
        self.tasks.spawn(run(self.clone(), opus, aac, lost));
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

/// Until the publisher has gone. A worker that breaks costs what it held, and a pause; packets wait
/// meanwhile, and those that find no room are counted by who hands them in.
async fn run(
    workers: SoundWorkers,
    mut opus: mpsc::Receiver<Sound>,
    aac: mpsc::Sender<Sound>,
    lost: Counter,
) {
    let (packets, mut packets_of_worker) = mpsc::channel(1);
    let into = async move {
        while let Some(Sound { pts, payload }) = opus.recv().await {
            if packets.send(SoundUnit { pts, payload }).await.is_err() {
                return;
            }
        }
    };
    let arguments = [OsString::from("sound-worker")];
    let work = async move {
        loop {
            let worked = codec::run_sound_process(
                &workers.program,
                &arguments,
                &mut packets_of_worker,
                |frame| hand_out(frame, &aac, &lost),
                &workers.tasks,
            );
            match worked.await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "a sound worker broke; starting another"),
            }
            if aac.is_closed() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::join!(into, work);
}

/// Who reads the frames goes on with later ones where it is behind by seconds; one that has gone misses
/// nothing.
fn hand_out(frame: SoundUnit, aac: &mpsc::Sender<Sound>, lost: &Counter) {
    let SoundUnit { pts, payload } = frame;
    if let Err(TrySendError::Full(_)) = aac.try_send(Sound { pts, payload }) {
        lost.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_without_a_worker_are_refused_and_not_swallowed() {
        let program = PathBuf::from("/no/such/program");
        let line = SoundWorkers::new(program, TaskTracker::new()).begin(Counter::default());
        let mut refused = 0;
        for _ in 0..3 * QUEUED {
            let sound = Sound { pts: 0, payload: vec![0_u8].into() };
            refused += usize::from(line.packets.try_send(sound).is_err());
            tokio::task::yield_now().await;
        }
        assert!(refused >= QUEUED, "{refused}");
    }

    #[tokio::test]
    async fn frames_that_find_no_room_are_counted() {
        let (aac, frames) = mpsc::channel(1);
        let lost = Counter::default();
        let frame = || SoundUnit { pts: 0, payload: vec![0_u8].into() };
        hand_out(frame(), &aac, &lost);
        hand_out(frame(), &aac, &lost);
        assert_eq!(lost.get(), 1);
        drop(frames);
        hand_out(frame(), &aac, &lost);
        assert_eq!(lost.get(), 1);
    }
}
