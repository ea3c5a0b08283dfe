//! AAC outside of its frames: `AudioSpecificConfig` and ADTS headers (ISO/IEC 14496-3).
//!
//! Start reading at [`parse_audio_specific_config`].

mod adts;
mod config;
mod error;
mod silence;

use bytes::Bytes;

pub use adts::{ADTS_HEADER_LEN, AdtsFrame, adts_header, parse_adts};
pub use config::parse_audio_specific_config;
pub use error::AacError;
pub use silence::silent_frame;

/// Any `AudioSpecificConfig`; one that ADTS can carry comes back with the same core coder.
pub(crate) fn fuzz_config(config: &Bytes) {
    let Ok(parameters) = parse_audio_specific_config(config) else { return };
    assert!((1..=8).contains(&parameters.channels), "channels");
    let Ok(header) = adts_header(&parameters, 100) else { return };
    let read = parse_adts(&header).ok().flatten().map(|frame| frame.parameters.sampling_rate);
    assert_eq!(read, Some(parameters.sampling_rate), "the core coder's rate");
}

/// Any ADTS frame.
pub(crate) fn fuzz_adts(data: &[u8]) {
    if let Ok(Some(frame)) = parse_adts(data) {
        assert!(frame.header_len < frame.frame_len, "a frame holds something");
    }
}

#[cfg(test)]
mod tests;
