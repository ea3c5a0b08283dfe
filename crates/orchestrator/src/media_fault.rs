//! Faults of the segment itself, which no other orchestrator would do better with.

/// A fault that sticks to the segment or to the job, by the text the network matches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MediaFault(&'static str);

impl MediaFault {
    /// No picture a decoder could start at.
    pub const NO_KEYFRAME: Self = Self("No keyframes in input");
    /// The input's codec can't be decoded.
    pub const UNSUPPORTED_CODEC: Self = Self("Unsupported input codec");
    /// The input's pixel format can't be handled.
    pub const UNSUPPORTED_PIXEL_FORMAT: Self = Self("Unsupported input pixel format");
    /// The input holds no usable video.
    pub const INVALID_VIDEO: Self = Self("TranscoderInvalidVideo");
    /// A size that can't be encoded.
    pub const INVALID_RESOLUTION: Self = Self("TranscoderInvalidResolution");
    /// The bytes are in no known container, or a value is out of range.
    pub const INVALID_ARGUMENT: Self = Self("Invalid argument");

    /// Every text the network gives up on (livepeer-wire §3.5).
    const ALL: &'static [Self] = &[
        Self::UNSUPPORTED_PIXEL_FORMAT,
        Self("Error initializing filtergraph"),
        Self("Too many outputs"),
        Self::UNSUPPORTED_CODEC,
        Self::NO_KEYFRAME,
        Self("Unrecoverable state, restart process"),
        Self("Encoded frames runaway"),
        Self("Decoder not found"),
        Self("Demuxer not found"),
        Self("Encoder not found"),
        Self("Muxer not found"),
        Self("Option not found"),
        Self::INVALID_ARGUMENT,
        Self::INVALID_RESOLUTION,
        Self::INVALID_VIDEO,
        Self("TranscoderUnrecognizedFormat"),
        Self("TranscoderUnrecognizedProfile"),
        Self("TranscoderInvalidGOP"),
        Self("TranscoderIncompatibleDevices"),
    ];

    /// The text as it goes over the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The fault an orchestrator's error text names, if it names one.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| text.contains(fault.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_inside_longer_ones() {
        let fault = MediaFault::find("transcode failed: No keyframes in input (seq 3)");
        assert_eq!(fault, Some(MediaFault::NO_KEYFRAME));
        assert_eq!(MediaFault::find("OrchestratorBusy"), None);
    }
}
