//! Which tracks, with which parameters, a run of segments has.

use std::{collections::VecDeque, sync::Arc};

use container::cmaf::{self, CmafError};
use media::{InitSegment, Track, TrackId, TrackKind};

/// CMAF headers remembered: a source that alternates between two scenes keeps two per track.
const KNOWN_MAX: usize = 8;

/// The tracks as the publisher announced them last.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    video: Option<Arc<InitSegment>>,
    audio: Option<Arc<InitSegment>>,
    known: VecDeque<Arc<InitSegment>>,
}

impl Announced {
    pub(crate) const fn video(&self) -> Option<&Arc<InitSegment>> {
        self.video.as_ref()
    }

    pub(crate) const fn audio(&self) -> Option<&Arc<InitSegment>> {
        self.audio.as_ref()
    }

    /// What the track with this id carries.
    pub(crate) fn kind(&self, id: TrackId) -> Option<TrackKind> {
        [&self.video, &self.audio]
            .into_iter()
            .flatten()
            .find(|init| init.track.id == id)
            .map(|init| init.track.kind())
    }

    /// A track is new or has new parameters; answers whether anything differs. Encoders that repeat
    /// their parameter sets change nothing (HLS rule B-1).
    ///
    /// # Errors
    /// When it can't be written as CMAF; its access units are then unknown.
    pub(crate) fn set(&mut self, track: Track) -> Result<bool, CmafError> {
        let kind = track.kind();
        let init = self.header(track);
        let place = match kind {
            TrackKind::Video => &mut self.video,
            TrackKind::Audio => &mut self.audio,
        };
        match init {
            Ok(init) => {
                let same = place.as_ref().is_some_and(|old| Arc::ptr_eq(old, &init));
                *place = Some(init);
                Ok(!same)
            }
            Err(error) => {
                *place = None;
                Err(error)
            }
        }
    }

    fn header(&mut self, track: Track) -> Result<Arc<InitSegment>, CmafError> {
        if let Some(known) = self.known.iter().find(|init| init.track == track) {
            return Ok(Arc::clone(known));
        }
        let init = Arc::new(cmaf::init_segment(&track)?);
        if self.known.len() == KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(Arc::clone(&init));
        Ok(init)
    }
}

/// A run of segments with the same tracks and parameters; a discontinuity lies between two of them.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// Pictures lead the cut; `None` in an audio-only run.
    pub(crate) video: Option<Arc<InitSegment>>,
    /// Set by the first audio frame, as long as no segment of the run is out.
    pub(crate) audio: Option<Arc<InitSegment>>,
    /// A segment of it is out: its tracks are final.
    pub(crate) published: bool,
}

impl Epoch {
    pub(crate) const fn of_video(video: Arc<InitSegment>, audio: Option<Arc<InitSegment>>) -> Self {
        Self { video: Some(video), audio, published: false }
    }

    pub(crate) const fn of_audio(audio: Arc<InitSegment>) -> Self {
        Self { video: None, audio: Some(audio), published: false }
    }
}

/// Whether both are the same header, or both missing.
pub(crate) fn same_header(a: Option<&Arc<InitSegment>>, b: Option<&Arc<InitSegment>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
