//! Bodies of the fuzz targets, with the invariants they check.

use bytes::Bytes;

use super::{
    annex_b_nalus, decoder_configuration_record, normalize, parameters_from_sets,
    parse_decoder_configuration,
};
use crate::nalu::nalus;

/// Any access unit: what is normalized once stays as it is.
pub(crate) fn fuzz_access_unit(payload: &Bytes) {
    for length_size in [1, 2, 4] {
        let Ok(unit) = normalize(payload, length_size) else { continue };
        let whole = unit.payload.to_contiguous();
        let again = normalize(&whole, 4).map(|again| again.payload.to_contiguous());
        assert_eq!(again, Ok(whole), "normal already");
        assert!(nalus(payload, length_size).all(|nalu| nalu.is_ok_and(|nalu| !nalu.is_empty())));
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
    let pps = Bytes::from_static(&[0x68, 0xCE, 0x3C, 0x80]);
    if let Ok(parameters) = parameters_from_sets(vec![sps.clone()], vec![pps]) {
        assert!(parameters.width > 0 && parameters.height > 0, "a picture has a size");
    }
}

/// Any byte stream: its NAL units lie in it, in order, without start codes inside.
pub(crate) fn fuzz_annex_b(data: &Bytes) {
    for nalu in annex_b_nalus(data) {
        assert!(!nalu.is_empty() && !nalu.ends_with(&[0]), "no padding");
        assert!(!nalu.windows(3).any(|window| window == [0, 0, 1]), "no start code");
    }
}
