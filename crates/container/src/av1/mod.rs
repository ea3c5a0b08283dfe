//! AV1 outside of its pictures: OBUs, sequence headers, `AV1CodecConfigurationRecord` (AOMedia, "AV1
//! Bitstream & Decoding Process"; "AV1 Codec ISO Media File Format Binding").
//!
//! Start reading at [`normalize()`], which every temporal unit of a publisher passes, and
//! [`parse_codec_configuration`].

mod configuration;
mod error;
mod fuzz;
mod obu;
mod sequence_header;
mod temporal_unit;

pub use configuration::{codec_configuration_record, parse_codec_configuration};
pub use error::Av1Error;
pub use sequence_header::parameters_from_sequence_header;
pub use temporal_unit::{NormalizedTemporalUnit, normalize};

pub(crate) use self::fuzz::{fuzz_configuration, fuzz_temporal_unit};

#[cfg(test)]
pub(crate) use self::tests::{AOM, SVT};

#[cfg(test)]
mod tests;
