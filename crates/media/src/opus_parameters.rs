//! What an Opus identification header says.

/// What an Opus identification header says (RFC 7845 §5.1), and how long the packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusParameters {
    /// Output channels: 1 or 2 (mapping family 0).
    pub channels: u8,
    /// Samples at the start that a decoder throws away, at 48 kHz.
    pub pre_skip: u16,
    /// Rate of what was encoded, in Hz; for people. Decoders put out 48 kHz.
    pub input_sample_rate: u32,
    /// Gain a decoder applies, in 1/256 dB.
    pub output_gain: i16,
    /// Samples of a packet at 48 kHz: 120 to 5760.
    pub packet_samples: u32,
}

impl OpusParameters {
    /// Ticks per second of every Opus track.
    pub const SAMPLING_RATE: u32 = 48_000;
}
