//! ADTS headers, which make a raw AAC frame stand on its own (ISO/IEC 14496-3 §1.A.2.2).

use bytes::Bytes;
use media::AacParameters;

use super::{
    AacError,
    config::{self, SAMPLING_RATES},
};
use crate::bits::Bits;

/// Bytes of an ADTS header without a CRC, as [`adts_header`] writes it.
pub const ADTS_HEADER_LEN: usize = 7;
const CRC_LEN: usize = 2;
/// `aac_frame_length` has 13 bits.
const MAX_FRAME_LEN: usize = 8191;
const SYNCWORD: u32 = 0xFFF;
/// `adts_buffer_fullness` of a variable bit rate.
const VARIABLE_RATE: u16 = 0x7FF;

/// An ADTS header, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdtsFrame {
    /// Bytes before the raw AAC frame: 7, or 9 with a CRC.
    pub header_len: usize,
    /// Bytes of header and raw AAC frame; more than `header_len`.
    pub frame_len: usize,
    /// What the header says; its `AudioSpecificConfig` is made from the header.
    pub parameters: AacParameters,
}

/// The ADTS header of a raw AAC frame of `frame_len` bytes. HE-AAC goes as its core (HLS rule TS-6):
/// decoders find SBR and PS by themselves.
///
/// # Errors
///
/// `FrameLength` for an empty frame or one above 8184 bytes; `NotInAdts` for a program config element,
/// more channel configurations than 7, 960 samples and rates outside the table; those of
/// [`parse_audio_specific_config`](super::parse_audio_specific_config).
pub fn adts_header(
    parameters: &AacParameters,
    frame_len: usize,
) -> Result<[u8; ADTS_HEADER_LEN], AacError> {
    let len = frame_len.saturating_add(ADTS_HEADER_LEN);
    let Some(length) = u16::try_from(len).ok().filter(|_| frame_len > 0 && len <= MAX_FRAME_LEN)
    else {
        return Err(AacError::FrameLength { len: frame_len });
    };
    let config = config::read(&parameters.audio_specific_config)?;
    if config.frame_samples != 1024 {
        return Err(AacError::NotInAdts("frames of 960 samples"));
    }
    let channels = config.channel_configuration;
    if !matches!(channels, 1..=7) {
        return Err(AacError::NotInAdts("this channel layout"));
    }
    let index = SAMPLING_RATES.iter().position(|rate| *rate == config.core_rate);
    let index = index
        .and_then(|index| u8::try_from(index).ok())
        .ok_or(AacError::NotInAdts("this sampling rate"))?;
    let profile = config.core_object_type - 1;
    let [length_high, length_low] = length.to_be_bytes();
    let [fullness_high, fullness_low] = VARIABLE_RATE.to_be_bytes();
    Ok([
        0xFF,
        // MPEG-4, layer 0, no CRC.
        0xF1,
        profile << 6 | index << 2 | channels >> 2,
        channels << 6 | length_high >> 3,
        length_high << 5 | length_low >> 3,
        length_low << 5 | fullness_high << 2 | fullness_low >> 6,
        // One raw data block.
        fullness_low << 2,
    ])
}

/// Reads the ADTS header at the start of `data`; `None` where the data end before the header does.
///
/// # Errors
///
/// `AdtsSync`, `AdtsFrameLength`, `AdtsRawDataBlocks`; `SamplingRate` for a reserved index;
/// `Channels` where the layout is in the frame.
pub fn parse_adts(data: &[u8]) -> Result<Option<AdtsFrame>, AacError> {
    let Some(header) = data.first_chunk::<ADTS_HEADER_LEN>() else { return Ok(None) };
    read_header(header).map(Some)
}

fn read_header(header: &[u8; ADTS_HEADER_LEN]) -> Result<AdtsFrame, AacError> {
    let mut bits = Bits::new(header);
    let short = AacError::AdtsSync;
    let mut field = |count| bits.number(count).ok_or(AacError::AdtsSync);
    if field(12)? != SYNCWORD {
        return Err(short);
    }
    let (_version, layer, no_crc) = (field(1)?, field(2)?, field(1)?);
    if layer != 0 {
        return Err(short);
    }
    let (profile, index, _private, channels) = (field(2)?, field(4)?, field(1)?, field(3)?);
    let _copyright = field(4)?;
    let frame_len = usize::try_from(field(13)?).unwrap_or(0);
    let (_fullness, blocks) = (field(11)?, field(2)?);
    let header_len = if no_crc == 1 { ADTS_HEADER_LEN } else { ADTS_HEADER_LEN + CRC_LEN };
    if frame_len <= header_len {
        return Err(AacError::AdtsFrameLength { frame_len });
    }
    if blocks != 0 {
        let blocks = u8::try_from(blocks + 1).unwrap_or(u8::MAX);
        return Err(AacError::AdtsRawDataBlocks { blocks });
    }
    Ok(AdtsFrame { header_len, frame_len, parameters: parameters(profile, index, channels)? })
}

fn parameters(profile: u32, index: u32, channels: u32) -> Result<AacParameters, AacError> {
    if channels == 0 {
        return Err(AacError::Channels { configuration: 0, channels });
    }
    // 5 bits of object type, 4 of rate, 4 of channels, 3 of GASpecificConfig.
    let config = (profile + 1) << 11 | index << 7 | channels << 3;
    let [_, _, high, low] = config.to_be_bytes();
    super::parse_audio_specific_config(&Bytes::copy_from_slice(&[high, low]))
}
