//! Lists of parameter sets, as decoder configuration records of H.264 and of H.265 hold them.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Why a list of parameter sets can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParameterSetError {
    /// There is none of a kind.
    #[error("no {0} parameter set")]
    Missing(
        /// `video` (H.265), `sequence` or `picture`.
        &'static str,
    ),
    /// One of another NAL unit type than it should be, too long, or one too many.
    #[error("{kind} parameter set {index}: {reason}")]
    Unfit {
        /// `video` (H.265), `sequence` or `picture`.
        kind: &'static str,
        /// Its place in the list.
        index: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The parameter sets of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetKind {
    /// `video` (H.265), `sequence` or `picture`.
    pub(crate) name: &'static str,
    /// Whether a NAL unit is one.
    pub(crate) is_one: fn(&[u8]) -> bool,
    /// Most there can be.
    pub(crate) limit: usize,
}

impl SetKind {
    /// Whether these are sets of this kind that a record can hold: at least one.
    ///
    /// # Errors
    ///
    /// `Missing`; `Unfit` for the first that is of another type, longer than 65 535 bytes, or one more
    /// than there can be.
    pub(crate) fn check(&self, sets: &[Bytes]) -> Result<(), ParameterSetError> {
        if sets.is_empty() {
            return Err(ParameterSetError::Missing(self.name));
        }
        for (index, set) in sets.iter().enumerate() {
            let reason = if !(self.is_one)(set) {
                "is a NAL unit of another type"
            } else if set.len() > usize::from(u16::MAX) {
                "is too long"
            } else if index >= self.limit {
                "is one too many"
            } else {
                continue;
            };
            return Err(ParameterSetError::Unfit { kind: self.name, index, reason });
        }
        Ok(())
    }

    /// How many of `sets` a record gets.
    pub(crate) fn count(&self, sets: &[Bytes]) -> usize {
        sets.len().min(self.limit)
    }

    /// Writes them, each with a 16-bit length before it. Only what a record can hold is written;
    /// [`Self::check`] admits no more.
    pub(crate) fn put(&self, record: &mut BytesMut, sets: &[Bytes]) {
        for set in sets.iter().take(self.limit) {
            let length = u16::try_from(set.len()).unwrap_or(u16::MAX);
            record.put_u16(length);
            record.put_slice(set.get(..usize::from(length)).unwrap_or(set));
        }
    }
}

/// The sets in memory of their own, so that they don't keep alive the pictures they arrived with.
pub(crate) fn copied(sets: &[Bytes]) -> Vec<Bytes> {
    sets.iter().map(|set| Bytes::copy_from_slice(set)).collect()
}
