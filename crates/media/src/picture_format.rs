//! What a picture looks like, whatever coded it.

use crate::FrameRate;

/// Size, shape, rate and colours of a video track's pictures, as its parameters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureFormat {
    /// Coded width after cropping, in samples.
    pub width: u32,
    /// Coded height after cropping, in samples.
    pub height: u32,
    /// Sample aspect ratio, `(1, 1)` where nothing is said.
    pub sample_aspect_ratio: (u16, u16),
    /// Frame rate, where it is stated and fixed; a hint, never a clock.
    pub frame_rate: Option<FrameRate>,
    /// What the samples' values mean, where it is stated.
    pub colour: Option<Colour>,
}

impl PictureFormat {
    /// Width and height as shown: cropped, and stretched by the sample aspect ratio.
    #[must_use]
    pub fn display_size(&self) -> (u32, u32) {
        let (num, den) = self.sample_aspect_ratio;
        if num == 0 || den == 0 || num == den {
            return (self.width, self.height);
        }
        let width = (u64::from(self.width) * u64::from(num) + u64::from(den) / 2) / u64::from(den);
        (u32::try_from(width).unwrap_or(self.width), self.height)
    }

    /// The dynamic range; standard where nothing is said.
    #[must_use]
    pub fn video_range(&self) -> VideoRange {
        self.colour.map_or(VideoRange::Sdr, Colour::video_range)
    }
}

/// Colour code points of ISO/IEC 23091-2, and whether samples use their full range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour {
    /// `ColourPrimaries`: 1 is BT.709, 2 unspecified, 9 BT.2020.
    pub primaries: u8,
    /// `TransferCharacteristics`: 1 is BT.709, 2 unspecified, 16 PQ, 18 HLG.
    pub transfer: u8,
    /// `MatrixCoefficients`: 1 is BT.709, 2 unspecified, 9 BT.2020.
    pub matrix: u8,
    /// `VideoFullRangeFlag`.
    pub full_range: bool,
}

impl Colour {
    /// The dynamic range that the transfer function gives.
    #[must_use]
    pub const fn video_range(self) -> VideoRange {
        match self.transfer {
            16 => VideoRange::Pq,
            18 => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        }
    }
}

/// `VIDEO-RANGE` of a variant (`bis` §4.4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoRange {
    /// Standard dynamic range.
    Sdr,
    /// High dynamic range, perceptual quantizer (SMPTE ST 2084).
    Pq,
    /// High dynamic range, hybrid log-gamma (ARIB STD-B67).
    Hlg,
}

impl VideoRange {
    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sdr => "SDR",
            Self::Pq => "PQ",
            Self::Hlg => "HLG",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_range_follow_what_is_stated() {
        let plain = PictureFormat {
            width: 1440,
            height: 1080,
            sample_aspect_ratio: (4, 3),
            frame_rate: None,
            colour: None,
        };
        assert_eq!((plain.display_size(), plain.video_range().as_str()), ((1920, 1080), "SDR"));
        let unset = PictureFormat { sample_aspect_ratio: (0, 1), ..plain };
        assert_eq!(unset.display_size(), (1440, 1080));
        let range = |transfer| {
            let colour = Colour { primaries: 9, transfer, matrix: 9, full_range: false };
            PictureFormat { colour: Some(colour), ..plain }.video_range()
        };
        assert_eq!(
            [range(16), range(18), range(1)],
            [VideoRange::Pq, VideoRange::Hlg, VideoRange::Sdr]
        );
    }
}
