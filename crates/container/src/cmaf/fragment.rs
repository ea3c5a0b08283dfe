//! A fragment: `moof` and `mdat`, samples by reference.

use bytes::Bytes;
use media::{Chain, Sample, Track};
use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::CmafError;

const MDAT_HEADER_LEN: usize = 8;
/// `sample_depends_on` 2: a sync sample (ISO/IEC 14496-12 §8.8.3.1).
const SYNC_FLAGS: u32 = 0x0200_0000;
/// `sample_depends_on` 1, `sample_is_non_sync_sample`.
const NON_SYNC_FLAGS: u32 = 0x0101_0000;

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
    if samples.is_empty() {
        return Err(CmafError::NoSamples);
    }
    let len: usize = samples.iter().map(|sample| sample.payload.len()).sum();
    let too_large = || CmafError::TooLarge { len, samples: samples.len() };
    let mdat_len = u32::try_from(len.saturating_add(MDAT_HEADER_LEN)).map_err(|_| too_large())?;
    let mut traf = run(track, samples).ok_or_else(too_large)?;
    traf.tfdt = Some(Tfdt { base_media_decode_time: base_decode_time });
    let moof = Moof { mfhd: Mfhd { sequence_number: fragment_number }, traf: vec![traf] };
    let headers = headers(moof, samples.len(), mdat_len)?.ok_or_else(too_large)?;
    let pieces: usize = samples.iter().map(|sample| sample.payload.piece_count()).sum();
    let mut chain = Chain::with_capacity(1 + pieces);
    chain.push(headers);
    for sample in samples {
        chain.append(&sample.payload);
    }
    Ok(chain)
}

/// The samples' rows. What all samples share is said once, in `tfhd`. `None` where a size does not
/// fit.
fn run(track: &Track, samples: &[Sample]) -> Option<Traf> {
    let duration = common(samples, |sample| sample.duration);
    let flags = common(samples, flags);
    let reordered = samples.iter().any(|sample| sample.composition_offset != 0);
    let entry = |sample: &Sample| {
        Some(TrunEntry {
            duration: duration.is_none().then_some(sample.duration),
            size: Some(u32::try_from(sample.payload.len()).ok()?),
            flags: flags.is_none().then(|| self::flags(sample)),
            cts: reordered.then_some(sample.composition_offset.into()),
        })
    };
    let entries: Vec<_> = samples.iter().map(entry).collect::<Option<_>>()?;
    Some(Traf {
        tfhd: Tfhd {
            track_id: track.id.0,
            default_sample_duration: duration,
            default_sample_flags: flags,
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        trun: vec![Trun { data_offset: Some(0), samples: entries.into() }],
        ..Traf::default()
    })
}

fn common(samples: &[Sample], value: impl Fn(&Sample) -> u32) -> Option<u32> {
    let first = samples.first().map(&value)?;
    samples.iter().all(|sample| value(sample) == first).then_some(first)
}

/// `moof` and the header of `mdat`. The data offset depends on the length of `moof`, which does not
/// depend on its value: encoded twice. `None` where it does not fit.
fn headers(mut moof: Moof, samples: usize, mdat_len: u32) -> Result<Option<Bytes>, CmafError> {
    let mut bytes = Vec::with_capacity(128 + 16 * samples);
    moof.encode(&mut bytes)?;
    let Ok(data_offset) = i32::try_from(bytes.len() + MDAT_HEADER_LEN) else { return Ok(None) };
    for run in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun) {
        run.data_offset = Some(data_offset);
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
