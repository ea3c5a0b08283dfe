//! What every use of libav* shares: its start, and its errors in our words.

use ffmpeg_next::Error;

use crate::error::{FaultCause, TranscodeFault};

/// Registers what libav* needs, once per process. Its messages go to standard error, errors only.
pub(crate) fn initialize() -> Result<(), Error> {
    ffmpeg_next::init()?;
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    ffmpeg_next::log::set_flags(ffmpeg_next::log::Flags::SKIP_REPEATED);
    Ok(())
}

pub(crate) fn fault(cause: FaultCause, detail: impl Into<String>) -> TranscodeFault {
    TranscodeFault::new(cause, detail)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "thirty codes, of which gateways know these")]
pub(crate) fn ffmpeg_fault(doing: &str, error: Error) -> TranscodeFault {
    let cause = match error {
        Error::InvalidData => FaultCause::InvalidData,
        Error::DecoderNotFound => FaultCause::DecoderNotFound,
        Error::EncoderNotFound => FaultCause::EncoderNotFound,
        Error::MuxerNotFound => FaultCause::MuxerNotFound,
        Error::OptionNotFound => FaultCause::OptionNotFound,
        Error::Other { errno: ffmpeg_next::error::EINVAL } => FaultCause::InvalidArgument,
        _ => FaultCause::Other,
    };
    fault(cause, format!("{doing}: {error}"))
}
