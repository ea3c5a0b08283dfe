//! MP4 files, fragmented and progressive, as orchestrators send them back (ISO/IEC 14496-12).

mod error;

use bytes::Bytes;

pub use error::Mp4Error;

use crate::demuxed::Demuxed;

/// Reads an MP4 file.
///
/// # Errors
///
/// [`Mp4Error`].
pub fn read(_file: &Bytes) -> Result<Demuxed, Mp4Error> {
    Err(Mp4Error::NoMedia)
}

/// Any file.
pub(crate) fn fuzz(file: &Bytes) {
    drop(read(file));
}
