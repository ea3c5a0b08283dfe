//! A picture small enough to keep.

/// The luma of a picture, scaled down: row by row, 8 bits a pixel, black is 0 and white 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width` × `height` bytes, from the top left.
    pub luma: Vec<u8>,
}

impl Thumbnail {
    /// Width of those that a comparison gives, in pixels.
    pub const WIDTH: u32 = 64;
    /// Height of those that a comparison gives, in pixels.
    pub const HEIGHT: u32 = 36;
    /// Bytes of those that a comparison gives.
    pub(crate) const LEN: usize = 64 * 36;

    /// A thumbnail of a comparison; `luma` has [`Thumbnail::LEN`] bytes.
    pub(crate) const fn from_luma(luma: Vec<u8>) -> Self {
        Self { width: Self::WIDTH, height: Self::HEIGHT, luma }
    }

    /// As a file that any viewer opens: binary PGM (Netpbm's `P5`).
    #[must_use]
    pub fn to_pgm(&self) -> Vec<u8> {
        let Self { width, height, luma } = self;
        let mut file = format!("P5\n{width} {height}\n255\n").into_bytes();
        file.extend_from_slice(luma);
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pgm_is_a_header_and_the_luma_as_it_is() {
        let thumbnail = Thumbnail { width: 3, height: 2, luma: vec![0, 10, 255, 13, 32, 9] };
        assert_eq!(thumbnail.to_pgm(), b"P5\n3 2\n255\n\x00\x0a\xff\x0d\x20\x09");
    }
}
