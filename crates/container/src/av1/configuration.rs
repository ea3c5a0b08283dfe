//! `AV1CodecConfigurationRecord`: the content of an `av1C` box, and of the sequence start of Enhanced
//! RTMP (AV1 in ISOBMFF §2.3).

use bytes::{BufMut, Bytes, BytesMut};
use media::Av1Parameters;

use super::{Av1Error, obu, obu::ObuSpans, sequence_header::parameters_from_sequence_header};

/// Marker bit, version 1.
const MARKER: u8 = 0x81;
const FIELDS_LEN: usize = 4;

/// Reads an `AV1CodecConfigurationRecord`. `None` where it holds no sequence header, or is not there at
/// all, as FFmpeg 9 with libaom has it: then the first key frame brings one. What the record says beside it is not believed: the sequence header says it too.
///
/// # Errors
///
/// `TruncatedConfiguration`, `ConfigurationVersion`, those of malformed OBUs and of
/// [`parameters_from_sequence_header`].
pub fn parse_codec_configuration(av1c: &[u8]) -> Result<Option<Av1Parameters>, Av1Error> {
    if av1c.is_empty() {
        return Ok(None);
    }
    let truncated = Av1Error::TruncatedConfiguration { len: av1c.len() };
    let Some((&[marker, ..], obus)) = av1c.split_first_chunk::<FIELDS_LEN>() else {
        return Err(truncated);
    };
    if marker != MARKER {
        return Err(Av1Error::ConfigurationVersion { marker });
    }
    for span in ObuSpans::new(obus) {
        let span = span?;
        if span.kind == obu::SEQUENCE_HEADER {
            let whole = obus.get(span.whole).unwrap_or_default();
            return parameters_from_sequence_header(whole).map(Some);
        }
    }
    Ok(None)
}

/// Writes an `AV1CodecConfigurationRecord` with the sequence header and no presentation delay.
#[must_use]
pub fn codec_configuration_record(parameters: &Av1Parameters) -> Bytes {
    let mut record = BytesMut::with_capacity(FIELDS_LEN + parameters.sequence_header.len());
    let (x, y) = parameters.subsampling;
    let flag = |set: bool, place: u8| u8::from(set) << place;
    record.put_u8(MARKER);
    record.put_u8(parameters.profile << 5 | parameters.level & 0x1F);
    record.put_u8(
        flag(parameters.high_tier, 7)
            | flag(parameters.bit_depth > 8, 6)
            | flag(parameters.bit_depth > 10, 5)
            | flag(parameters.monochrome, 4)
            | flag(x, 3)
            | flag(y, 2)
            | parameters.chroma_sample_position & 0x03,
    );
    record.put_u8(0);
    record.put_slice(&parameters.sequence_header);
    record.freeze()
}
