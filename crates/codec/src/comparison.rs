//! What a worker is asked to compare, and what it measures.

use bytes::Bytes;
use media::Chain;
use serde::{Deserialize, Serialize};

use crate::{Thumbnail, TranscodeFault, TranscodeJob};

/// One segment and what was made of it, to be compared by looking at two pictures of each.
///
/// Compared are the first pictures, and one from about the middle: the rendition's picture nearest to
/// the middle of the source, with the source's picture nearest to that one. Near is by the time since
/// the first picture, so that neither another start nor a lower frame rate matters.
#[derive(Clone, Debug)]
pub struct CompareJob {
    /// MPEG-TS, or MP4 (fragmented or not), of one segment that starts with a key frame: H.264 video.
    pub source: Chain,
    /// The same segment transcoded, MPEG-TS or MP4 each; 1 to [`CompareJob::MAX_RENDITIONS`].
    pub renditions: Vec<Bytes>,
}

impl CompareJob {
    /// Most bytes of the source and all renditions together: the largest source that is transcoded, and
    /// as much again.
    pub const MAX_INPUT: usize = TranscodeJob::MAX_INPUT * 2;
    /// Most renditions of one job.
    pub const MAX_RENDITIONS: usize = media::Ladder::MAX_RENDITIONS;

    /// Bytes of the source and all renditions together.
    pub(crate) fn input_len(&self) -> usize {
        let renditions = self.renditions.iter().map(Bytes::len);
        renditions.fold(self.source.len(), usize::saturating_add)
    }
}

/// What a comparison gives back.
#[derive(Clone, Debug)]
pub struct CompareOutput {
    /// One for each rendition of the job, in that order.
    pub comparisons: Vec<PictureComparison>,
}

/// How far one rendition's pictures are from the source's. Measures only; what is good enough is for
/// others to say.
///
/// Pictures are compared as the luma of a 64×36 [`Thumbnail`]. The source's fills it; a rendition of
/// another display aspect ratio (more than a fiftieth apart) is fitted into it between black bars, as a
/// player shows it in the source's frame. Luma runs from 0 (black) to 255 (white).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureComparison {
    /// Whether there were two pictures to compare. When not, the difference is 1000, the similarity 0,
    /// and the rendition's mean and deviation are 0.
    pub decodable: bool,
    /// Pictures decoded of the rendition. Decoding stops at the picture from the middle, and pictures
    /// that no other refers to are passed over on the way.
    pub pictures: u64,
    /// Mean absolute difference of luma as a share of white, in thousandths; the worse pair's.
    pub difference_permille: u32,
    /// Structural similarity, 0 to 1000 for identical pictures; the worse pair's.
    ///
    /// SSIM (Wang et al. 2004, K1 0.01, K2 0.03), of the whole thumbnail or of the mean of the least
    /// similar quarter of its 8×8 windows, whichever is lower. Two flat pictures are as similar as
    /// their levels: 1000 when equal, near 0 when one is black and the other isn't.
    pub similarity_permille: u32,
    /// Mean luma of the source's picture in the worse pair.
    pub source_mean: u8,
    /// Mean luma of the rendition's picture in the worse pair.
    pub rendition_mean: u8,
    /// Standard deviation of luma of the source's picture in the worse pair.
    pub source_deviation: u8,
    /// Standard deviation of luma of the rendition's picture in the worse pair.
    pub rendition_deviation: u8,
    /// The pair with the lower similarity, and of equals the larger difference; to be kept as evidence.
    /// `None` when not decodable.
    #[serde(skip)]
    pub worst_pair: Option<ThumbnailPair>,
    /// Why it is not decodable; `None` when it is.
    pub fault: Option<TranscodeFault>,
}

/// The two pictures of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThumbnailPair {
    /// The source's.
    pub source: Thumbnail,
    /// The rendition's.
    pub rendition: Thumbnail,
}
