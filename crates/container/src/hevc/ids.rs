//! Numbers of parameter sets: a set replaces the one with the same number.

use h264_reader::rbsp::{BitRead, BitReader};

use super::{
    nalu::{NALU_PPS, NALU_SPS, NALU_VPS, nalu_type},
    sps,
};

/// `vps_video_parameter_set_id`; `None` for another NAL unit, or one cut short.
#[must_use]
pub fn vps_id(nalu: &[u8]) -> Option<u32> {
    let bits = (nalu_type(nalu)? == NALU_VPS).then(|| sps::rbsp(nalu))?;
    BitReader::new(bits).read::<4, u32>("vps_video_parameter_set_id").ok()
}

/// `sps_seq_parameter_set_id`; `None` for another NAL unit, or one cut short.
#[must_use]
pub fn sps_id(nalu: &[u8]) -> Option<u32> {
    let bits = (nalu_type(nalu)? == NALU_SPS).then(|| sps::rbsp(nalu))?;
    sps::head(&mut BitReader::new(bits)).ok().map(|head| head.id)
}

/// `pps_pic_parameter_set_id`; `None` for another NAL unit, or one cut short.
#[must_use]
pub fn pps_id(nalu: &[u8]) -> Option<u32> {
    let bits = (nalu_type(nalu)? == NALU_PPS).then(|| sps::rbsp(nalu))?;
    BitReader::new(bits).read_ue("pps_pic_parameter_set_id").ok()
}
