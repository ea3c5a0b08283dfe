//! Arithmetic of pictures: their size in a box, their rate, and which of them to keep.

use ffmpeg_next::Rational;
use media::FrameRate;

/// Width and height in pixels; even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The largest even size in the box that shows the source with its shape and square pixels.
pub(crate) fn fit(source: Size, sample_aspect_ratio: Rational, inside: Size) -> Size {
    let (num, den) = (sample_aspect_ratio.numerator(), sample_aspect_ratio.denominator());
    let (num, den) = match (u64::try_from(num), u64::try_from(den)) {
        (Ok(num), Ok(den)) if num > 0 && den > 0 => (num, den),
        _ => (1, 1),
    };
    let shown_width = u64::from(source.width).saturating_mul(num).max(1);
    let shown_height = u64::from(source.height).saturating_mul(den).max(1);
    let (box_width, box_height) = (u64::from(inside.width), u64::from(inside.height));
    // The box is wider than the picture when box_width / box_height > shown_width / shown_height.
    let height_decides = u128::from(box_width) * u128::from(shown_height)
        >= u128::from(box_height) * u128::from(shown_width);
    let (width, height) = if height_decides {
        (nearest_even(box_height, shown_width, shown_height), box_height)
    } else {
        (box_width, nearest_even(box_width, shown_height, shown_width))
    };
    Size { width: even(width.min(box_width)), height: even(height.min(box_height)) }
}

fn nearest_even(side: u64, times: u64, by: u64) -> u64 {
    let (side, times, by) = (u128::from(side), u128::from(times), u128::from(by));
    u64::try_from((side * times + by) / (2 * by) * 2).unwrap_or(u64::MAX)
}

fn even(side: u64) -> u32 {
    u32::try_from(side & !1).unwrap_or(u32::MAX - 1).max(2)
}

/// The whole number of frames per second an encoder is told, for a measured rate in mHz.
///
/// Written into every SPS and used to choose the level, so it must not move with the jitter of a
/// segment's timestamps: renditions keep one initialization segment as long as it stands.
pub(super) fn nominal_rate(millihertz: u64) -> u32 {
    const RATES: [u32; 14] = [5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 120, 144];
    const FASTEST: u32 = 240;
    let fits = |rate: &u32| millihertz.saturating_mul(100) <= u64::from(*rate) * 102_000;
    RATES.into_iter().find(fits).unwrap_or(FASTEST)
}

/// Drops frames to a lower rate, on a grid that starts at the segment's first frame.
///
/// A slot of the grid takes the first frame at or after its start. Frames keep their timestamps.
#[derive(Debug)]
pub(super) struct FrameGrid {
    start: i64,
    /// Lets a frame be this early for its slot: timestamps rounded to a millisecond jitter around it.
    tolerance: i64,
    ticks_per_slot: (i128, i128),
    last_slot: Option<i128>,
}

impl FrameGrid {
    /// A grid of `rate`, for timestamps in `time_base`; `None` when the source isn't faster than that.
    pub(super) fn new(
        rate: FrameRate,
        source_millihertz: u64,
        time_base: Rational,
        start: i64,
    ) -> Option<Self> {
        if source_millihertz.saturating_mul(100) <= rate.millihertz().saturating_mul(102) {
            return None;
        }
        let (num, den) = (time_base.numerator().max(1), time_base.denominator().max(1));
        let per_second = i64::from(den) * 1_000 / i64::from(num);
        let interval = per_second / i64::try_from(source_millihertz).ok()?.max(1);
        let ticks_per_slot =
            (i128::from(den) * i128::from(rate.den()), i128::from(num) * i128::from(rate.num()));
        Some(Self { start, tolerance: interval / 4, ticks_per_slot, last_slot: None })
    }

    /// Whether the frame with this timestamp is the first of its slot.
    pub(super) fn keeps(&mut self, pts: i64) -> bool {
        let since_start = i128::from(pts) - i128::from(self.start) + i128::from(self.tolerance);
        let (num, den) = self.ticks_per_slot;
        let slot = (since_start * den).div_euclid(num);
        let is_new = self.last_slot.is_none_or(|last| slot > last);
        if is_new {
            self.last_slot = Some(slot);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn fits_any_shape_into_the_box() {
        let square = Rational(1, 1);
        let hd = size(1280, 720);
        assert_eq!(fit(size(1920, 1080), square, hd), hd);
        assert_eq!(fit(size(1920, 1088), square, size(640, 360)), size(636, 360));
        assert_eq!(fit(size(1440, 1080), square, hd), size(960, 720));
        assert_eq!(fit(size(1080, 1920), square, hd), size(406, 720));
        assert_eq!(fit(size(2560, 1080), square, hd), size(1280, 540));
        assert_eq!(fit(size(640, 360), square, hd), hd);
    }

    #[test]
    fn pixels_come_out_square() {
        assert_eq!(fit(size(1440, 1080), Rational(4, 3), size(1280, 720)), size(1280, 720));
        assert_eq!(fit(size(720, 576), Rational(16, 15), size(640, 480)), size(640, 480));
        assert_eq!(fit(size(720, 576), Rational(0, 1), size(720, 576)), size(720, 576));
    }

    #[test]
    fn nominal_rate_stands_still_under_jitter() {
        for millihertz in [29_500, 29_970, 30_015, 30_400] {
            assert_eq!(nominal_rate(millihertz), 30, "{millihertz}");
        }
        assert_eq!(
            [nominal_rate(23_976), nominal_rate(59_940), nominal_rate(400_000)],
            [24, 60, 240]
        );
    }

    fn kept(pts: &[i64], rate: u32, source: u64, time_base: i32) -> Vec<i64> {
        let rate = FrameRate::new(rate, 1).unwrap();
        let start = pts.first().copied().unwrap();
        let grid = FrameGrid::new(rate, source, Rational(1, time_base), start);
        let Some(mut grid) = grid else { return pts.to_vec() };
        pts.iter().copied().filter(|pts| grid.keeps(*pts)).collect()
    }

    #[test]
    fn halves_sixty_frames_whose_timestamps_are_whole_milliseconds() {
        let pts: Vec<i64> = (0..120).map(|n| 7 + (n * 1_000 + 30) / 60).collect();
        let every_other: Vec<i64> = pts.iter().copied().step_by(2).collect();
        assert_eq!(kept(&pts, 30, 60_000, 1_000), every_other);
    }

    #[test]
    fn a_rate_the_source_does_not_exceed_keeps_everything() {
        let pts: Vec<i64> = (0..60).map(|n| n * 3_000).collect();
        assert_eq!(kept(&pts, 30, 30_000, 90_000), pts);
        assert_eq!(kept(&pts, 60, 30_000, 90_000), pts);
    }

    #[test]
    fn thirty_to_twenty_five_drops_one_in_six() {
        let pts: Vec<i64> = (0..60).map(|n| 900 + n * 3_000).collect();
        let kept = kept(&pts, 25, 30_000, 90_000);
        assert_eq!((kept.len(), kept.first().copied()), (50, Some(900)));
    }

    proptest! {
        #[test]
        fn the_first_frame_is_always_kept(start in any::<i32>(), rate in 1_u32..120, source in 1_000_u64..240_000) {
            let start = i64::from(start);
            let kept = kept(&[start, start + 1], rate, source, 90_000);
            prop_assert_eq!(kept.first(), Some(&start));
        }

        #[test]
        fn fitted_size_is_even_and_inside(w in 1_u32..8192, h in 1_u32..8192, bw in 16_u32..8192, bh in 16_u32..8192) {
            let fitted = fit(size(w, h), Rational(1, 1), size(bw, bh));
            prop_assert!(fitted.width.is_multiple_of(2) && fitted.height.is_multiple_of(2));
            prop_assert!(fitted.width <= bw && fitted.height <= bh && fitted.width > 0 && fitted.height > 0);
        }
    }
}
