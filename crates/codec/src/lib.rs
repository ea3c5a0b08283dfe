//! The only crate with FFmpeg: transcoding and the test picture, in worker processes.
//!
//! It owns [`WorkerPool`], which the orchestrator hands one [`TranscodeJob`] per segment, and the two
//! child processes' mains: [`run_worker`] transcodes, [`run_test_picture`] publishes a moving picture.
//! libav* runs in those processes only, so that a crash in it costs one segment. It deliberately knows
//! neither streams nor sequence numbers: a job is one segment, complete and by itself.
//!
//! Start reading at [`WorkerPool`] for the parent's half, at `transcode` for the child's.

mod decode;
mod error;
mod ffi;
mod job;
mod library;
mod shell;
mod stdin_watch;
mod test_picture;
mod transcode;
mod wire;
mod worker;

pub use error::{FaultCause, TranscodeFault, TranscodeJobError};
pub use job::{
    EncodeProfile, EncodedRendition, EncoderSettings, Gop, OutputContainer, Preset, TranscodeJob,
    TranscodeOutput,
};
pub use shell::{WorkerConfig, WorkerPool};
pub use test_picture::{TestPictureConfig, run_test_picture};
pub use worker::run_worker;
