//! Compares renditions with their source in a worker process: a black or swapped picture is found.

use std::{path::PathBuf, time::Duration};

use codec::{CompareJob, PictureComparison, WorkerConfig, WorkerPool};
use router::{BoxFuture, PictureCheck, PictureFinding, PicturesToCompare};

/// A rendition of the same picture is more alike than this, in thousandths: the worst bitrates measured
/// leave 745, frozen and swapped pictures reach 480.
const SIMILAR: u32 = 620;
/// A comparison takes a few hundredths of a second.
const LIMIT: Duration = Duration::from_secs(5);
/// Comparisons that may wait; further ones are not made. A result waits for its comparison, so with many
/// streams fewer segments are compared rather than all delayed.
const QUEUE: usize = 1;

/// One worker process of its own, so that transcoding never waits for a comparison. It ends with the
/// last clone.
#[derive(Clone, Debug)]
pub(crate) struct WorkerPictureCheck(WorkerPool);

impl WorkerPictureCheck {
    /// `program` is this same binary.
    pub(crate) fn new(program: PathBuf) -> Self {
        let mut config = WorkerConfig::new(program, vec!["transcode-worker".into()]);
        config.workers = 1;
        config.queue = QUEUE;
        config.job_timeout = LIMIT;
        Self(WorkerPool::new(config))
    }
}

impl PictureCheck for WorkerPictureCheck {
    fn compare(&self, pictures: PicturesToCompare) -> BoxFuture<'_, Option<Vec<PictureFinding>>> {
        Box::pin(async move {
            let PicturesToCompare { source, renditions } = pictures;
            match self.0.compare(CompareJob { source, renditions }).await {
                Ok(output) => Some(output.comparisons.into_iter().map(finding).collect()),
                Err(error) => {
                    tracing::debug!(%error, "pictures were not compared");
                    None
                }
            }
        })
    }
}

fn finding(measured: PictureComparison) -> PictureFinding {
    let black = measured.rendition_deviation <= 2 && measured.source_deviation > 8;
    let wrong = if !measured.decodable {
        Some("undecodable")
    } else if measured.similarity_permille >= SIMILAR {
        None
    } else if black {
        Some("flat_picture")
    } else {
        Some("picture_differs")
    };
    let fault = measured.fault.map(|fault| format!(": {fault}")).unwrap_or_default();
    let detail = format!(
        "similarity {} and difference {} of 1000, luma {}±{} where the source has {}±{}{fault}",
        measured.similarity_permille,
        measured.difference_permille,
        measured.rendition_mean,
        measured.rendition_deviation,
        measured.source_mean,
        measured.source_deviation,
    );
    let pair = measured.worst_pair.into_iter();
    let pictures = pair.flat_map(|pair| [pair.source.to_pgm(), pair.rendition.to_pgm()]);
    PictureFinding {
        similarity_permille: measured.similarity_permille,
        wrong,
        detail,
        pictures: pictures.collect(),
    }
}
