//! Whether a rendition shows what it was given: a port that compares decoded pictures.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use media::Chain;

use crate::memory::BoxFuture;

/// What is compared.
#[derive(Clone, Debug)]
pub struct PicturesToCompare {
    /// The source segment, a file that starts with a key frame.
    pub source: Chain,
    /// Its renditions, as the orchestrator returned them.
    pub renditions: Vec<Bytes>,
}

/// The finding about one rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureFinding {
    /// How alike the worst pair of pictures is, in thousandths.
    pub similarity_permille: u32,
    /// What is wrong with it, if anything: a bounded label.
    pub wrong: Option<&'static str>,
    /// What was measured, for people.
    pub detail: String,
    /// The source's picture and the rendition's, as small binary PGM images.
    pub pictures: Vec<Vec<u8>>,
}

/// Compares pictures. It answers within a second, or not at all: then the work counts as good.
pub trait PictureCheck: fmt::Debug + Send + Sync + 'static {
    /// One finding per rendition; `None` when the source itself could not be read, or there was no time.
    fn compare(&self, pictures: PicturesToCompare) -> BoxFuture<'_, Option<Vec<PictureFinding>>>;
}

/// No comparison.
pub(super) type MaybePictureCheck = Option<Arc<dyn PictureCheck>>;
