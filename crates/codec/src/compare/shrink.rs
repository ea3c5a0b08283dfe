//! From a decoded picture to its thumbnail.

use ffmpeg_next::{Error, format::Pixel, frame, software::scaling};

use crate::Thumbnail;

/// The shape in which a picture is shown: width to height, with the pixels' own shape counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    width: u64,
    height: u64,
}

impl Shape {
    pub(super) fn of(picture: &frame::Video) -> Self {
        let ratio = picture.aspect_ratio();
        let (num, den) =
            match (u64::try_from(ratio.numerator()), u64::try_from(ratio.denominator())) {
                (Ok(num), Ok(den)) if num > 0 && den > 0 => (num, den),
                _ => (1, 1),
            };
        let (width, height) = (u64::from(picture.width()), u64::from(picture.height()));
        Self { width: width.saturating_mul(num).max(1), height: height.saturating_mul(den).max(1) }
    }

    /// Size in pixels of this shape in a thumbnail that another shape fills.
    ///
    /// Even sizes make renditions a little wider or narrower than their source; that much is the same.
    fn size_in(self, frame: Self) -> (u32, u32) {
        /// Shapes that are apart by less than one part in so many are the same.
        const TOLERANCE: u128 = 50;
        let (full_width, full_height) = (Thumbnail::WIDTH, Thumbnail::HEIGHT);
        // Proportional to this shape's width to height, and the frame's.
        let own = u128::from(self.width) * u128::from(frame.height);
        let wanted = u128::from(frame.width) * u128::from(self.height);
        if own.abs_diff(wanted) <= wanted / TOLERANCE {
            (full_width, full_height)
        } else if own < wanted {
            (scaled(full_width, own, wanted), full_height)
        } else {
            (full_width, scaled(full_height, wanted, own))
        }
    }
}

/// A side shortened by `times` / `by`, which is less than 1.
fn scaled(side: u32, times: u128, by: u128) -> u32 {
    /// The scaler does nothing smaller; a picture of that shape is like no other anyway.
    const SHORTEST: u32 = 2;
    let side = (u128::from(side) * times + by / 2) / by.max(1);
    u32::try_from(side).unwrap_or(SHORTEST).max(SHORTEST)
}

/// Scales the picture into a thumbnail that the shape `into` fills; what it leaves over is black.
pub(super) fn shrink(picture: &frame::Video, into: Shape) -> Result<Thumbnail, Error> {
    let (width, height) = Shape::of(picture).size_in(into);
    let (from, to) = (picture.format(), Pixel::GRAY8);
    let flags = scaling::Flags::AREA | scaling::Flags::ACCURATE_RND;
    let mut scaler =
        scaling::Context::get(from, picture.width(), picture.height(), to, width, height, flags)?;
    let mut scaled = frame::Video::empty();
    scaler.run(picture, &mut scaled)?;
    place(&scaled, width, height).ok_or(Error::Bug)
}

/// The scaled picture in the middle of a black thumbnail.
fn place(scaled: &frame::Video, width: u32, height: u32) -> Option<Thumbnail> {
    let row_len = usize::try_from(Thumbnail::WIDTH).ok()?;
    let width = usize::try_from(width).ok()?;
    let left = row_len.checked_sub(width)? / 2;
    let top = usize::try_from(Thumbnail::HEIGHT.checked_sub(height)? / 2).ok()?;
    let height = usize::try_from(height).ok()?;
    let mut luma = vec![0; Thumbnail::LEN];
    let rows = luma.chunks_mut(row_len).skip(top).take(height);
    for (row, scaled) in rows.zip(scaled.data(0).chunks(scaled.stride(0))) {
        row.get_mut(left..left + width)?.copy_from_slice(scaled.get(..width)?);
    }
    Some(Thumbnail::from_luma(luma))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: u64, height: u64) -> Shape {
        Shape { width, height }
    }

    /// A picture whose left half is black and right half white, in the range of television.
    fn halves(format: Pixel, width: u32, height: u32) -> frame::Video {
        let mut picture = frame::Video::new(format, width, height);
        let stride = picture.stride(0);
        let width = usize::try_from(width).unwrap();
        for row in picture.data_mut(0).chunks_mut(stride) {
            row[..width / 2].fill(16);
            row[width / 2..].fill(235);
        }
        for plane in 1..picture.planes() {
            picture.data_mut(plane).fill(128);
        }
        picture
    }

    #[test]
    fn sizes_of_a_ladder_fill_the_frame_of_their_source() {
        for (width, height) in [(854, 480), (426, 240), (256, 144), (160, 90)] {
            assert_eq!(shape(width, height).size_in(shape(1_920, 1_080)), (64, 36));
        }
        assert_eq!(shape(406, 720).size_in(shape(1_080, 1_920)), (64, 36));
    }

    #[test]
    fn another_shape_is_fitted_into_the_frame() {
        let wide = shape(1_920, 1_080);
        assert_eq!(shape(4, 3).size_in(wide), (48, 36));
        assert_eq!(shape(9, 16).size_in(wide), (20, 36));
        assert_eq!(shape(2_560, 1_080).size_in(wide), (64, 27));
        assert_eq!(shape(1, u64::from(u32::MAX)).size_in(wide), (2, 36));
        assert_eq!(shape(u64::MAX, 1).size_in(shape(1, u64::MAX)), (64, 2));
    }

    #[test]
    fn luma_runs_from_black_to_white_whatever_the_size_and_format() {
        for (format, width, height) in [
            (Pixel::YUV420P, 1_280, 720),
            (Pixel::YUV420P, 3_840, 2_160),
            (Pixel::YUV420P, 7_680, 4_320),
            (Pixel::YUV420P, 4_320, 7_680),
            (Pixel::YUV420P, 8_192, 8_192),
            (Pixel::YUV444P, 64, 36),
            (Pixel::YUV422P, 18, 16),
        ] {
            let picture = halves(format, width, height);
            let thumbnail = shrink(&picture, Shape::of(&picture)).unwrap();
            assert_eq!(thumbnail.luma.len(), Thumbnail::LEN);
            for row in thumbnail.luma.chunks(64) {
                assert!(row[..28].iter().all(|luma| *luma <= 1), "{width}x{height} {row:?}");
                assert!(row[36..].iter().all(|luma| *luma >= 254), "{width}x{height} {row:?}");
            }
        }
    }

    #[test]
    fn a_narrower_picture_stands_between_black_bars() {
        let picture = halves(Pixel::YUV420P, 1_440, 1_080);
        let thumbnail = shrink(&picture, shape(16, 9)).unwrap();
        let row = &thumbnail.luma[..64];
        assert!(row[..8].iter().chain(&row[56..]).all(|luma| *luma == 0), "bars: {row:?}");
        assert!(row[34..56].iter().all(|luma| *luma >= 254), "{row:?}");
    }
}
