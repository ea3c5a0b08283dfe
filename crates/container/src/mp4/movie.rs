//! `moov`: the tracks and what holds for all of their samples.

use bytes::Bytes;
use media::{Timescale, TrackKind};
use mp4_atom::{Elst, Mdhd, Mvhd, Tkhd, Trex};

use super::{
    BoxType, Mp4Error,
    boxes::{BoxSpan, Boxes},
    sample_entry::{self, SampleEntry},
    sample_table,
    samples::{Budget, SampleList},
};
use crate::demuxed::DemuxedTrack;

/// Tracks that are looked at.
const MAX_TRACKS: usize = 64;

/// The tracks to read, one video and one audio at most.
#[derive(Debug)]
pub(super) struct Movie {
    pub(super) tracks: Vec<MovieTrack>,
    pub(super) defaults: Vec<Trex>,
    pub(super) budget: Budget,
}

/// A track to read.
#[derive(Debug)]
pub(super) struct MovieTrack {
    pub(super) id: u32,
    timescale: Timescale,
    entry: SampleEntry,
    /// Its sample tables.
    tables: Boxes,
    /// What an edit list adds to every time, in ticks.
    shift: i64,
    pub(super) samples: SampleList,
}

impl Movie {
    /// Reads `moov` without the sample tables.
    ///
    /// # Errors
    ///
    /// `NoMedia`, `UnsupportedVideo`, `Parameters`, and those of malformed boxes and parameters.
    pub(super) fn read(file: &Bytes, moov: &BoxSpan) -> Result<Self, Mp4Error> {
        let boxes = moov.children(file, 0)?;
        let movie_timescale = boxes.get(b"mvhd")?.decode::<Mvhd>(file)?.timescale;
        let mut tracks: Vec<MovieTrack> = Vec::new();
        let mut foreign = None;
        for (index, trak) in boxes.of(b"trak").enumerate() {
            if index == MAX_TRACKS {
                return Err(Mp4Error::TooManyTracks { limit: MAX_TRACKS });
            }
            match MovieTrack::read(file, trak, movie_timescale)? {
                Found::Track(track) => {
                    if tracks.iter().all(|known| known.kind() != track.kind()) {
                        tracks.push(track);
                    }
                }
                Found::ForeignVideo(codec) => foreign = foreign.or(Some(codec)),
                Found::Other => {}
            }
        }
        if tracks.iter().all(|track| track.kind() != TrackKind::Video)
            && let Some(codec) = foreign
        {
            return Err(Mp4Error::UnsupportedVideo { codec });
        }
        if tracks.is_empty() {
            return Err(Mp4Error::NoMedia);
        }
        let defaults = defaults(file, &boxes)?;
        Ok(Self { tracks, defaults, budget: Budget::new(file.len()) })
    }

    /// Lists the samples that `moov` itself lists.
    ///
    /// # Errors
    ///
    /// `SampleTable`, `ParametersChanged`, and the bounds.
    pub(super) fn read_sample_tables(&mut self, file: &[u8]) -> Result<(), Mp4Error> {
        for track in &mut self.tracks {
            sample_table::read(
                file,
                track.id,
                &track.tables,
                &mut track.samples,
                &mut self.budget,
            )?;
        }
        Ok(())
    }

    pub(super) fn into_tracks(self) -> Vec<MovieTrack> {
        self.tracks
    }
}

/// What each track's fragments leave out (`trex`).
fn defaults(file: &[u8], moov: &Boxes) -> Result<Vec<Trex>, Mp4Error> {
    let Some(mvex) = moov.find(b"mvex") else { return Ok(Vec::new()) };
    let boxes = mvex.children(file, 0)?;
    let defaults = boxes.of(b"trex").take(MAX_TRACKS).map(|trex| trex.decode(file));
    defaults.collect()
}

enum Found {
    Track(MovieTrack),
    ForeignVideo(BoxType),
    Other,
}

impl MovieTrack {
    fn read(file: &Bytes, trak: &BoxSpan, movie_timescale: u32) -> Result<Found, Mp4Error> {
        let boxes = trak.children(file, 0)?;
        let id = boxes.get(b"tkhd")?.decode::<Tkhd>(file)?.track_id;
        let mdia = boxes.get(b"mdia")?.children(file, 0)?;
        let minf = mdia.get(b"minf")?.children(file, 0)?;
        let tables = minf.get(b"stbl")?.children(file, 0)?;
        let entry = match sample_entry::read(file, tables.get(b"stsd")?, id)? {
            sample_entry::Found::Entry(entry) => entry,
            sample_entry::Found::ForeignVideo(codec) => return Ok(Found::ForeignVideo(codec)),
            sample_entry::Found::Other => return Ok(Found::Other),
        };
        let timescale = mdia.get(b"mdhd")?.decode::<Mdhd>(file)?.timescale;
        let timescale = Timescale::new(timescale).ok_or(Mp4Error::Timescale { track: id })?;
        let shift = match boxes.find(b"edts") {
            Some(edts) => edit_shift(file, edts, timescale, movie_timescale)?,
            None => 0,
        };
        Ok(Found::Track(Self { id, timescale, entry, tables, shift, samples: SampleList::new(id) }))
    }

    pub(super) const fn kind(&self) -> TrackKind {
        self.entry.parameters.kind()
    }

    /// Its samples; `None` where it has none.
    ///
    /// # Errors
    ///
    /// `SampleOutside`, `Sample`, `Parameters`.
    pub(super) fn into_samples(self, file: &Bytes) -> Result<Option<DemuxedTrack>, Mp4Error> {
        let samples = self.samples.slice(file, self.entry.coding, self.shift)?;
        let Some(first) = samples.first() else { return Ok(None) };
        let parameters = self.entry.parameters_with(&first.payload);
        let parameters =
            parameters.map_err(|source| Mp4Error::Parameters { track: self.id, source })?;
        Ok(Some(DemuxedTrack { parameters, timescale: self.timescale, samples }))
    }
}

/// What an edit list adds to every time (§8.6.6): empty edits in front delay the track, and the first
/// other one says which media time is shown first.
fn edit_shift(
    file: &[u8],
    edts: &BoxSpan,
    timescale: Timescale,
    movie_timescale: u32,
) -> Result<i64, Mp4Error> {
    let boxes = edts.children(file, 0)?;
    let Some(elst) = boxes.find(b"elst") else { return Ok(0) };
    let mut empty = 0_u64;
    for edit in elst.decode::<Elst>(file)?.entries {
        let Some(media_time) = edit.media_time else {
            empty = empty.saturating_add(edit.segment_duration);
            continue;
        };
        let delay =
            u128::from(empty) * u128::from(timescale.get()) / u128::from(movie_timescale.max(1));
        let delay = i64::try_from(delay).unwrap_or(i64::MAX);
        return Ok(delay.saturating_sub(i64::try_from(media_time).unwrap_or(i64::MAX)));
    }
    Ok(0)
}
