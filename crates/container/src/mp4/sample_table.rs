//! The samples that `moov` lists (ISO/IEC 14496-12 §8.6, §8.7).

use mp4_atom::{Co64, Ctts, CttsEntry, Stco, Stsc, StscEntry, Stsz, StszSamples, Stts, SttsEntry};

use super::{
    Mp4Error,
    boxes::Boxes,
    samples::{Budget, SampleList, SampleSpan, signed_offset},
};

/// Lists a track's samples.
///
/// # Errors
///
/// `SampleTable`, `ParametersChanged`, `TooManySamples`, `SamplesOverlap`, `DecodingTime`, and those of
/// malformed boxes.
pub(super) fn read(
    file: &[u8],
    track: u32,
    tables: &Boxes,
    samples: &mut SampleList,
    budget: &mut Budget,
) -> Result<(), Mp4Error> {
    let sizes = tables.get(b"stsz")?.decode::<Stsz>(file)?.samples;
    let count = match &sizes {
        StszSamples::Identical { count, .. } => usize::try_from(*count).unwrap_or(usize::MAX),
        StszSamples::Different { sizes } => sizes.len(),
    };
    if count == 0 {
        return Ok(());
    }
    budget.take_samples(count)?;
    let fault = |reason| Mp4Error::SampleTable { track, reason };
    let mut durations = Durations::new(tables.get(b"stts")?.decode::<Stts>(file)?);
    let offsets = tables.find(b"ctts").map(|ctts| ctts.decode::<Ctts>(file)).transpose()?;
    let mut offsets = CompositionOffsets::new(offsets);
    let mut places = Places::new(file, track, tables)?;
    let mut dts = 0_u64;
    for index in 0..count {
        let size = match &sizes {
            StszSamples::Identical { size, .. } => *size,
            StszSamples::Different { sizes } => sizes.get(index).copied().unwrap_or(0),
        };
        let duration = durations.next().ok_or_else(|| fault("stts ends before the samples do"))?;
        let composition_offset =
            offsets.next().ok_or_else(|| fault("ctts ends before the samples do"))?;
        let offset =
            places.next(size)?.ok_or_else(|| fault("the chunks end before the samples do"))?;
        let span = SampleSpan { offset, size, dts, composition_offset };
        samples.push(span, duration, budget)?;
        dts = samples.end;
    }
    Ok(())
}

/// Sample durations, one by one.
struct Durations {
    rows: std::vec::IntoIter<SttsEntry>,
    current: SttsEntry,
}

impl Durations {
    fn new(stts: Stts) -> Self {
        Self { rows: stts.entries.into_iter(), current: SttsEntry::default() }
    }

    fn next(&mut self) -> Option<u32> {
        while self.current.sample_count == 0 {
            self.current = self.rows.next()?;
        }
        self.current.sample_count -= 1;
        Some(self.current.sample_delta)
    }
}

/// Composition offsets, one by one; all zero without a table.
struct CompositionOffsets {
    rows: Option<std::vec::IntoIter<CttsEntry>>,
    current: CttsEntry,
}

impl CompositionOffsets {
    fn new(ctts: Option<Ctts>) -> Self {
        let rows = ctts.map(|ctts| ctts.entries.into_iter());
        Self { rows, current: CttsEntry::default() }
    }

    fn next(&mut self) -> Option<i64> {
        let Some(rows) = &mut self.rows else { return Some(0) };
        while self.current.sample_count == 0 {
            self.current = rows.next()?;
        }
        self.current.sample_count -= 1;
        Some(signed_offset(self.current.sample_offset))
    }
}

/// Where samples lie, one by one.
struct Places {
    track: u32,
    chunks: std::vec::IntoIter<u64>,
    rows: std::iter::Peekable<std::vec::IntoIter<StscEntry>>,
    /// Number of the current chunk, from 1.
    chunk: u32,
    samples_per_chunk: u32,
    /// Samples left in the current chunk.
    left: u32,
    offset: u64,
}

impl Places {
    fn new(file: &[u8], track: u32, tables: &Boxes) -> Result<Self, Mp4Error> {
        let chunks = match tables.find(b"co64") {
            Some(co64) => co64.decode::<Co64>(file)?.entries,
            None => {
                let stco = tables.get(b"stco")?.decode::<Stco>(file)?;
                stco.entries.into_iter().map(u64::from).collect()
            }
        };
        let rows = tables.get(b"stsc")?.decode::<Stsc>(file)?.entries;
        Ok(Self {
            track,
            chunks: chunks.into_iter(),
            rows: rows.into_iter().peekable(),
            chunk: 0,
            samples_per_chunk: 0,
            left: 0,
            offset: 0,
        })
    }

    /// The offset of the next sample, which has `size` bytes; `None` after the last chunk.
    fn next(&mut self, size: u32) -> Result<Option<u64>, Mp4Error> {
        while self.left == 0 {
            let Some(offset) = self.chunks.next() else { return Ok(None) };
            (self.offset, self.chunk) = (offset, self.chunk.saturating_add(1));
            let chunk = self.chunk;
            while let Some(row) = self.rows.next_if(|row| row.first_chunk <= chunk) {
                self.samples_per_chunk = row.samples_per_chunk;
                let index = row.sample_description_index;
                if index != 1 {
                    return Err(Mp4Error::ParametersChanged { track: self.track, index });
                }
            }
            self.left = self.samples_per_chunk;
        }
        self.left -= 1;
        let offset = self.offset;
        self.offset = offset.saturating_add(u64::from(size));
        Ok(Some(offset))
    }
}
