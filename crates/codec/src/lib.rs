//! The only crate with FFmpeg: transcoding, comparing and the test picture, in worker processes.
//!
//! Sound that comes as Opus is made AAC by a worker for each publisher ([`run_sound_process`]).
//!
//! It owns [`WorkerPool`], which is handed one [`TranscodeJob`] per segment to transcode, one
//! [`CompareJob`] per segment to look at, or one [`FillerJob`] per publisher that is away, and the two child
//! processes' mains: [`run_worker`] does the pool's jobs, [`run_test_picture`] publishes a moving picture.
//! libav* runs in those processes only, so that a crash in it costs one segment. It deliberately knows
//! neither streams nor sequence numbers: a job is one segment, complete and by itself.
//!
//! Start reading at [`WorkerPool`] for the parent's half, at `transcode` and `compare` for
//! the child's.

mod compare;
mod comparison;
mod decode;
mod error;
mod ffi;
mod filler;
mod filler_job;
mod job;
mod library;
mod shell;
mod sound;
mod stdin_watch;
mod test_picture;
mod thumbnail;
mod transcode;
mod wire;
mod worker;

pub use comparison::{CompareJob, CompareOutput, PictureComparison, ThumbnailPair};
pub use error::{FaultCause, TranscodeFault, TranscodeJobError};
pub use filler_job::{FillerJob, FillerOutput, FillerPicture, FillerProfile, FillerRendition};
pub use job::{
    EncodeProfile, EncodedRendition, EncoderSettings, Gop, OutputContainer, Preset, TranscodeJob,
    TranscodeOutput,
};
pub use shell::{WorkerConfig, WorkerPool, run_sound_process};
pub use sound::{SOUND_CONFIG, SOUND_FRAME_SAMPLES, SOUND_RATE, SoundUnit, run_sound_worker};
pub use test_picture::{TestPictureConfig, run_test_picture};
pub use thumbnail::Thumbnail;
pub use worker::run_worker;
