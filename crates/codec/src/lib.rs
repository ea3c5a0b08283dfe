//! The only crate with FFmpeg: transcoding and the test picture, in worker processes.
