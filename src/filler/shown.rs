//! What a stream's viewers have been shown, as far as filler depends on it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use container::{aac, opus};
use media::{
    Chain, CodecParameters, InitSegment, MediaDuration, PresentationSegment, RenditionName,
    RenditionOutcome, Segment, Timescale, TrackKind, TrackSegment,
};
use segmenter::{Filler, FillerSound, FillerTrack};

use super::{FillerOrder, PictureOrder};

/// Segments since the last that begins with a key frame; only a GOP that was cut has more than one.
const SEGMENTS_MAX: usize = 8;
/// How much media they are: all of it is decoded for its last picture, while other streams wait.
const LENGTH_MAX: Duration = Duration::from_secs(10);
/// Most of a rendition's bits per second are known to be at least so many.
const BITRATE_MIN: u64 = 300_000;

/// The segments with the last picture, and every rendition's newest header.
#[derive(Debug, Default)]
pub(super) struct Shown {
    last: Vec<Arc<TrackSegment>>,
    /// One was left out behind them: what comes after it doesn't decode either.
    cut_off: bool,
    renditions: BTreeMap<Place, Rendition>,
}

/// Where a rendition is found in a segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Video,
    Audio,
    Named(String),
}

#[derive(Debug)]
struct Rendition {
    name: Option<RenditionName>,
    init: Arc<InitSegment>,
    /// Bits per second of the most expensive segment under this header.
    bitrate: u64,
}

impl Shown {
    /// The publisher's media have come this far.
    pub(super) fn cut(&mut self, segment: &Segment) {
        let Some(track) = segment.to_transcode() else {
            // Whose picture it was is not on screen any more, or the camera is off.
            self.last.clear();
            return;
        };
        let goes_on = self.last.last().is_some_and(|last| Arc::ptr_eq(&last.init, &track.init));
        if segment.independent || !goes_on {
            self.last.clear();
            self.cut_off = false;
        }
        if self.last.is_empty() {
            // Without its key frame nothing decodes.
            self.last.extend(segment.independent.then(|| Arc::clone(track)));
            return;
        }
        // A picture that is a little older is better than none.
        let length: MediaDuration = self.last.iter().map(|it| it.duration()).sum();
        let longer = length.to_std().saturating_add(track.duration().to_std());
        self.cut_off |= self.last.len() >= SEGMENTS_MAX || longer > LENGTH_MAX;
        if !self.cut_off {
            self.last.push(Arc::clone(track));
        }
    }

    /// Viewers have this from now on.
    pub(super) fn listed(&mut self, segment: &PresentationSegment) {
        let source = &segment.source;
        let duration = source.duration;
        if !source.is_gap() {
            self.renditions.retain(|place, _| match place {
                Place::Video | Place::Audio => true,
                Place::Named(name) => lists(segment, name),
            });
        }
        if let Some(video) = &source.video {
            self.note(Place::Video, None, video, duration);
        }
        if let Some(audio) = &source.audio {
            self.note(Place::Audio, None, audio, duration);
        }
        let transcoded =
            segment.renditions.iter().filter_map(|rendition| match &rendition.outcome {
                RenditionOutcome::Media(track) => Some((&rendition.name, track)),
                RenditionOutcome::Gap(_) => None,
            });
        let ready_made =
            source.ready_made.iter().filter_map(|it| Some((&it.name, it.media.as_ref()?)));
        for (name, track) in transcoded.chain(ready_made) {
            self.note(Place::Named(name.to_string()), Some(name), track, duration);
        }
    }

    fn note(
        &mut self,
        place: Place,
        name: Option<&RenditionName>,
        track: &Arc<TrackSegment>,
        duration: MediaDuration,
    ) {
        let bitrate = bits_per_second(track.body_len(), duration);
        let init = &track.init;
        match self.renditions.get_mut(&place) {
            Some(known) if known.init.bytes == init.bytes => {
                known.bitrate = known.bitrate.max(bitrate);
            }
            _ => {
                let rendition = Rendition { name: name.cloned(), init: Arc::clone(init), bitrate };
                self.renditions.insert(place, rendition);
            }
        }
    }

    /// What has to be made to fill stand-ins of `length`; `None` when there is nothing.
    /// Without a last picture and a slate, it is sound only.
    pub(super) fn order(&self, length: Duration, slate: Option<PathBuf>) -> Option<FillerOrder> {
        let mut pictures = Vec::new();
        let mut silence = Filler::default();
        for (place, rendition) in &self.renditions {
            if rendition.init.track.kind() == TrackKind::Video {
                if self.last.is_empty() && slate.is_none() {
                    continue;
                }
                pictures.push(PictureOrder {
                    name: rendition.name.clone(),
                    init: Arc::clone(&rendition.init),
                    bitrate: u32::try_from(rendition.bitrate.max(BITRATE_MIN)).unwrap_or(u32::MAX),
                });
            } else if let Some(sound) = silent(&rendition.init) {
                match (place, &rendition.name) {
                    (Place::Audio, _) => silence.audio = Some(sound),
                    (_, Some(name)) => {
                        silence.ready_made.push((name.clone(), FillerTrack::Sound(sound)));
                    }
                    (_, None) => {}
                }
            }
        }
        let heard = silence.audio.is_some() || !silence.ready_made.is_empty();
        let nothing = pictures.is_empty() && !heard;
        (!nothing).then(|| FillerOrder { last: self.file(), slate, pictures, length, silence })
    }

    /// The segments with the last picture as one file, by reference.
    fn file(&self) -> Chain {
        let init = self.last.first().map(|first| first.init.bytes.clone());
        let bodies = self.last.iter().flat_map(|segment| segment.body().cloned());
        init.into_iter().chain(bodies).collect()
    }
}

/// Whether the segment has a rendition of that name, be it a gap.
fn lists(segment: &PresentationSegment, name: &str) -> bool {
    let mut ready_made = segment.source.ready_made.iter();
    ready_made.any(|it| it.name.as_str() == name)
        || segment.renditions.iter().any(|it| it.name.as_str() == name)
}

/// Silence under the header of what it stands in for; `None` where its channels are laid out in a way of
/// their own.
fn silent(init: &Arc<InitSegment>) -> Option<FillerSound> {
    let frame: Bytes = match &init.track.parameters {
        CodecParameters::Aac(parameters) => aac::silent_frame(parameters)?,
        CodecParameters::Opus(parameters) => opus::silent_packet(parameters)?,
        CodecParameters::H264(_) | CodecParameters::Hevc(_) | CodecParameters::Av1(_) => {
            return None;
        }
    };
    Some(FillerSound { init: Arc::clone(init), frame: Chain::from(frame) })
}

fn bits_per_second(bytes: usize, duration: MediaDuration) -> u64 {
    let ticks = u128::from(duration.rescale(Timescale::VIDEO).ticks()).max(1);
    let bits = u128::try_from(bytes).unwrap_or(0) * 8 * u128::from(Timescale::VIDEO.get());
    u64::try_from(bits / ticks).unwrap_or(u64::MAX)
}
