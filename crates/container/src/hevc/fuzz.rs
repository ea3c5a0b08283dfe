//! Bodies of the fuzz targets, with the invariants they check.

use bytes::Bytes;

use super::{
    decoder_configuration_record, normalize, parameters_from_sets, parse_decoder_configuration,
};

/// Any access unit: what is normalized once stays as it is.
pub(crate) fn fuzz_access_unit(payload: &Bytes) {
    for length_size in [1, 2, 4] {
        let Ok(unit) = normalize(payload, length_size) else { continue };
        let whole = unit.payload.to_contiguous();
        let again = normalize(&whole, 4).map(|again| again.payload.to_contiguous());
        assert_eq!(again, Ok(whole), "normal already");
        assert!(unit.has_picture || !unit.random_access, "a random access point is a picture");
    }
}

/// Any configuration record: what is read and written is read again, the same.
pub(crate) fn fuzz_configuration(record: &Bytes) {
    if let Ok(read) = parse_decoder_configuration(record) {
        let again = parse_decoder_configuration(&decoder_configuration_record(&read.parameters));
        assert_eq!(again.map(|again| again.parameters), Ok(read.parameters), "round trip");
    }
}

/// Any sequence parameter set.
pub(crate) fn fuzz_sps(sps: &Bytes) {
    let vps = Bytes::from_static(&[0x40, 0x01, 0x0C]);
    let pps = Bytes::from_static(&[0x44, 0x01, 0xC1]);
    if let Ok(parameters) = parameters_from_sets(vec![vps], vec![sps.clone()], vec![pps]) {
        let picture = parameters.picture;
        assert!(picture.width > 0 && picture.height > 0, "a picture has a size");
    }
}
