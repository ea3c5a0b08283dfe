//! Samples of each coding, as the rest of the house wants them.

use bytes::Bytes;
use media::Chain;
use thiserror::Error;

use crate::{
    aac::AacError,
    av1::{self, Av1Error},
    avc::{self, AvcError},
    hevc::{self, HevcError},
    opus::OpusError,
};

/// Why a track's parameters or one of its samples can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodingError {
    /// H.264.
    #[error(transparent)]
    Avc(#[from] AvcError),
    /// HEVC.
    #[error(transparent)]
    Hevc(#[from] HevcError),
    /// AV1.
    #[error(transparent)]
    Av1(#[from] Av1Error),
    /// AAC.
    #[error(transparent)]
    Aac(#[from] AacError),
    /// Opus.
    #[error(transparent)]
    Opus(#[from] OpusError),
}

/// How a track's samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// NAL units with lengths of so many bytes.
    Avc { nalu_length_size: u8 },
    /// NAL units with lengths of so many bytes.
    Hevc { nalu_length_size: u8 },
    /// OBUs.
    Av1,
    /// Frames of sound, each by itself.
    Sound,
}

impl Coding {
    /// A sample without what has no place in CMAF, and whether a decoder can start at it.
    ///
    /// # Errors
    ///
    /// Those of the coding's `normalize`.
    pub(super) fn read_sample(self, payload: &Bytes) -> Result<(Chain, bool), CodingError> {
        Ok(match self {
            Self::Avc { nalu_length_size } => {
                let unit = avc::normalize(payload, nalu_length_size)?;
                (unit.payload, unit.idr)
            }
            Self::Hevc { nalu_length_size } => {
                let unit = hevc::normalize(payload, nalu_length_size)?;
                (unit.payload, unit.random_access)
            }
            Self::Av1 => {
                let unit = av1::normalize(payload)?;
                (unit.payload, unit.random_access)
            }
            Self::Sound => (Chain::from(payload.clone()), true),
        })
    }
}
