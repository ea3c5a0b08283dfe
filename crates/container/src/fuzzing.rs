//! Bodies of the fuzz targets: any bytes are read without panic, and what was read holds together.

use bytes::Bytes;
use media::VideoCodec;

use crate::{aac, av1, avc, flv, hevc, mp4, opus, ts};

/// FLV bodies under either header, and the formats inside them.
pub fn flv(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    if let Ok(message) = flv::parse_video(&body) {
        message.into_iter().filter_map(|tag| tag.tag.ok()).for_each(|tag| video_tag(&tag));
    }
    if let Ok(message) = flv::parse_audio(&body) {
        message.into_iter().filter_map(|tag| tag.tag.ok()).for_each(|tag| audio_tag(&tag));
    }
}

/// Bodies under the extended header: whatever the first byte is, the bits that choose it are set.
pub fn enhanced_rtmp(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    flv(&[&[first | 0x80], rest].concat());
    flv(&[&[0x90 | first & 0x0F], rest].concat());
}

fn video_tag(tag: &flv::VideoTag) {
    match tag {
        flv::VideoTag::SequenceHeader { codec, record } => match codec {
            VideoCodec::H264 => avc::fuzz_configuration(record),
            VideoCodec::Hevc => hevc::fuzz_configuration(record),
            VideoCodec::Av1 => av1::fuzz_configuration(record),
        },
        flv::VideoTag::AccessUnit { codec, payload, .. } => match codec {
            VideoCodec::H264 => avc::fuzz_access_unit(payload),
            VideoCodec::Hevc => hevc::fuzz_access_unit(payload),
            VideoCodec::Av1 => av1::fuzz_temporal_unit(payload),
        },
        flv::VideoTag::EndOfSequence | flv::VideoTag::Metadata(_) | flv::VideoTag::Command => {}
    }
}

fn audio_tag(tag: &flv::AudioTag) {
    match tag {
        flv::AudioTag::SequenceHeader { codec: flv::AudioCodec::Aac, config } => {
            aac::fuzz_config(config);
        }
        flv::AudioTag::SequenceHeader { codec: flv::AudioCodec::Opus, config } => {
            opus::fuzz_header(config);
        }
        flv::AudioTag::Frame { codec: flv::AudioCodec::Opus, payload } => {
            opus::fuzz_packet(payload);
        }
        flv::AudioTag::Frame { .. } | flv::AudioTag::Silence | flv::AudioTag::ChannelOrder(_) => {}
    }
}

/// `HEVCDecoderConfigurationRecord`s and access units of H.265; one record that is read survives being
/// written and read again.
pub fn hevc(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    hevc::fuzz_configuration(&data);
    hevc::fuzz_access_unit(&data);
    hevc::fuzz_sps(&data);
}

/// `AV1CodecConfigurationRecord`s and temporal units.
pub fn av1(data: &[u8]) {
    av1::fuzz_configuration(data);
    av1::fuzz_temporal_unit(&Bytes::copy_from_slice(data));
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
