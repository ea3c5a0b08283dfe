//! A fragment: `moof` and `mdat`, samples by reference.

use bytes::Bytes;
use media::{Chain, Sample, Track, TrackId};
use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::CmafError;

const MDAT_HEADER_LEN: usize = 8;
/// `sample_depends_on` 2: a sync sample (ISO/IEC 14496-12 §8.8.3.1).
const SYNC_FLAGS: u32 = 0x0200_0000;
/// `sample_depends_on` 1, `sample_is_non_sync_sample`.
const NON_SYNC_FLAGS: u32 = 0x0101_0000;

/// One track's share of a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrackRun<'a> {
    pub(crate) track: TrackId,
    /// In ticks of the track's timescale.
    pub(crate) base_decode_time: u64,
    /// Added to every composition offset, in ticks.
    pub(crate) delay: u32,
    pub(crate) samples: &'a [Sample],
}

impl TrackRun<'_> {
    fn len(&self) -> usize {
        self.samples.iter().map(|sample| sample.payload.len()).sum()
    }
}

/// Writes a fragment: one piece with the `moof` box and the header of the `mdat` box, then every
/// sample's pieces by reference. `base_decode_time` is in ticks of the track's timescale.
///
/// # Errors
///
/// `NoSamples`; `TooLarge` above 4 GiB.
pub fn fragment(
    track: &Track,
    fragment_number: u32,
    base_decode_time: u64,
    samples: &[Sample],
) -> Result<Chain, CmafError> {
    fragment_of(
        fragment_number,
        &[TrackRun { track: track.id, base_decode_time, delay: 0, samples }],
    )
}

/// Writes a fragment of one or more tracks, the samples of each together, in the order of `runs`.
///
/// # Errors
///
/// `NoSamples` when a run has none; `TooLarge` above 4 GiB, or above 2 GiB before the last run.
pub(crate) fn fragment_of(fragment_number: u32, runs: &[TrackRun<'_>]) -> Result<Chain, CmafError> {
    if runs.iter().any(|run| run.samples.is_empty()) {
        return Err(CmafError::NoSamples);
    }
    let samples: usize = runs.iter().map(|run| run.samples.len()).sum();
    let lens: Vec<usize> = runs.iter().map(TrackRun::len).collect();
    let len = lens.iter().sum::<usize>();
    let too_large = || CmafError::TooLarge { len, samples };
    let mdat_len = u32::try_from(len.saturating_add(MDAT_HEADER_LEN)).map_err(|_| too_large())?;
    let traf = runs.iter().map(traf).collect::<Option<Vec<_>>>().ok_or_else(too_large)?;
    let moof = Moof { mfhd: Mfhd { sequence_number: fragment_number }, traf };
    let headers = headers(moof, samples, &lens, mdat_len)?.ok_or_else(too_large)?;
    let payloads = || runs.iter().flat_map(|run| run.samples).map(|sample| &sample.payload);
    let mut chain = Chain::with_capacity(1 + payloads().map(Chain::piece_count).sum::<usize>());
    chain.push(headers);
    for payload in payloads() {
        chain.append(payload);
    }
    Ok(chain)
}

/// A run's rows. What all samples share is said once, in `tfhd`. `None` where a size does not fit.
fn traf(run: &TrackRun<'_>) -> Option<Traf> {
    let samples = run.samples;
    let duration = common(samples, |sample| sample.duration);
    let flags = common(samples, flags);
    let offset = |sample: &Sample| i64::from(sample.composition_offset) + i64::from(run.delay);
    let reordered = samples.iter().any(|sample| offset(sample) != 0);
    let entry = |sample: &Sample| {
        Some(TrunEntry {
            duration: duration.is_none().then_some(sample.duration),
            size: Some(u32::try_from(sample.payload.len()).ok()?),
            flags: flags.is_none().then(|| self::flags(sample)),
            cts: reordered.then_some(offset(sample)),
        })
    };
    let entries: Vec<_> = samples.iter().map(entry).collect::<Option<_>>()?;
    Some(Traf {
        tfhd: Tfhd {
            track_id: run.track.0,
            default_sample_duration: duration,
            default_sample_flags: flags,
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt { base_media_decode_time: run.base_decode_time }),
        trun: vec![Trun { data_offset: Some(0), samples: entries.into() }],
        ..Traf::default()
    })
}

fn common(samples: &[Sample], value: impl Fn(&Sample) -> u32) -> Option<u32> {
    let first = samples.first().map(&value)?;
    samples.iter().all(|sample| value(sample) == first).then_some(first)
}

/// `moof` and the header of `mdat`; `lens` are the bytes of each track's samples. Data offsets depend
/// on the length of `moof`, which does not depend on their values: encoded twice. `None` where it does
/// not fit.
fn headers(
    mut moof: Moof,
    samples: usize,
    lens: &[usize],
    mdat_len: u32,
) -> Result<Option<Bytes>, CmafError> {
    let mut bytes = Vec::with_capacity(128 * lens.len() + 16 * samples);
    moof.encode(&mut bytes)?;
    let mut offset = bytes.len() + MDAT_HEADER_LEN;
    for (traf, len) in moof.traf.iter_mut().zip(lens) {
        let Ok(data_offset) = i32::try_from(offset) else { return Ok(None) };
        for run in &mut traf.trun {
            run.data_offset = Some(data_offset);
        }
        offset = offset.saturating_add(*len);
    }
    bytes.clear();
    moof.encode(&mut bytes)?;
    bytes.extend_from_slice(&mdat_len.to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    Ok(Some(Bytes::from(bytes)))
}

const fn flags(sample: &Sample) -> u32 {
    if sample.sync { SYNC_FLAGS } else { NON_SYNC_FLAGS }
}
