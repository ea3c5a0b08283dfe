//! Bodies of the fuzz targets: any bytes are read without panic, and what was read holds together.

use bytes::Bytes;

use crate::{aac, avc, flv, mp4, ts};

/// FLV bodies, and the formats inside them.
pub fn flv(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    if let Ok(flv::VideoTag::AccessUnit { payload, .. }) = flv::parse_video(&body) {
        avc::fuzz_access_unit(&payload);
    }
    if let Ok(flv::AudioTag::SequenceHeader(config)) = flv::parse_audio(&body) {
        aac::fuzz_config(&config);
    }
}

/// `AVCDecoderConfigurationRecord`s; one that is read survives being written and read again.
pub fn avcc(data: &[u8]) {
    avc::fuzz_configuration(&Bytes::copy_from_slice(data));
}

/// Sequence parameter sets.
pub fn sps(data: &[u8]) {
    avc::fuzz_sps(&Bytes::copy_from_slice(data));
}

/// Annex B streams and length-prefixed access units.
pub fn annex_b(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    avc::fuzz_annex_b(&data);
    avc::fuzz_access_unit(&data);
}

/// `AudioSpecificConfig`s and ADTS frames.
pub fn asc(data: &[u8]) {
    aac::fuzz_config(&Bytes::copy_from_slice(data));
    aac::fuzz_adts(data);
}

/// MP4 files.
pub fn mp4(data: &[u8]) {
    mp4::fuzz(&Bytes::copy_from_slice(data));
}

/// Transport streams.
pub fn ts(data: &[u8]) {
    ts::fuzz(data);
}
