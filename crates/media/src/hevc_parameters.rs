//! H.265 parameter sets and what they say.

use bytes::Bytes;

use crate::PictureFormat;

/// H.265 parameter sets and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HevcParameters {
    /// Video parameter sets, each one whole NAL unit without start code.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets, each one whole NAL unit without start code.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, each one whole NAL unit without start code.
    pub pps: Vec<Bytes>,
    /// Profile, tier and level of the first SPS.
    pub profile: HevcProfile,
    /// `chroma_format_idc`, 0 to 3.
    pub chroma_format: u8,
    /// Luma bits above 8, 0 to 7: `hvcC` has three bits for it.
    pub luma_depth: u8,
    /// Chroma bits above 8, 0 to 7.
    pub chroma_depth: u8,
    /// Temporal layers, 1 to 7.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_id_nested: bool,
    /// Size, shape, rate and colours.
    pub picture: PictureFormat,
}

/// Profile, tier and level (ISO/IEC 23008-2 §7.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HevcProfile {
    /// `general_profile_space`, 0 to 3; 0 in all that is deployed.
    pub space: u8,
    /// `general_tier_flag`.
    pub high_tier: bool,
    /// `general_profile_idc`, 0 to 31.
    pub idc: u8,
    /// `general_profile_compatibility_flag[j]`, flag 0 in the highest bit.
    pub compatibility: u32,
    /// `general_progressive_source_flag` and the 47 bits after it.
    pub constraints: [u8; 6],
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
}

impl HevcProfile {
    /// The RFC 6381 `codecs` value (ISO/IEC 14496-15 annex E.3), such as `hvc1.1.6.L93.B0`: parameter
    /// sets are in the sample entry, which is the only kind Safari plays.
    pub(crate) fn rfc6381(&self) -> String {
        let space = match self.space {
            1 => "A",
            2 => "B",
            3 => "C",
            _ => "",
        };
        let tier = if self.high_tier { 'H' } else { 'L' };
        let (idc, level) = (self.idc, self.level);
        let mut text =
            format!("hvc1.{space}{idc}.{:X}.{tier}{level}", self.compatibility.reverse_bits());
        let used = self.constraints.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        for byte in self.constraints.iter().take(used) {
            text.push_str(&format!(".{byte:X}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of ISO/IEC 14496-15 annex E.3, and what current encoders write.
    #[test]
    fn codec_strings_are_the_standards() {
        let main = HevcProfile {
            space: 0,
            high_tier: false,
            idc: 1,
            compatibility: 0x6000_0000,
            constraints: [0xB0, 0, 0, 0, 0, 0],
            level: 93,
        };
        assert_eq!(main.rfc6381(), "hvc1.1.6.L93.B0");
        let ten_bits = HevcProfile {
            idc: 2,
            compatibility: 0x2000_0000,
            constraints: [0x90, 0, 0, 0, 0, 0],
            level: 153,
            high_tier: true,
            ..main
        };
        assert_eq!(ten_bits.rfc6381(), "hvc1.2.4.H153.90");
        let odd = HevcProfile { space: 1, constraints: [0x9D, 0x08, 0, 1, 0, 0], ..main };
        assert_eq!(odd.rfc6381(), "hvc1.A1.6.L93.9D.8.0.1");
        let bare = HevcProfile { constraints: [0; 6], ..main };
        assert_eq!(bare.rfc6381(), "hvc1.1.6.L93");
    }
}
