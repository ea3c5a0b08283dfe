//! Filler from a worker process: one for all streams, so that fifty publishers that leave at once start
//! no fifty encoders. Streams wait for their turn, and show gaps meanwhile.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use codec::{FillerJob, FillerPicture, FillerProfile, WorkerConfig, WorkerPool};
use media::{CodecParameters, RenditionName, VideoRange};
use router::BoxFuture;
use segmenter::{Filler, FillerPictures, FillerTrack};

use super::{FillerMaking, FillerOrder, PictureOrder, coded, slates};

/// Jobs that may wait; a stream that is refused asks again when its next stand-in is due.
const QUEUE: usize = 256;
/// Longest a stream waits for its turn, and longest its job may take. An HD picture takes a few tenths of a
/// second for a whole ladder.
const LIMIT: Duration = Duration::from_secs(10);
/// Pictures per second: few, and as many as players expect of a video.
const FRAME_RATE: u8 = 10;
/// How long each is shown, in ticks of 90 kHz.
const INTERVAL: u32 = 9_000;

/// The worker process. It ends with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct FillerWorkers {
    pool: WorkerPool,
    slates: Arc<slates::Slates>,
}

impl FillerWorkers {
    /// `program` is this same binary; `slates` are the images that streams show.
    ///
    /// # Errors
    /// When a slate can't be read or is no image.
    pub(crate) fn new<'a>(
        program: &Path,
        slates: impl IntoIterator<Item = &'a PathBuf>,
    ) -> anyhow::Result<Self> {
        let mut config = WorkerConfig::new(program, vec!["transcode-worker".into()]);
        config.workers = 1;
        config.queue = QUEUE;
        config.job_timeout = LIMIT;
        let slates = Arc::new(slates::read(slates)?);
        Ok(Self { pool: WorkerPool::new(config), slates })
    }
}

impl FillerMaking for FillerWorkers {
    fn make(&self, order: FillerOrder) -> BoxFuture<'static, Option<Filler>> {
        Box::pin(make(self.clone(), order))
    }
}

async fn make(workers: FillerWorkers, order: FillerOrder) -> Option<Filler> {
    let FillerOrder { last, slate, mut pictures, length, silence: mut filler } = order;
    let slate = slate.map(|path| workers.slates.get(&path).cloned());
    if slate.is_some() {
        // An image has the standard range. Its colours would be wrong in the others.
        pictures.retain(|order| range(order) == VideoRange::Sdr);
    }
    let (orders, profiles): (Vec<_>, Vec<_>) = pictures
        .into_iter()
        .filter_map(|order| profile(&order).map(|profile| (order, profile)))
        .take(FillerJob::MAX_RENDITIONS)
        .unzip();
    if profiles.is_empty() {
        return (filler.audio.is_some()).then_some(filler);
    }
    let picture = match slate {
        Some(image) => FillerPicture::Slate(image?),
        None => FillerPicture::LastOf(last),
    };
    let job = FillerJob {
        picture,
        renditions: profiles,
        pictures: pictures_in(length),
        frame_rate: FRAME_RATE,
    };
    let output = match workers.pool.fill(job).await {
        Ok(output) => output,
        Err(error) => {
            tracing::warn!(%error, "no filler was made");
            return None;
        }
    };
    for (order, made) in orders.into_iter().zip(output.renditions) {
        let codec = order.init.track.parameters.picture().map(|(codec, _)| codec);
        let made = made.map_err(|fault| format!("{fault}: {}", fault.detail()));
        let pictures =
            made.and_then(|made| coded::pictures(codec.unwrap_or_default(), &made, INTERVAL));
        match pictures {
            Ok(pictures) => put(&mut filler, order.name, pictures),
            Err(error) => {
                let rendition = order.name.as_ref().map_or("source", |name| name.as_str());
                tracing::warn!(rendition, error, "a rendition has no filler");
            }
        }
    }
    let any = filler.video.is_some() || filler.audio.is_some() || !filler.ready_made.is_empty();
    any.then_some(filler)
}

/// As many pictures as the longest stand-in shows.
fn pictures_in(length: Duration) -> u16 {
    let pictures = length.as_millis() * u128::from(FRAME_RATE) / 1_000;
    u16::try_from(pictures).unwrap_or(u16::MAX).clamp(1, FillerJob::MAX_PICTURES)
}

fn range(order: &PictureOrder) -> VideoRange {
    let picture = order.init.track.parameters.picture();
    picture.map_or(VideoRange::Sdr, |(_, picture)| picture.video_range())
}

fn profile(order: &PictureOrder) -> Option<FillerProfile> {
    let parameters = &order.init.track.parameters;
    let (codec, picture) = parameters.picture()?;
    let h264_profile_level = match parameters {
        CodecParameters::H264(h264) => Some(h264.profile_level),
        CodecParameters::Hevc(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Aac(_)
        | CodecParameters::Opus(_) => None,
    };
    Some(FillerProfile {
        name: order.name.as_ref().map_or_else(|| "source".to_owned(), ToString::to_string),
        codec,
        h264_profile_level,
        width: picture.width,
        height: picture.height,
        sample_aspect_ratio: picture.sample_aspect_ratio,
        bitrate: order.bitrate.clamp(10_000, 200_000_000),
    })
}

/// Puts one rendition's pictures in their place.
fn put(filler: &mut Filler, name: Option<RenditionName>, pictures: FillerPictures) {
    match name {
        None => filler.video = Some(pictures),
        Some(name) => filler.ready_made.push((name, FillerTrack::Pictures(pictures))),
    }
}
