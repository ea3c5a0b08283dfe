//! What a job needs and what an orchestrator can do, as bits.

use std::collections::HashMap;

use media::{H264Profile, RenditionProfile, VideoCodec};

use crate::{job::OutputFormat, proto};

/// Most 64-bit words read of a peer's bit string; the network uses one.
const MAX_WORDS: usize = 16;

/// One ability an orchestrator may have, by its bit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Capability {
    /// Decodes and encodes H.264.
    H264 = 0,
    /// Returns MPEG-TS.
    MpegTs = 1,
    /// Returns MP4.
    Mp4 = 2,
    /// Frame rates such as 30000/1001.
    FractionalFrameRates = 3,
    /// H.264 Baseline profile.
    Baseline = 7,
    /// H.264 Main profile.
    Main = 8,
    /// H.264 High profile.
    High = 9,
    /// H.264 Constrained High profile.
    ConstrainedHigh = 10,
    /// A GOP length asked for by the job.
    Gop = 11,
    /// Sessions held together by a token.
    AuthToken = 12,
    /// Decodes H.265.
    HevcDecode = 15,
    /// Decodes AV1. The network has no number for it; this one is ours, far beyond its own, so that a
    /// gateway and an orchestrator of other making refuse each other such work instead of trying it.
    Av1Decode = 240,
}

impl Capability {
    /// What it takes to decode a source.
    const fn decoding(source: VideoCodec) -> Self {
        match source {
            VideoCodec::H264 => Self::H264,
            VideoCodec::Hevc => Self::HevcDecode,
            VideoCodec::Av1 => Self::Av1Decode,
        }
    }
}

/// A set of capability bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    words: Vec<u64>,
    mandatories: Vec<u64>,
    version: String,
}

impl Capabilities {
    /// The set of these.
    #[must_use]
    pub fn new(capabilities: &[Capability]) -> Self {
        let bits = capabilities.iter().map(|&bit| bit as u8);
        Self { words: bit_string(bits), ..Self::default() }
    }

    /// Whether this bit is set.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        is_subset(&bit_string([capability as u8]), &self.words)
    }

    /// The orchestrator's software version, as it says; often empty or `undefined`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the version is at least `minimum`, pre-release suffixes left out (livepeer-wire §6.3):
    /// an empty or unreadable minimum is met by all, an unreadable version meets no other.
    #[must_use]
    pub fn is_at_least(&self, minimum: &str) -> bool {
        satisfies(&self.version, minimum)
    }

    #[cfg(feature = "server")]
    pub(crate) fn with_version(mut self, version: String) -> Self {
        self.version = version;
        self
    }

    pub(crate) fn from_wire(wire: &proto::Capabilities) -> Self {
        let take = |words: &[u64]| words.iter().copied().take(MAX_WORDS).collect();
        let version = wire.version.chars().take(64).collect();
        Self { words: take(&wire.bitstring), mandatories: take(&wire.mandatories), version }
    }

    pub(crate) fn to_wire(&self) -> proto::Capabilities {
        proto::Capabilities {
            bitstring: self.words.clone(),
            mandatories: self.mandatories.clone(),
            capacities: HashMap::new(),
            version: self.version.clone(),
            constraints: Some(proto::capabilities::Constraints::default()),
        }
    }

    /// Whether an orchestrator with these capabilities may be given `job` (livepeer-wire §6.3):
    /// the job's bits are all there, the job has every bit the orchestrator insists on, and the
    /// orchestrator's version is not older than the job demands.
    #[must_use]
    pub fn allow(&self, job: &JobCapabilities) -> bool {
        job.bits.words.len() <= self.words.len()
            && is_subset(&job.bits.words, &self.words)
            && is_subset(&self.mandatories, &job.bits.words)
            && self.is_at_least(&job.min_version)
    }
}

/// Bits as words of 64, the lowest first, as many as it takes (livepeer-wire §6.1).
fn bit_string(bits: impl IntoIterator<Item = u8>) -> Vec<u64> {
    let mut words = Vec::new();
    for bit in bits {
        let place = usize::from(bit / 64);
        if words.len() <= place {
            words.resize(place + 1, 0);
        }
        if let Some(word) = words.get_mut(place) {
            *word |= 1_u64 << (bit % 64);
        }
    }
    words
}

/// Whether every bit of `needed` is in `present`; missing words are zero.
fn is_subset(needed: &[u64], present: &[u64]) -> bool {
    needed.iter().enumerate().all(|(index, word)| {
        let there = present.get(index).copied().unwrap_or(0);
        word & !there == 0
    })
}

/// Whether a version is at least another, pre-release suffixes left out. An empty or unreadable demand
/// accepts every version; an unreadable version meets no demand.
fn satisfies(version: &str, minimum: &str) -> bool {
    let Some(minimum) = version_core(minimum) else { return true };
    version_core(version).is_some_and(|version| version >= minimum)
}

fn version_core(text: &str) -> Option<[u64; 3]> {
    let core = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().unwrap_or(Some(0));
    Some([next()?, next()?, next()?])
}

/// The capabilities a job needs (livepeer-wire §6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCapabilities {
    bits: Capabilities,
    min_version: String,
}

impl JobCapabilities {
    /// For 4:2:0 input in this codec, these profiles and this output.
    #[must_use]
    pub fn new(source: VideoCodec, profiles: &[RenditionProfile], output: OutputFormat) -> Self {
        let decoding = Capability::decoding(source);
        // Every rendition is encoded as H.264.
        let mut needed = vec![Capability::AuthToken, Capability::H264, decoding];
        needed.push(match output {
            OutputFormat::MpegTs => Capability::MpegTs,
            OutputFormat::Mp4 => Capability::Mp4,
        });
        for profile in profiles {
            if profile.frame_rate.is_some_and(|rate| rate.den() != 1) {
                needed.push(Capability::FractionalFrameRates);
            }
            match profile.h264_profile {
                H264Profile::EncoderDefault => {}
                H264Profile::Baseline => needed.push(Capability::Baseline),
                H264Profile::Main => needed.push(Capability::Main),
                H264Profile::High => needed.push(Capability::High),
                H264Profile::ConstrainedHigh => needed.push(Capability::ConstrainedHigh),
            }
        }
        Self { bits: Capabilities::new(&needed), min_version: String::new() }
    }

    #[cfg(feature = "server")]
    pub(crate) fn from_wire(wire: &proto::Capabilities) -> Self {
        let constraints = wire.constraints.as_ref();
        let min_version = constraints.map(|limits| limits.min_version.clone()).unwrap_or_default();
        Self { bits: Capabilities::from_wire(wire), min_version }
    }

    /// The same, for orchestrators whose software is at least this version, such as `0.9.1`. An
    /// orchestrator is told so, and checks it as well.
    #[must_use]
    pub fn with_min_version(mut self, version: impl Into<String>) -> Self {
        self.min_version = version.into();
        self
    }

    pub(crate) fn to_wire(&self) -> proto::Capabilities {
        let min_version = self.min_version.clone();
        let constraints = proto::capabilities::Constraints { min_version, ..Default::default() };
        proto::Capabilities { constraints: Some(constraints), ..self.bits.to_wire() }
    }
}

#[cfg(test)]
mod tests {
    use media::FrameRate;
    use prost::Message;

    use super::*;

    fn preset() -> RenditionProfile {
        RenditionProfile::preset("P360p30fps16x9").unwrap()
    }

    /// livepeer-wire §9.6.
    #[test]
    fn bit_strings_are_the_vectors() {
        assert_eq!(bit_string(0..=5), [63]);
        assert_eq!(bit_string([193, 192]), [0, 0, 0, 3]);
        assert_eq!(bit_string([193, 54, 192, 79]), [1 << 54, 1 << 15, 0, 3]);
        assert_eq!(bit_string([]), [0_u64; 0]);
    }

    #[test]
    fn typical_job_has_the_networks_bits() {
        let job = JobCapabilities::new(VideoCodec::H264, &[preset()], OutputFormat::MpegTs);
        assert_eq!(job.to_wire().bitstring, [0x1003]);
        let wire = job.to_wire().encode_to_vec();
        assert_eq!(hex::encode(wire), "0a0283202a00", "constraints are present, though empty");
    }

    #[test]
    fn sources_add_what_it_takes_to_decode_them() {
        let bits = |source| {
            JobCapabilities::new(source, &[preset()], OutputFormat::Mp4).to_wire().bitstring
        };
        assert_eq!(bits(VideoCodec::Hevc), [1 | 1 << 2 | 1 << 12 | 1 << 15]);
        assert_eq!(bits(VideoCodec::Av1), [1 | 1 << 2 | 1 << 12, 0, 0, 1 << 48]);
        let av1 = JobCapabilities::new(VideoCodec::Av1, &[preset()], OutputFormat::Mp4);
        let software = Capabilities { words: vec![0x15_ffe2_5fff], ..Capabilities::default() };
        assert!(!software.allow(&av1), "an orchestrator of the network");
    }

    #[test]
    fn profile_and_frame_rate_add_bits() {
        let fractional = RenditionProfile { frame_rate: FrameRate::new(30_000, 1_001), ..preset() };
        let main = RenditionProfile { h264_profile: H264Profile::Main, ..preset() };
        let job = JobCapabilities::new(VideoCodec::H264, &[fractional, main], OutputFormat::Mp4);
        assert_eq!(job.to_wire().bitstring, [1 | 1 << 2 | 1 << 3 | 1 << 8 | 1 << 12]);
    }

    #[test]
    fn compatibility_goes_both_ways() {
        let job = JobCapabilities::new(VideoCodec::H264, &[preset()], OutputFormat::MpegTs);
        let legacy = Capabilities { words: vec![0xfff], ..Capabilities::default() };
        assert!(!legacy.allow(&job), "no token bit");
        let transcoder = Capabilities { words: vec![0x0400_5fff], ..Capabilities::default() };
        assert!(transcoder.allow(&job));
        let insisting = Capabilities { mandatories: vec![1 << 14], ..transcoder.clone() };
        assert!(!insisting.allow(&job));
        let mut long = job.clone();
        long.bits.words.push(0);
        assert!(!transcoder.allow(&long), "more words than the orchestrator's");
        assert!(!Capabilities::default().allow(&job));
    }

    #[test]
    fn a_demanded_version_is_sent_and_checked() {
        let job = JobCapabilities::new(VideoCodec::H264, &[preset()], OutputFormat::MpegTs)
            .with_min_version("0.9.1");
        assert_eq!(job.to_wire().constraints.unwrap().min_version, "0.9.1");
        let with = |version: &str| Capabilities {
            words: vec![0x5fff],
            version: version.to_owned(),
            ..Capabilities::default()
        };
        assert!(with("0.9.1-176aa415").allow(&job) && with("0.10.0").allow(&job));
        assert!(!with("0.9.0").allow(&job) && !with("undefined").allow(&job));
        assert!(with("0.9.0").is_at_least("") && !with("").is_at_least("0.1.0"));
    }

    #[test]
    fn versions_compare_without_suffixes() {
        assert!(satisfies("", "") && satisfies("undefined", "") && satisfies("0.1.0", "nonsense"));
        assert!(satisfies("0.9.1-176aa415", "0.9.1") && satisfies("v1.0", "0.9.1"));
        assert!(!satisfies("0.9.0", "0.9.1-x") && !satisfies("", "0.1.0"));
        assert!(!satisfies("undefined", "0.1.0"));
    }
}
