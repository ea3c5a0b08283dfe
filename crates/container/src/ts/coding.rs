//! What differs between H.264 and H.265 in a transport stream.

use super::psi;

/// How the pictures of a stream are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// H.264 (ISO/IEC 14496-10).
    Avc,
    /// H.265 (ISO/IEC 23008-2).
    Hevc,
}

/// A delimiter that allows any slice type (ISO/IEC 14496-10 §7.3.2.4).
const AVC_DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xF0];
/// The same (ISO/IEC 23008-2 §7.3.2.5).
const HEVC_DELIMITER: [u8; 7] = [0, 0, 0, 1, 0x46, 0x01, 0x50];

impl Coding {
    /// `stream_type` of the program map.
    pub(super) const fn stream_type(self) -> u8 {
        match self {
            Self::Avc => psi::STREAM_TYPE_H264,
            Self::Hevc => psi::STREAM_TYPE_HEVC,
        }
    }

    /// An access unit delimiter with its start code.
    pub(super) const fn delimiter(self) -> &'static [u8] {
        match self {
            Self::Avc => &AVC_DELIMITER,
            Self::Hevc => &HEVC_DELIMITER,
        }
    }

    /// `nal_unit_type` by the first byte of a NAL unit.
    const fn kind(self, first: u8) -> u8 {
        match self {
            Self::Avc => first & 0x1F,
            Self::Hevc => first >> 1 & 0x3F,
        }
    }

    pub(super) const fn is_delimiter(self, first: u8) -> bool {
        let delimiter = match self {
            Self::Avc => 9,
            Self::Hevc => 35,
        };
        self.kind(first) == delimiter
    }

    /// A slice of an IDR picture, or of any intra random access point of H.265.
    pub(super) const fn is_random_access(self, first: u8) -> bool {
        match self {
            Self::Avc => self.kind(first) == 5,
            Self::Hevc => matches!(self.kind(first), 16..=21),
        }
    }

    /// The bit of a parameter set's kind; zero for all else.
    pub(super) const fn set(self, first: u8) -> u8 {
        match (self, self.kind(first)) {
            (Self::Avc, 7) | (Self::Hevc, 33) => 1,
            (Self::Avc, 8) | (Self::Hevc, 34) => 2,
            (Self::Hevc, 32) => 4,
            _ => 0,
        }
    }

    /// The bits of all kinds.
    pub(super) const fn every_set(self) -> u8 {
        match self {
            Self::Avc => 1 | 2,
            Self::Hevc => 1 | 2 | 4,
        }
    }
}
