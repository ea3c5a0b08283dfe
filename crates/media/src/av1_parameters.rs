//! An AV1 sequence header and what it says.

use bytes::Bytes;

use crate::PictureFormat;

/// An AV1 sequence header and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Av1Parameters {
    /// The sequence header OBU, whole: header, size, payload.
    pub sequence_header: Bytes,
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx[0]`, 0 to 31.
    pub level: u8,
    /// `seq_tier[0]`.
    pub high_tier: bool,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// There is no chroma.
    pub monochrome: bool,
    /// `subsampling_x` and `subsampling_y`.
    pub subsampling: (bool, bool),
    /// `chroma_sample_position`, 0 to 3.
    pub chroma_sample_position: u8,
    /// Size, rate and colours; samples of AV1 are square.
    pub picture: PictureFormat,
}

/// Colours of the short codec string: BT.709, studio range (AV1 in ISOBMFF §5).
const DEFAULT_COLOUR: [u8; 4] = [1, 1, 1, 0];
/// A code point that says nothing.
const UNSPECIFIED: u8 = 2;

impl Av1Parameters {
    /// The RFC 6381 `codecs` value: `av01.P.LLT.DD`, and the fields after it where the sequence header
    /// says something else than a decoder would assume without them.
    pub(crate) fn rfc6381(&self) -> String {
        let tier = if self.high_tier { 'H' } else { 'M' };
        let (profile, level, depth) = (self.profile, self.level, self.bit_depth);
        let short = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
        let known = |code: u8, default: u8| if code == UNSPECIFIED { default } else { code };
        let [primaries, transfer, matrix, range] = DEFAULT_COLOUR;
        let colour = self.picture.colour.map_or(DEFAULT_COLOUR, |colour| {
            [
                known(colour.primaries, primaries),
                known(colour.transfer, transfer),
                known(colour.matrix, matrix),
                if colour.full_range { 1 } else { range },
            ]
        });
        let (x, y) = self.subsampling;
        // Where the chroma samples lie is only said where both sides are halved.
        let position = if x && y { self.chroma_sample_position } else { 0 };
        let is_default = colour == DEFAULT_COLOUR && !self.monochrome && x && y && position == 0;
        if is_default {
            return short;
        }
        let [primaries, transfer, matrix, range] = colour;
        let (mono, x, y) = (u8::from(self.monochrome), u8::from(x), u8::from(y));
        format!("{short}.{mono}.{x}{y}{position}.{primaries:02}.{transfer:02}.{matrix:02}.{range}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Colour;

    #[test]
    fn codec_strings_are_short_unless_the_defaults_would_lie() {
        let picture = PictureFormat {
            width: 1920,
            height: 1080,
            sample_aspect_ratio: (1, 1),
            frame_rate: None,
            colour: Some(Colour { primaries: 2, transfer: 2, matrix: 2, full_range: false }),
        };
        let main = Av1Parameters {
            sequence_header: Bytes::new(),
            profile: 0,
            level: 4,
            high_tier: false,
            bit_depth: 8,
            monochrome: false,
            subsampling: (true, true),
            chroma_sample_position: 0,
            picture,
        };
        assert_eq!(main.rfc6381(), "av01.0.04M.08");
        let colour = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false };
        let hdr = Av1Parameters {
            level: 15,
            high_tier: true,
            bit_depth: 10,
            picture: PictureFormat { colour: Some(colour), ..picture },
            ..main.clone()
        };
        assert_eq!(hdr.rfc6381(), "av01.0.15H.10.0.110.09.16.09.0");
        let full = Av1Parameters { subsampling: (false, false), profile: 1, ..main };
        assert_eq!(full.rfc6381(), "av01.1.04M.08.0.000.01.01.01.0");
    }
}
