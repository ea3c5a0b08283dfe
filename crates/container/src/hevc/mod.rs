//! H.265 outside of its pictures: NAL unit types, parameter sets, `HEVCDecoderConfigurationRecord`
//! (ISO/IEC 23008-2, ISO/IEC 14496-15 §8).
//!
//! Start reading at [`normalize()`], which every access unit of a publisher passes, and
//! [`parse_decoder_configuration`].

mod configuration;
mod error;
mod fuzz;
mod ids;
mod nalu;
mod normalize;
mod ref_pic_sets;
mod sps;
mod vui;

pub use configuration::{
    DecoderConfiguration, decoder_configuration_record, parameters_from_sets,
    parse_decoder_configuration,
};
pub use error::HevcError;
pub use ids::{pps_id, sps_id, vps_id};
pub use normalize::{NormalizedAccessUnit, normalize};

pub(crate) use self::fuzz::{fuzz_access_unit, fuzz_configuration, fuzz_sps};

#[cfg(test)]
pub(crate) use self::tests::{HDR, hex};

#[cfg(test)]
mod tests;
