//! The samples that fragments list (ISO/IEC 14496-12 §8.8).

use mp4_atom::{Tfdt, Tfhd, Trex, Trun, TrunEntry};

use super::{
    Mp4Error,
    boxes::{BoxSpan, Boxes},
    movie::Movie,
    samples::{SampleSpan, signed_offset},
};

/// Lists the samples of a `moof` box.
///
/// # Errors
///
/// `ParametersChanged`, `TooManySamples`, `SamplesOverlap`, `DecodingTime`, `SampleTable`, and those of
/// malformed boxes.
pub(super) fn read(file: &[u8], moof: &BoxSpan, movie: &mut Movie) -> Result<(), Mp4Error> {
    let boxes = moof.children(file, 0)?;
    let start = u64::try_from(moof.position).unwrap_or(u64::MAX);
    // Without any base, data follow the moof's start, then those of the track before (§8.8.7.1).
    let mut after_last = start;
    for traf in boxes.of(b"traf") {
        let boxes = traf.children(file, 0)?;
        let tfhd = boxes.get(b"tfhd")?.decode::<Tfhd>(file)?;
        let base = match tfhd.base_data_offset {
            Some(offset) => offset,
            None if tfhd.default_base_is_moof => start,
            None => after_last,
        };
        after_last = read_track(file, &boxes, &tfhd, base, movie)?;
    }
    Ok(())
}

/// Lists the samples of a `traf` box; answers where their data end.
fn read_track(
    file: &[u8],
    boxes: &Boxes,
    tfhd: &Tfhd,
    base: u64,
    movie: &mut Movie,
) -> Result<u64, Mp4Error> {
    let id = tfhd.track_id;
    let defaults = Defaults::new(tfhd, movie.defaults.iter().find(|trex| trex.track_id == id));
    let mut track = movie.tracks.iter_mut().find(|track| track.id == id);
    if track.is_some() && defaults.description > 1 {
        return Err(Mp4Error::ParametersChanged { track: id, index: defaults.description });
    }
    let mut dts = match boxes.find(b"tfdt") {
        Some(tfdt) => tfdt.decode::<Tfdt>(file)?.base_media_decode_time,
        None => track.as_ref().map_or(0, |track| track.samples.end),
    };
    let mut place = base;
    for trun in boxes.of(b"trun") {
        let run = trun.decode::<Trun>(file)?;
        movie.budget.take_samples(run.samples.len())?;
        if let Some(offset) = run.data_offset {
            let moved = base.checked_add_signed(i64::from(offset));
            let reason = "a data offset points before the file";
            place = moved.ok_or(Mp4Error::SampleTable { track: id, reason })?;
        }
        for entry in &run.samples {
            let (size, duration) = (defaults.size(&entry), defaults.duration(&entry));
            if let Some(track) = &mut track {
                let composition_offset = signed_offset(entry.cts.unwrap_or(0));
                let span = SampleSpan { offset: place, size, dts, composition_offset };
                track.samples.push(span, duration, &mut movie.budget)?;
                dts = track.samples.end;
            }
            place = place.saturating_add(u64::from(size));
        }
    }
    Ok(place)
}

/// What holds where a run says nothing: `tfhd`, then `trex`.
struct Defaults {
    duration: u32,
    size: u32,
    /// Sample entry, from 1.
    description: u32,
}

impl Defaults {
    fn new(tfhd: &Tfhd, trex: Option<&Trex>) -> Self {
        let or = |own: Option<u32>, default: fn(&Trex) -> u32| {
            own.unwrap_or_else(|| trex.map_or(0, default))
        };
        Self {
            duration: or(tfhd.default_sample_duration, |trex| trex.default_sample_duration),
            size: or(tfhd.default_sample_size, |trex| trex.default_sample_size),
            description: or(tfhd.sample_description_index, |trex| {
                trex.default_sample_description_index
            }),
        }
    }

    fn size(&self, entry: &TrunEntry) -> u32 {
        entry.size.unwrap_or(self.size)
    }

    fn duration(&self, entry: &TrunEntry) -> u32 {
        entry.duration.unwrap_or(self.duration)
    }
}
