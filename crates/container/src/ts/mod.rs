//! MPEG transport streams with H.264 and AAC: a writer of HLS segments and a reader of whole files
//! (ISO/IEC 13818-1, RFC 8216 §3.2).
//!
//! [`TsWriter`] makes what orchestrators and players take; [`read`] takes what orchestrators send
//! back. Both work on whole segments in memory: a segment is a few seconds, and its size is bounded
//! by whoever fetched it.
//!
//! Start reading at [`TsWriter::segment`] or [`read`].

mod adts;
mod clock;
mod coding;
mod elementary;
mod error;
mod h264;
mod packet;
mod pes;
mod preview;
mod psi;
mod reader;
mod units;
mod writer;

#[cfg(test)]
mod tests;

pub use error::TsError;
pub use preview::TsPreview;
pub use reader::{MAX_FILE_LEN, read};
pub use units::TIMESTAMP_MARGIN;
pub use writer::TsWriter;

/// Body of the fuzz target: any bytes are read without panic, and what was read is in order.
pub(crate) fn fuzz(data: &[u8]) {
    if let Ok(demuxed) = read(&bytes::Bytes::copy_from_slice(data)) {
        for track in demuxed.video.iter().chain(&demuxed.audio) {
            assert!(track.samples.is_sorted_by_key(|sample| sample.dts), "decoding order");
            assert!(track.samples.iter().all(|sample| !sample.payload.is_empty()), "no sample");
        }
    }
}
