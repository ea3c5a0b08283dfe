//! H.264 outside of its pictures: NAL units and how they are framed, parameter sets,
//! `AVCDecoderConfigurationRecord` (ISO/IEC 14496-10, ISO/IEC 14496-15).
//!
//! Start reading at [`normalize()`], which every access unit of a publisher passes, and
//! [`parse_decoder_configuration`].

mod annex_b;
mod configuration;
mod error;
mod nalu;
mod normalize;
mod sps;

pub use annex_b::{AnnexBNalus, annex_b_nalus};
pub use configuration::{
    DecoderConfiguration, decoder_configuration_record, parameters_from_sets,
    parse_decoder_configuration,
};
pub use error::AvcError;
pub use normalize::{NormalizedAccessUnit, normalize};

/// NAL units are framed as in every codec that has them.
pub use crate::nalu::{MAX_NALUS, NaluReader, nalus};

pub(crate) use self::fuzz::{fuzz_access_unit, fuzz_annex_b, fuzz_configuration, fuzz_sps};

mod fuzz;

#[cfg(test)]
mod tests;
