//! What is shown and heard while there is no media: the same samples again and again, under new times.

use std::sync::Arc;

use media::{Chain, InitSegment, RenditionName, Sample, Timescale, Timestamp, TrackKind};

/// A picture that stands still and silence, for every rendition that had media.
#[derive(Clone, Debug, Default)]
pub struct Filler {
    /// For the source's video.
    pub video: Option<FillerPictures>,
    /// For its audio. Every stand-in ends where one of its frames does.
    pub audio: Option<FillerSound>,
    /// For what else is listed: rungs of the ladder, further layers and audio tracks, under their names.
    pub ready_made: Vec<(RenditionName, FillerTrack)>,
}

/// One rendition's filler.
#[derive(Clone, Debug)]
pub enum FillerTrack {
    /// Of a video rendition.
    Pictures(FillerPictures),
    /// Of an audio rendition.
    Sound(FillerSound),
}

/// Coded pictures; each stand-in begins with the first.
#[derive(Clone, Debug)]
pub struct FillerPictures {
    /// Their header; its timescale is 90 kHz.
    pub init: Arc<InitSegment>,
    /// In the order of decoding and showing. The first decodes by itself. Without one, there is no media.
    pub pictures: Vec<Chain>,
    /// How long each is shown, in ticks of 90 kHz, more or less: they last as long as a stand-in together.
    pub interval: u32,
}

/// A frame of silence.
#[derive(Clone, Debug)]
pub struct FillerSound {
    /// The header of the audio it stands in for.
    pub init: Arc<InitSegment>,
    /// The frame; it lasts what the header's frames do.
    pub frame: Chain,
}

impl FillerPictures {
    /// Pictures for `length` ticks of 90 kHz, evenly.
    pub(crate) fn samples(&self, length: u64) -> Vec<Sample> {
        let interval = u64::from(self.interval.max(1));
        let available = u64::try_from(self.pictures.len()).unwrap_or(u64::MAX);
        // Shorter than a tick they can't be.
        let count = ((length + interval / 2) / interval).max(1).min(available).min(length);
        let pictures = self.pictures.iter().zip(0..count);
        let samples = pictures.map(|(picture, index)| {
            let begin = length * index / count;
            let end = length * (index + 1) / count;
            Sample {
                duration: u32::try_from(end - begin).unwrap_or(u32::MAX),
                composition_offset: 0,
                sync: index == 0,
                payload: picture.clone(),
            }
        });
        samples.collect()
    }
}

impl FillerSound {
    /// Samples of a frame, and how many there are in a second; `None` where the header is no sound's.
    fn frame(&self) -> Option<(u32, Timescale)> {
        let sound = self.init.track.parameters.sound()?;
        Some((sound.frame_samples.max(1), self.init.track.timescale))
    }

    /// Frames that end nearest to `ticks` of 90 kHz after the first began.
    fn frames_until(&self, ticks: i64) -> u64 {
        let Some((samples, timescale)) = self.frame() else { return 0 };
        let ticks = u128::try_from(ticks).unwrap_or(0);
        let frame = u128::from(samples) * u128::from(Timescale::VIDEO.get());
        let frames = (ticks * u128::from(timescale.get()) + frame / 2) / frame;
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// How long so many frames last, in ticks of 90 kHz.
    fn ticks_of(&self, frames: u64) -> i64 {
        let Some((samples, timescale)) = self.frame() else { return 0 };
        let samples = i64::try_from(frames.saturating_mul(samples.into())).unwrap_or(i64::MAX);
        Timestamp::new(samples, timescale).rescale(Timescale::VIDEO).ticks()
    }
}

/// One track's samples for a stand-in.
#[derive(Debug)]
pub(crate) struct FillerRun<'a> {
    pub(crate) init: &'a Arc<InitSegment>,
    /// Decoding time of the first, in ticks of the track's timescale.
    pub(crate) begin: i64,
    pub(crate) samples: Vec<Sample>,
}

/// Filler from where it begins on, until media are back.
#[derive(Debug)]
pub(crate) struct FillerLine {
    filler: Filler,
    /// Where it began, in ticks of 90 kHz; `None` before the first stand-in.
    start: Option<i64>,
    /// Where the stand-ins so far should have ended.
    nominal: i64,
}

impl FillerLine {
    pub(crate) const fn new(filler: Filler) -> Self {
        Self { filler, start: None, nominal: 0 }
    }

    /// Where a stand-in ends that begins at `start` and should be `length` long: where a frame of silence
    /// does, so that both tracks end together, and no later than `latest`. All in ticks of 90 kHz. Also
    /// whether it is the first.
    pub(crate) fn next(&mut self, start: i64, length: i64, latest: i64) -> (i64, bool) {
        let first = self.start.is_none();
        if first {
            self.nominal = start;
        }
        let line = *self.start.get_or_insert(start);
        self.nominal = self.nominal.saturating_add(length);
        let Some(sound) = &self.filler.audio else { return (start.saturating_add(length), first) };
        let at = |frames: u64| line.saturating_add(sound.ticks_of(frames));
        let before = sound.frames_until(start.saturating_sub(line));
        let mut frames = sound.frames_until(self.nominal.saturating_sub(line)).max(before + 1);
        while frames > before + 1 && at(frames) > latest {
            frames -= 1;
        }
        (at(frames).max(start.saturating_add(1)), first)
    }

    /// The source's pictures between two places of the line.
    pub(crate) fn video(&self, start: i64, end: i64) -> Option<FillerRun<'_>> {
        self.filler.video.as_ref().and_then(|pictures| pictures_between(pictures, start, end))
    }

    /// The source's silence between two places of the line.
    pub(crate) fn audio(&self, start: i64, end: i64) -> Option<FillerRun<'_>> {
        self.filler.audio.as_ref().and_then(|sound| self.sound_between(sound, start, end))
    }

    /// The other renditions between two places of the line.
    pub(crate) fn ready_made(
        &self,
        start: i64,
        end: i64,
    ) -> impl Iterator<Item = (&RenditionName, Option<FillerRun<'_>>)> {
        self.filler.ready_made.iter().map(move |(name, track)| {
            let stretch = match track {
                FillerTrack::Pictures(pictures) => pictures_between(pictures, start, end),
                FillerTrack::Sound(sound) => self.sound_between(sound, start, end),
            };
            (name, stretch)
        })
    }

    /// Frames follow one another over all stand-ins: a decoder hears no seam.
    fn sound_between<'a>(
        &self,
        sound: &'a FillerSound,
        start: i64,
        end: i64,
    ) -> Option<FillerRun<'a>> {
        let (frame, timescale) = sound.frame()?;
        let line = self.start?;
        let first = sound.frames_until(start.saturating_sub(line));
        let count = sound.frames_until(end.saturating_sub(line)).saturating_sub(first);
        let sample = Sample {
            duration: frame,
            composition_offset: 0,
            sync: true,
            payload: sound.frame.clone(),
        };
        let samples = vec![sample; usize::try_from(count).ok()?];
        let before = i64::try_from(first.saturating_mul(frame.into())).ok()?;
        let line = Timestamp::new(line, Timescale::VIDEO).rescale(timescale).ticks();
        let begin = line.saturating_add(before);
        (!samples.is_empty()).then_some(FillerRun { init: &sound.init, begin, samples })
    }
}

fn pictures_between(pictures: &FillerPictures, start: i64, end: i64) -> Option<FillerRun<'_>> {
    let length = u64::try_from(end.saturating_sub(start)).ok()?;
    let init = &pictures.init;
    let usable = init.track.kind() == TrackKind::Video && init.track.timescale == Timescale::VIDEO;
    let samples = pictures.samples(length);
    (usable && !samples.is_empty()).then_some(FillerRun { init, begin: start, samples })
}
