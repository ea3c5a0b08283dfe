//! `AVCDecoderConfigurationRecord`: the content of an `avcC` box, and of RTMP's sequence header
//! (ISO/IEC 14496-15 §5.3.3.1).

use bytes::{BufMut, Bytes, BytesMut};
use media::H264Parameters;

use super::{
    AvcError,
    nalu::{NALU_PPS, NALU_SPS, nalu_type},
    sps,
};
use crate::nalu::{ParameterSetError, SetKind, check_length_size, copied};

const VERSION: u8 = 1;
/// Counted in 5 bits, and there are that many ids.
const SPS: SetKind =
    SetKind { name: "sequence", is_one: |nalu| nalu_type(nalu) == Some(NALU_SPS), limit: 31 };
/// Counted in 8 bits.
const PPS: SetKind =
    SetKind { name: "picture", is_one: |nalu| nalu_type(nalu) == Some(NALU_PPS), limit: 255 };

/// What an `AVCDecoderConfigurationRecord` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderConfiguration {
    /// Bytes of each NAL unit's length: 1, 2 or 4.
    pub nalu_length_size: u8,
    /// The parameter sets.
    pub parameters: H264Parameters,
}

/// Reads an `AVCDecoderConfigurationRecord`. Reserved bits and what follows the picture parameter sets
/// are not looked at: encoders leave the first at zero and the second away.
///
/// # Errors
///
/// `ConfigurationVersion`, `TruncatedConfiguration`, `Nalu`, and those of
/// [`parameters_from_sets`].
pub fn parse_decoder_configuration(avcc: &Bytes) -> Result<DecoderConfiguration, AvcError> {
    let truncated = || AvcError::TruncatedConfiguration { len: avcc.len() };
    let &[version, _, _, _, length_size, sps_count] =
        avcc.first_chunk::<6>().ok_or_else(truncated)?;
    if version != VERSION {
        return Err(AvcError::ConfigurationVersion { version });
    }
    let nalu_length_size = (length_size & 0x03) + 1;
    check_length_size(nalu_length_size)?;
    let (sps, position) = sets(avcc, 6, sps_count & 0x1F).ok_or_else(truncated)?;
    let &pps_count = avcc.get(position).ok_or_else(truncated)?;
    let (pps, _) = sets(avcc, position + 1, pps_count).ok_or_else(truncated)?;
    Ok(DecoderConfiguration { nalu_length_size, parameters: parameters_from_sets(sps, pps)? })
}

/// `count` sets from `position` on, as slices, and where they end.
fn sets(record: &Bytes, mut position: usize, count: u8) -> Option<(Vec<Bytes>, usize)> {
    let mut sets = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let &length = record.get(position..)?.first_chunk::<2>()?;
        let begin = position + 2;
        position = begin + usize::from(u16::from_be_bytes(length));
        if position > record.len() {
            return None;
        }
        sets.push(record.slice(begin..position));
    }
    Some((sets, position))
}

/// Parameters from whole NAL units without start codes, in this order. The sets are copied, so that
/// they don't keep alive the pictures they arrived with; size, rate and the rest are the first SPS's.
///
/// # Errors
///
/// `ParameterSets` where there is none of a kind, and for one that is of another type, longer than
/// 65 535 bytes, or one more than `avcC` can hold (31 and 255); `Sps` and `PictureSize` for a first SPS
/// that can't be read.
pub fn parameters_from_sets(sps: Vec<Bytes>, pps: Vec<Bytes>) -> Result<H264Parameters, AvcError> {
    SPS.check(&sps)?;
    PPS.check(&pps)?;
    let first = sps.first().ok_or(ParameterSetError::Missing(SPS.name))?;
    let read = sps::parse(first)?;
    Ok(H264Parameters {
        sps: copied(&sps),
        pps: copied(&pps),
        profile_level: read.profile_level,
        width: read.width,
        height: read.height,
        sample_aspect_ratio: read.sample_aspect_ratio,
        frame_rate: read.frame_rate,
        may_reorder: read.may_reorder,
    })
}

/// Writes an `AVCDecoderConfigurationRecord` for 4-byte NAL unit lengths, with the fields that the High
/// profiles add. Only what the record can hold is written; [`parameters_from_sets`] admits no more.
#[must_use]
pub fn decoder_configuration_record(parameters: &H264Parameters) -> Bytes {
    let [profile, constraints, level] = parameters.profile_level;
    let sets_len: usize =
        parameters.sps.iter().chain(&parameters.pps).map(|set| set.len() + 2).sum();
    let mut record = BytesMut::with_capacity(11 + sets_len);
    record.put_slice(&[VERSION, profile, constraints, level, 0xFC | 3]);
    let count = |kind: SetKind, sets: &[Bytes]| u8::try_from(kind.count(sets)).unwrap_or(u8::MAX);
    record.put_u8(0xE0 | count(SPS, &parameters.sps));
    SPS.put(&mut record, &parameters.sps);
    record.put_u8(count(PPS, &parameters.pps));
    PPS.put(&mut record, &parameters.pps);
    let chroma = parameters.sps.first().and_then(|set| sps::parse(set).ok()).map(|sps| sps.chroma);
    if let Some(chroma) = chroma.filter(|chroma| chroma.stated) {
        record.put_u8(0xFC | chroma.format);
        record.put_u8(0xF8 | chroma.luma_depth);
        record.put_u8(0xF8 | chroma.chroma_depth);
        // No sequence parameter set extensions: they describe alpha pictures, which are not shown.
        record.put_u8(0);
    }
    record.freeze()
}
