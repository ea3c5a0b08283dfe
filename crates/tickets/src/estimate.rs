//! What a segment will probably cost, before it is sent.

use std::time::Duration;

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::{Price, Wei};

/// Frames per second that count where a rendition keeps the input's.
const UNKNOWN_FPS: u64 = 60;
/// The network's safety factor: the double nearest to 1.02, as a fraction.
const MARGIN: (u64, u64) = (2_296_835_809_958_953, 2_251_799_813_685_248);

/// What of a rendition decides its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidRendition {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Numerator of the frame rate; zero keeps the input's.
    pub fps: u32,
    /// Denominator of the frame rate; zero counts as one.
    pub fps_den: u32,
}

/// Pixels that a segment's renditions are taken to have: frame rate and duration are rounded up to
/// whole ones (livepeer-wire §4.4). At most `u64::MAX`.
#[must_use]
pub fn estimated_pixels(renditions: &[PaidRendition], duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    let of_rendition = |rendition: &PaidRendition| {
        let fps = u64::from(rendition.fps).div_ceil(u64::from(rendition.fps_den.max(1)));
        let fps = if fps == 0 { UNKNOWN_FPS } else { fps };
        let picture = u64::from(rendition.width) * u64::from(rendition.height);
        picture.saturating_mul(fps).saturating_mul(seconds)
    };
    renditions.iter().map(of_rendition).fold(0, u64::saturating_add)
}

/// What so many estimated pixels cost, the safety factor included (livepeer-wire §4.4).
#[must_use]
pub fn estimated_fee(pixels: u64, price: Price) -> Wei {
    let margin = BigRational::new(BigInt::from(MARGIN.0), BigInt::from(MARGIN.1));
    Wei::from_rational(price.of_pixels(pixels).as_rational() * margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P144: PaidRendition = PaidRendition { width: 256, height: 144, fps: 30, fps_den: 1 };
    const P240: PaidRendition = PaidRendition { width: 426, height: 240, fps: 30, fps_den: 0 };

    fn pixels(renditions: &[PaidRendition], milliseconds: u64) -> u64 {
        estimated_pixels(renditions, Duration::from_millis(milliseconds))
    }

    /// livepeer-wire §9.6.
    #[test]
    fn pixels_are_the_networks() {
        assert_eq!(pixels(&[P144], 2_000), 2_211_840);
        assert_eq!(pixels(&[P144, P240], 2_000), 8_346_240);
        assert_eq!(pixels(&[P144, P240], 2_200), 12_519_360);
        assert_eq!(pixels(&[PaidRendition { fps: 0, ..P144 }, P240], 3_000), 15_837_120);
        let ntsc = PaidRendition { fps: 30_000, fps_den: 1_001, ..P144 };
        assert_eq!(pixels(&[ntsc, P240], 3_000), 12_519_360);
    }

    #[test]
    fn absurd_renditions_saturate() {
        let absurd = PaidRendition { width: u32::MAX, height: u32::MAX, fps: 1, fps_den: 1 };
        assert_eq!(estimated_pixels(&[absurd, absurd], Duration::MAX), u64::MAX);
        assert_eq!(pixels(&[], 2_000), 0);
    }

    #[test]
    fn fee_has_the_exact_margin() {
        let fee = estimated_fee(2_251_799_813_685_248, Price::new(1, 1).unwrap());
        assert_eq!(fee.to_string(), "2296835809958953");
        let fee = estimated_fee(100, Price::new(1, 1).unwrap());
        assert!(fee > "102".parse().unwrap(), "the double nearest to 1.02 is above it");
        assert_eq!(estimated_fee(100, Price::FREE), Wei::zero());
    }
}
