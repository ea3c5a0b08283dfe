//! FFmpeg's streams and files through our readers and writers, and ours through FFmpeg.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

mod mp4_files;
mod rtmp_to_cmaf;
mod support;
