//! How far two thumbnails are apart. Integers only, so that every machine measures the same.

use std::cmp::Reverse;

use crate::{PictureComparison, Thumbnail, ThumbnailPair, TranscodeFault};

/// Width of a thumbnail's rows, in pixels.
const ROW: usize = 64;
const ROWS: usize = 36;
/// Side of the windows that similarity is measured in, in pixels; small enough to see a moved object.
const WINDOW: usize = 8;
/// From one window to the next: they overlap by half.
const STEP: usize = 4;
/// One in so many windows counts, the least similar ones: most of a picture may well stand still.
const LEAST_SIMILAR: usize = 4;

/// How far the pictures of one pair are apart.
pub(super) struct PairMeasure {
    pair: ThumbnailPair,
    difference_permille: u32,
    similarity_permille: u32,
}

impl PairMeasure {
    pub(super) fn of(source: Thumbnail, rendition: Thumbnail) -> Self {
        let (a, b) = (source.luma.as_slice(), rendition.luma.as_slice());
        let (difference_permille, similarity_permille) = (difference(a, b), similarity(a, b));
        let pair = ThumbnailPair { source, rendition };
        Self { pair, difference_permille, similarity_permille }
    }
}

impl PictureComparison {
    pub(super) fn worst_of([first, middle]: [PairMeasure; 2], pictures: u64) -> Self {
        let difference_permille = first.difference_permille.max(middle.difference_permille);
        let rank =
            |pair: &PairMeasure| (Reverse(pair.similarity_permille), pair.difference_permille);
        let worst = if rank(&middle) > rank(&first) { middle } else { first };
        let source = Level::of(&worst.pair.source);
        let rendition = Level::of(&worst.pair.rendition);
        Self {
            decodable: true,
            pictures,
            difference_permille,
            similarity_permille: worst.similarity_permille,
            source_mean: source.mean,
            rendition_mean: rendition.mean,
            source_deviation: source.deviation,
            rendition_deviation: rendition.deviation,
            worst_pair: Some(worst.pair),
            fault: None,
        }
    }

    /// Of a rendition that gives no pictures to compare with the source's first.
    pub(super) fn undecodable(source: &Thumbnail, fault: TranscodeFault, pictures: u64) -> Self {
        let source = Level::of(source);
        Self {
            decodable: false,
            pictures,
            difference_permille: 1_000,
            similarity_permille: 0,
            source_mean: source.mean,
            rendition_mean: 0,
            source_deviation: source.deviation,
            rendition_deviation: 0,
            worst_pair: None,
            fault: Some(fault),
        }
    }
}

/// Mean absolute difference as a share of white, in thousandths.
fn difference(a: &[u8], b: &[u8]) -> u32 {
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let most = u64::try_from(a.len()).unwrap_or(u64::MAX).saturating_mul(255).max(1);
    u32::try_from((sum * 1_000 + most / 2) / most).unwrap_or(1_000)
}

/// The lower of the whole picture's SSIM and the mean of its least similar windows, in thousandths.
///
/// The whole picture tells one flat scene from another, which each window takes for nearly the same;
/// the windows tell two pictures of one scene apart, which are alike as a whole.
fn similarity(a: &[u8], b: &[u8]) -> u32 {
    let whole = Moments::of(a, b).ssim_millionths();
    let mut windows: Vec<i64> =
        corners().map(|(x, y)| window(a, b, x, y).ssim_millionths()).collect();
    windows.sort_unstable();
    let counted = windows.len().div_ceil(LEAST_SIMILAR);
    let sum: i64 = windows.iter().take(counted).sum();
    let mean = sum / i64::try_from(counted).unwrap_or(i64::MAX).max(1);
    u32::try_from((whole.min(mean) + 500).max(0) / 1_000).unwrap_or(0)
}

fn corners() -> impl Iterator<Item = (usize, usize)> {
    let rows = (0..=ROWS - WINDOW).step_by(STEP);
    rows.flat_map(|y| (0..=ROW - WINDOW).step_by(STEP).map(move |x| (x, y)))
}

fn window(a: &[u8], b: &[u8], x: usize, y: usize) -> Moments {
    let mut moments = Moments::default();
    for (a, b) in a.chunks(ROW).zip(b.chunks(ROW)).skip(y).take(WINDOW) {
        let columns = x..x + WINDOW;
        moments.add(a.get(columns.clone()).unwrap_or_default(), b.get(columns).unwrap_or_default());
    }
    moments
}

/// Sums over two runs of pixels, of which SSIM is made.
#[derive(Default)]
struct Moments {
    count: i128,
    a: i128,
    b: i128,
    aa: i128,
    bb: i128,
    ab: i128,
}

impl Moments {
    fn of(a: &[u8], b: &[u8]) -> Self {
        let mut moments = Self::default();
        moments.add(a, b);
        moments
    }

    fn add(&mut self, a: &[u8], b: &[u8]) {
        for (a, b) in a.iter().copied().zip(b.iter().copied()) {
            let (a, b) = (i128::from(a), i128::from(b));
            self.count += 1;
            self.a += a;
            self.b += b;
            self.aa += a * a;
            self.bb += b * b;
            self.ab += a * b;
        }
    }

    /// Structural similarity, −1 000 000 to 1 000 000.
    ///
    /// The constants, (0.01 × 255)² and (0.03 × 255)², keep it steady where a mean or a variance is
    /// near zero: a flat picture is like another when their levels are.
    fn ssim_millionths(&self) -> i64 {
        let &Self { count, a, b, aa, bb, ab } = self;
        let squared = count * count;
        let (c1, c2) = (squared * 65_025 / 10_000, squared * 585_225 / 10_000);
        let (variances, covariance) = (count * (aa + bb) - a * a - b * b, count * ab - a * b);
        let like = (2 * a * b + c1) * (2 * covariance + c2);
        let whole = (a * a + b * b + c1) * (variances + c2);
        i64::try_from((like * 1_000_000).checked_div(whole).unwrap_or(0)).unwrap_or(0)
    }
}

/// Mean and standard deviation of a picture's luma.
#[derive(Debug, PartialEq, Eq)]
struct Level {
    mean: u8,
    deviation: u8,
}

impl Level {
    fn of(thumbnail: &Thumbnail) -> Self {
        let mut count = 0_u64;
        let (mut sum, mut squares) = (0_u64, 0_u64);
        for luma in thumbnail.luma.iter().copied().map(u64::from) {
            count += 1;
            sum += luma;
            squares += luma * luma;
        }
        let count = count.max(1);
        let spread = (count * squares).saturating_sub(sum * sum).isqrt();
        let rounded = |sum: u64| u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX);
        Self { mean: rounded(sum), deviation: rounded(spread) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FaultCause;

    const LEN: usize = ROW * ROWS;

    fn flat(level: u8) -> Vec<u8> {
        vec![level; LEN]
    }

    /// A pattern without symmetry; `by` moves it.
    fn scene(by: usize) -> Vec<u8> {
        let pixel = |n: usize| {
            let (x, y) = ((n % ROW + by) % ROW, n / ROW);
            u8::try_from((x * x / 20 + y * 3 + (x / 9 + y / 7) % 2 * 60) % 256).unwrap()
        };
        (0..LEN).map(pixel).collect()
    }

    fn upside_down(luma: &[u8]) -> Vec<u8> {
        luma.chunks(ROW).rev().flatten().copied().collect()
    }

    fn pair(a: &[u8], b: &[u8]) -> PairMeasure {
        PairMeasure::of(Thumbnail::from_luma(a.to_vec()), Thumbnail::from_luma(b.to_vec()))
    }

    #[test]
    fn a_thumbnail_is_as_large_as_its_constants_say() {
        assert_eq!(LEN, Thumbnail::LEN);
        assert_eq!(u32::try_from(ROW).unwrap(), Thumbnail::WIDTH);
        assert_eq!(u32::try_from(ROWS).unwrap(), Thumbnail::HEIGHT);
        assert_eq!(corners().last(), Some((ROW - WINDOW, ROWS - WINDOW)));
    }

    #[test]
    fn flat_pictures_are_as_similar_as_their_levels() {
        assert_eq!(similarity(&flat(0), &flat(0)), 1_000);
        assert_eq!(similarity(&flat(200), &flat(200)), 1_000);
        assert!(similarity(&flat(100), &flat(104)) > 990);
        assert!(similarity(&flat(0), &flat(16)) < 50);
        assert!(similarity(&flat(60), &flat(180)) < 700);
        assert_eq!(difference(&flat(0), &flat(255)), 1_000);
        assert_eq!(difference(&flat(0), &flat(51)), 200);
    }

    #[test]
    fn another_picture_is_not_similar() {
        let original = scene(0);
        let brighter: Vec<u8> = original.iter().map(|luma| luma.saturating_add(6)).collect();
        assert!(similarity(&original, &brighter) > 900, "{}", similarity(&original, &brighter));
        let inverted: Vec<u8> = original.iter().map(|luma| 255 - luma).collect();
        for other in [flat(0), flat(128), inverted, upside_down(&original), scene(9)] {
            assert!(similarity(&original, &other) < 300, "{}", similarity(&original, &other));
        }
    }

    #[test]
    fn a_change_in_a_quarter_of_the_picture_is_seen() {
        let original = scene(0);
        let other = upside_down(&original);
        let columns = |n: usize| if n % ROW < ROW / 4 { other[n] } else { original[n] };
        let changed: Vec<u8> = (0..LEN).map(columns).collect();
        assert!(similarity(&original, &changed) < 500, "{}", similarity(&original, &changed));
    }

    #[test]
    fn level_is_mean_and_standard_deviation() {
        let half: Vec<u8> = [flat(0), flat(200)].concat().into_iter().step_by(2).collect();
        let level = Level::of(&Thumbnail::from_luma(half));
        assert_eq!(level, Level { mean: 100, deviation: 100 });
    }

    #[test]
    fn the_worse_pair_is_reported() {
        let (same, other) = (scene(0), scene(20));
        for (first, middle) in [(&same, &other), (&other, &same)] {
            let comparison =
                PictureComparison::worst_of([pair(&same, first), pair(&same, middle)], 31);
            let expected = pair(&same, &other);
            assert!(comparison.decodable);
            assert_eq!(comparison.pictures, 31);
            assert_eq!(comparison.similarity_permille, expected.similarity_permille);
            assert_eq!(comparison.difference_permille, expected.difference_permille);
            assert_eq!(comparison.worst_pair, Some(expected.pair));
        }
    }

    #[test]
    fn without_pictures_nothing_is_similar() {
        let fault = TranscodeFault::new(FaultCause::InvalidData, "");
        let source = Thumbnail::from_luma(flat(90));
        let comparison = PictureComparison::undecodable(&source, fault, 0);
        assert!(!comparison.decodable);
        assert_eq!((comparison.difference_permille, comparison.similarity_permille), (1_000, 0));
        assert_eq!((comparison.source_mean, comparison.rendition_mean), (90, 0));
    }

    fn picture() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), LEN)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn measures_are_symmetric_and_in_range(a in picture(), b in picture()) {
            prop_assert_eq!(similarity(&a, &b), similarity(&b, &a));
            prop_assert_eq!(difference(&a, &b), difference(&b, &a));
            prop_assert!(similarity(&a, &b) <= 1_000 && difference(&a, &b) <= 1_000);
            prop_assert_eq!(similarity(&a, &a), 1_000);
            prop_assert_eq!(difference(&a, &a), 0);
        }
    }
}
