//! Types of H.264's NAL units (ISO/IEC 14496-10 Table 7-1).

pub(super) const NALU_IDR: u8 = 5;
pub(super) const NALU_SPS: u8 = 7;
pub(super) const NALU_PPS: u8 = 8;
pub(super) const NALU_DELIMITER: u8 = 9;
pub(super) const NALU_FILLER: u8 = 12;

/// `nal_unit_type`; `None` for no bytes.
pub(super) fn nalu_type(nalu: &[u8]) -> Option<u8> {
    nalu.first().map(|byte| byte & 0x1F)
}
