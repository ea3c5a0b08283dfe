//! Bodies of the fuzz targets, with the invariants they check.

use bytes::Bytes;

use super::{codec_configuration_record, normalize, parse_codec_configuration};

/// Any temporal unit: what is normalized once stays as it is.
pub(crate) fn fuzz_temporal_unit(payload: &Bytes) {
    let Ok(unit) = normalize(payload) else { return };
    let whole = unit.payload.to_contiguous();
    let again = normalize(&whole).map(|again| again.payload.to_contiguous());
    assert_eq!(again, Ok(whole), "normal already");
    assert!(unit.has_picture || !unit.random_access, "a random access point is a picture");
}

/// Any configuration record: what is read and written is read again, the same.
pub(crate) fn fuzz_configuration(record: &[u8]) {
    if let Ok(Some(read)) = parse_codec_configuration(record) {
        assert!(read.picture.width > 0 && read.picture.height > 0, "a picture has a size");
        let again = parse_codec_configuration(&codec_configuration_record(&read));
        assert_eq!(again, Ok(Some(read)), "round trip");
    }
}
