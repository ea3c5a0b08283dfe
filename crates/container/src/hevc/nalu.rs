//! Types of H.265's NAL units (ISO/IEC 23008-2 Table 7-1).

pub(super) const NALU_VPS: u8 = 32;
pub(super) const NALU_SPS: u8 = 33;
pub(super) const NALU_PPS: u8 = 34;
pub(super) const NALU_DELIMITER: u8 = 35;
pub(super) const NALU_FILLER: u8 = 38;
/// Bytes of a NAL unit's header.
pub(super) const HEADER_LEN: usize = 2;

/// `nal_unit_type`; `None` where the header is not whole.
pub(super) fn nalu_type(nalu: &[u8]) -> Option<u8> {
    let &[first, _] = nalu.first_chunk::<HEADER_LEN>()?;
    Some(first >> 1 & 0x3F)
}

/// What a NAL unit of this type is to a decoder that starts or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slice {
    /// Of an intra random access point: IDR, CRA or BLA.
    RandomAccess,
    /// Of a leading picture that refers to pictures before its random access point (RASL).
    SkippedLeading,
    /// Of any other picture.
    Other,
}

/// The slice in a NAL unit of this type; `None` for what is no slice.
pub(super) const fn slice_of(kind: u8) -> Option<Slice> {
    match kind {
        8 | 9 => Some(Slice::SkippedLeading),
        16..=21 => Some(Slice::RandomAccess),
        0..=31 => Some(Slice::Other),
        _ => None,
    }
}
