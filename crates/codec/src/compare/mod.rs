//! The child's work: one segment and its renditions in, how far their pictures are apart out.
//!
//! Timestamps alone say which pictures to compare; then each file is decoded as far as the last of its
//! pictures that is wanted, and each wanted picture shrunk as it comes out of the decoder.

mod measure;
mod pictures;
mod shrink;
mod timeline;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use self::{
    measure::PairMeasure,
    pictures::{PictureReader, Pictures},
    timeline::{MiddlePair, Timeline},
};
use crate::{
    PictureComparison, Thumbnail,
    decode::{Source, SourceTrack},
    error::{FaultCause, TranscodeFault},
    library::fault,
};

/// A job as the child sees it.
pub(crate) struct Request<'a> {
    pub(crate) source: Bytes,
    pub(crate) renditions: Vec<Bytes>,
    /// Set when nobody waits for the result any more.
    pub(crate) abandoned: &'a AtomicBool,
}

/// The place of the first picture's packet.
const FIRST: usize = 0;

/// Compares every rendition with the source. An error is the source's; a rendition's own stands in its
/// place among the results.
pub(crate) fn compare(request: Request<'_>) -> Result<Vec<PictureComparison>, TranscodeFault> {
    let Request { source, renditions, abandoned } = request;
    let reader = PictureReader { abandoned };
    let source = Segment::read(source)?;
    let renditions: Vec<_> =
        renditions.into_iter().map(|rendition| Rendition::read(rendition, &source)).collect();
    let middles = renditions.iter().flatten().map(|rendition| rendition.middle.source);
    let wanted = std::iter::once(FIRST).chain(middles).collect();
    let pictures = reader.read(&source.track, &wanted, None);
    // A picture of the source that can't be decoded tells nothing of a rendition.
    wanted.iter().try_for_each(|packet| pictures.get(*packet).map(drop))?;
    let first = pictures.get(FIRST)?;
    let mut comparisons = Vec::with_capacity(renditions.len());
    for rendition in renditions {
        comparisons.push(match rendition {
            Ok(rendition) => rendition.compare(&pictures, &reader)?,
            Err(fault) => PictureComparison::undecodable(first, fault, 0),
        });
    }
    reader.check_abandoned()?;
    Ok(comparisons)
}

/// One file, not yet decoded.
struct Segment {
    track: SourceTrack,
    timeline: Timeline,
}

impl Segment {
    fn read(file: Bytes) -> Result<Self, TranscodeFault> {
        let track = Source::read(&file, None)?.video;
        let timeline = Timeline::of(&track);
        let timeline = timeline
            .ok_or_else(|| fault(FaultCause::InvalidVideo, "the first picture has no time"))?;
        Ok(Self { track, timeline })
    }
}

/// One rendition as far as it is needed, not yet decoded.
struct Rendition {
    track: SourceTrack,
    middle: MiddlePair,
}

impl Rendition {
    fn read(file: Bytes, source: &Segment) -> Result<Self, TranscodeFault> {
        let Segment { mut track, timeline } = Segment::read(file)?;
        let middle = source.timeline.middle_pair(&timeline).ok_or_else(|| {
            fault(FaultCause::InvalidVideo, "no picture near the middle of the source")
        })?;
        track.packets.truncate(middle.rendition.saturating_add(1));
        Ok(Self { track, middle })
    }

    /// An error is the source's.
    fn compare(
        self,
        source: &Pictures,
        reader: &PictureReader<'_>,
    ) -> Result<PictureComparison, TranscodeFault> {
        let Self { track, middle } = self;
        let (first, source_middle) = (source.get(FIRST)?, source.get(middle.source)?);
        let pictures =
            reader.read(&track, &BTreeSet::from([FIRST, middle.rendition]), source.shape());
        let (own_first, own_middle) = match (pictures.get(FIRST), pictures.get(middle.rendition)) {
            (Ok(first), Ok(middle)) => (first, middle),
            (Err(fault), _) | (_, Err(fault)) => {
                return Ok(PictureComparison::undecodable(first, fault, pictures.decoded()));
            }
        };
        let measure =
            |source: &Thumbnail, own: &Thumbnail| PairMeasure::of(source.clone(), own.clone());
        let pairs = [measure(first, own_first), measure(source_middle, own_middle)];
        Ok(PictureComparison::worst_of(pairs, pictures.decoded()))
    }
}
