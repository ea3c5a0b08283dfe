//! `HEVCDecoderConfigurationRecord`: the content of an `hvcC` box, and of the sequence start of Enhanced
//! RTMP (ISO/IEC 14496-15 §8.3.3.1).

use bytes::{BufMut, Bytes, BytesMut};
use media::HevcParameters;

use super::{
    HevcError,
    nalu::{NALU_PPS, NALU_SPS, NALU_VPS, nalu_type},
    sps,
};
use crate::nalu::{ParameterSetError, SetKind, check_length_size, copied};

const VERSION: u8 = 1;
/// Bytes up to and with the last field before the count of arrays.
const FIELDS_LEN: usize = 22;
/// Arrays that are looked at: there are three kinds of sets, and two of messages.
const MAX_ARRAYS: u8 = 16;
/// In the order of the record. Video and sequence parameter sets have 16 ids, picture parameter sets 64.
const SETS: [SetKind; 3] = [
    SetKind { name: "video", is_one: |nalu| nalu_type(nalu) == Some(NALU_VPS), limit: 16 },
    SetKind { name: "sequence", is_one: |nalu| nalu_type(nalu) == Some(NALU_SPS), limit: 16 },
    SetKind { name: "picture", is_one: |nalu| nalu_type(nalu) == Some(NALU_PPS), limit: 64 },
];

/// What an `HEVCDecoderConfigurationRecord` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderConfiguration {
    /// Bytes of each NAL unit's length: 1, 2 or 4.
    pub nalu_length_size: u8,
    /// The parameter sets.
    pub parameters: HevcParameters,
}

/// Reads an `HEVCDecoderConfigurationRecord`. What it says beside the sets is not believed: the sets
/// say it too, and a decoder follows them. Supplemental enhancement information is left out.
///
/// # Errors
///
/// `ConfigurationVersion`, `TruncatedConfiguration`, `Nalu`, and those of [`parameters_from_sets`].
pub fn parse_decoder_configuration(hvcc: &Bytes) -> Result<DecoderConfiguration, HevcError> {
    let mut record = Record { bytes: hvcc, position: 0 };
    let &version = hvcc.first().ok_or_else(|| record.truncated())?;
    if version != VERSION {
        return Err(HevcError::ConfigurationVersion { version });
    }
    let fields: [u8; FIELDS_LEN] = record.array()?;
    let nalu_length_size = fields.last().map_or(0, |byte| byte & 0x03) + 1;
    check_length_size(nalu_length_size)?;
    let (mut vps, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
    let [arrays] = record.array()?;
    for _ in 0..arrays.min(MAX_ARRAYS) {
        let [kind, high, low] = record.array()?;
        let count = u16::from_be_bytes([high, low]);
        let list = match kind & 0x3F {
            NALU_VPS => Some(&mut vps),
            NALU_SPS => Some(&mut sps),
            NALU_PPS => Some(&mut pps),
            _ => None,
        };
        record.nalus(count, list)?;
    }
    Ok(DecoderConfiguration { nalu_length_size, parameters: parameters_from_sets(vps, sps, pps)? })
}

struct Record<'a> {
    bytes: &'a Bytes,
    position: usize,
}

impl Record<'_> {
    fn truncated(&self) -> HevcError {
        HevcError::TruncatedConfiguration { position: self.position, len: self.bytes.len() }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HevcError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let &array = rest.first_chunk::<N>().ok_or_else(|| self.truncated())?;
        self.position += N;
        Ok(array)
    }

    /// `count` NAL units with 16-bit lengths, as slices; each takes two bytes of the record at least.
    fn nalus(&mut self, count: u16, mut list: Option<&mut Vec<Bytes>>) -> Result<(), HevcError> {
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes(self.array()?));
            let end = self.position + length;
            if end > self.bytes.len() {
                return Err(self.truncated());
            }
            if let Some(list) = &mut list {
                list.push(self.bytes.slice(self.position..end));
            }
            self.position = end;
        }
        Ok(())
    }
}

/// Parameters from whole NAL units without start codes, in this order. The sets are copied, so that
/// they don't keep alive the pictures they arrived with; profile, size, rate and the rest are the first
/// SPS's.
///
/// # Errors
///
/// `ParameterSets` where there is none of a kind, and for one that is of another type, longer than
/// 65 535 bytes, or one more than there are ids; `Sps` and `PictureSize` for a first SPS that can't be read.
pub fn parameters_from_sets(
    vps: Vec<Bytes>,
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
) -> Result<HevcParameters, HevcError> {
    for (sets, kind) in [&vps, &sps, &pps].into_iter().zip(SETS) {
        kind.check(sets)?;
    }
    let first = sps.first().ok_or(ParameterSetError::Missing("sequence"))?;
    let read = sps::parse(first)?;
    Ok(HevcParameters {
        vps: copied(&vps),
        sps: copied(&sps),
        pps: copied(&pps),
        profile: read.head.profile,
        chroma_format: read.chroma_format,
        luma_depth: read.luma_depth,
        chroma_depth: read.chroma_depth,
        temporal_layers: read.head.sub_layers_minus1 + 1,
        temporal_id_nested: read.head.temporal_id_nested,
        picture: read.picture,
    })
}

/// Writes an `HEVCDecoderConfigurationRecord` for 4-byte NAL unit lengths, whose sets are all there are.
#[must_use]
pub fn decoder_configuration_record(parameters: &HevcParameters) -> Bytes {
    let lists = [&parameters.vps, &parameters.sps, &parameters.pps];
    let sets_len: usize = lists.iter().flat_map(|sets| sets.iter()).map(|set| set.len() + 2).sum();
    let mut record = BytesMut::with_capacity(FIELDS_LEN + 1 + 9 + sets_len);
    let profile = &parameters.profile;
    record.put_u8(VERSION);
    record.put_u8(profile.space << 6 | u8::from(profile.high_tier) << 5 | profile.idc & 0x1F);
    record.put_u32(profile.compatibility);
    record.put_slice(&profile.constraints);
    record.put_u8(profile.level);
    // No spatial segmentation is promised, and with it no parallelism.
    record.put_slice(&[0xF0, 0, 0xFC]);
    record.put_u8(0xFC | parameters.chroma_format);
    record.put_u8(0xF8 | parameters.luma_depth);
    record.put_u8(0xF8 | parameters.chroma_depth);
    // Neither an average nor a constant frame rate is promised.
    record.put_u16(0);
    let nested = u8::from(parameters.temporal_id_nested) << 2;
    record.put_u8((parameters.temporal_layers & 0x07) << 3 | nested | 3);
    record.put_u8(3);
    let types = [NALU_VPS, NALU_SPS, NALU_PPS];
    for ((sets, kind), nalu_type) in lists.into_iter().zip(SETS).zip(types) {
        record.put_u8(0x80 | nalu_type);
        record.put_u16(u16::try_from(kind.count(sets)).unwrap_or(u16::MAX));
        kind.put(&mut record, sets);
    }
    record.freeze()
}
