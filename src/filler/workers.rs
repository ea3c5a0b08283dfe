//! Filler from a worker process: one for all streams, so that fifty publishers that leave at once start
//! no fifty encoders. Streams wait for their turn, and show gaps meanwhile.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use codec::{FillerJob, FillerPicture, FillerProfile, TranscodeJobError, WorkerConfig, WorkerPool};
use media::{CodecParameters, RenditionName, VideoRange};
use router::BoxFuture;
use segmenter::{Filler, FillerPictures, FillerTrack};

use super::{FillerMaking, FillerOrder, NoFiller, PictureOrder, coded, slates};

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
    fn make(&self, order: FillerOrder) -> BoxFuture<'static, Result<Filler, NoFiller>> {
        Box::pin(make(self.clone(), order))
    }
}

async fn make(workers: FillerWorkers, order: FillerOrder) -> Result<Filler, NoFiller> {
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
    let picture = match slate {
        _ if profiles.is_empty() => return unless_empty(filler),
        Some(Some(image)) => FillerPicture::Slate(image),
        Some(None) => return unless_empty(filler),
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
            tracing::warn!(%error, "no pictures were made to fill with");
            return without_pictures(&error, filler);
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
    unless_empty(filler)
}

/// Silence takes no worker: viewers have it in any case, unless there may be pictures a little later.
fn without_pictures(error: &TranscodeJobError, silence: Filler) -> Result<Filler, NoFiller> {
    use TranscodeJobError as E;
    if matches!(error, E::Busy { .. } | E::ShuttingDown) {
        return Err(NoFiller::Now);
    }
    let may_pass = matches!(error, E::WorkerDied { .. } | E::Start(_) | E::Protocol(_));
    // Anything else ends the same, after as long as before, for which the others wait.
    unless_empty(silence).map_err(|none| if may_pass { NoFiller::Now } else { none })
}

fn unless_empty(filler: Filler) -> Result<Filler, NoFiller> {
    let any = filler.video.is_some() || filler.audio.is_some() || !filler.ready_made.is_empty();
    any.then_some(filler).ok_or(NoFiller::Ever)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filler::tests::{init, silence};

    fn order() -> FillerOrder {
        let source = PictureOrder { name: None, init: init(720), bitrate: 1_000_000 };
        FillerOrder {
            last: media::Chain::new(),
            slate: None,
            pictures: vec![source],
            length: Duration::from_secs(2),
            silence: silence(),
        }
    }

    #[tokio::test]
    async fn there_is_silence_where_no_picture_can_be_made() {
        let none = std::iter::empty();
        let workers = FillerWorkers::new(Path::new("/nonexistent/worker"), none).unwrap();
        let made = workers.make(order()).await.unwrap();
        assert!(made.audio.is_some() && made.video.is_none());
        let mute = FillerOrder { silence: Filler::default(), ..order() };
        assert_eq!(workers.make(mute).await.unwrap_err(), NoFiller::Now);
        let unread = FillerOrder { slate: Some("slate.png".into()), ..order() };
        assert!(workers.make(unread).await.unwrap().audio.is_some());
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let of = |error| without_pictures(&error, silence()).map(|made| made.audio.is_some());
        let mute = |error| without_pictures(&error, Filler::default()).map(|_| ());
        let busy = || TranscodeJobError::Busy { workers: 1, waiting: 256 };
        let slow = || TranscodeJobError::TimedOut { after: LIMIT };
        assert_eq!(of(busy()), Err(NoFiller::Now), "the picture, a little later");
        assert_eq!(of(TranscodeJobError::ShuttingDown), Err(NoFiller::Now));
        assert_eq!(of(slow()), Ok(true));
        assert_eq!(mute(slow()), Err(NoFiller::Ever));
        assert_eq!(mute(TranscodeJobError::Protocol("?".into())), Err(NoFiller::Now));
    }
}
