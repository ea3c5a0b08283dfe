//! A segment seen before it is whole.

use media::TrackSegment;

use super::{TsError, TsWriter, writer::SegmentWriter};

/// The beginning of a transport stream segment with video only, written while its pictures come in.
///
/// As a rule it is the beginning of what [`TsWriter::segment`](super::TsWriter::segment) writes of all
/// of them. It is not where a later picture needs more decoding delay, or where the segment turns out
/// to be another: whoever uses it compares.
#[derive(Debug)]
pub struct TsPreview(SegmentWriter);

impl TsWriter {
    /// Begins to write what the next segment will be, while its pictures come in. The writer itself
    /// stays as it is.
    #[must_use]
    pub const fn preview(&self) -> TsPreview {
        TsPreview(self.aside())
    }
}

impl TsPreview {
    /// Adds the pictures that follow those added before. After an error, drop it.
    ///
    /// # Errors
    ///
    /// [`TsError::WrongCodec`], [`TsError::MalformedSample`], [`TsError::TimeOutOfRange`].
    pub fn extend(&mut self, video: &TrackSegment) -> Result<(), TsError> {
        self.0.further(video)
    }

    /// What is written so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.out
    }
}
