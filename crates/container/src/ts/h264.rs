//! H.264 in PES packets: access units, parameter sets, times.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use media::{Chain, CodecParameters, Timescale};

use super::{
    TsError,
    elementary::{ElementaryStream, PesUnit, Times, check_order},
};
use crate::{
    avc,
    demuxed::{DemuxedSample, DemuxedTrack},
};

/// NAL units in a file: 300 s at 60 pictures a second have room for 58 in each picture.
const MAX_NALUS: usize = 1 << 20;
/// Length prefixes cut from one allocation.
const LENGTHS_LEN: usize = 4096;

const NALU_IDR: u8 = 5;
const NALU_SPS: u8 = 7;
const NALU_PPS: u8 = 8;
const NALU_DELIMITER: u8 = 9;
const NALU_FILLER: u8 = 12;

/// The video track of a stream; `None` where no PES packet holds a picture.
///
/// A PES packet starts an access unit, and an access unit delimiter inside it another. The pictures
/// after the first of a PES packet have no times of their own: they share evenly the time until the
/// next PES packet.
///
/// # Errors
///
/// `Pes`, `MissingTimestamp`, `DecodingTimeWentBack`, `TooManyUnits`, `NoParameterSets`,
/// `ParameterSets`, `ParametersChanged`.
pub(super) fn track(
    stream: ElementaryStream,
    reference: i64,
) -> Result<Option<DemuxedTrack>, TsError> {
    let mut splitter = Splitter::default();
    let mut samples: Vec<DemuxedSample> = Vec::with_capacity(stream.units.len());
    let mut units = stream.timed(reference).peekable();
    while let Some((unit, times)) = units.next() {
        let pictures = splitter.split(unit)?;
        if pictures.is_empty() {
            continue;
        }
        let missing = TsError::MissingTimestamp { position: unit.position };
        let Some(times) = times else { return Err(missing) };
        let next = units.peek().and_then(|(_, times)| *times);
        let last = samples.last().map(|sample| sample.dts);
        let Some(spacing) = spacing(times, next, last, pictures.len()) else { return Err(missing) };
        for (index, picture) in (0_i64..).zip(pictures) {
            let later = spacing.saturating_mul(index);
            let dts = times.dts.saturating_add(later);
            check_order(samples.last().map(|sample| sample.dts), dts, unit.position)?;
            samples.push(DemuxedSample {
                dts,
                pts: times.pts.saturating_add(later),
                random_access: picture.idr,
                payload: picture.payload,
            });
        }
    }
    if samples.is_empty() {
        return Ok(None);
    }
    let parameters = splitter.sets.finish()?;
    Ok(Some(DemuxedTrack { parameters, timescale: Timescale::VIDEO, samples }))
}

/// Decoding time between the `count` pictures of a PES packet, in 90 kHz ticks.
fn spacing(times: Times, next: Option<Times>, last: Option<i64>, count: usize) -> Option<i64> {
    if count == 1 {
        return Some(0);
    }
    match next {
        Some(next) => Some(next.dts.saturating_sub(times.dts).max(0) / i64::try_from(count).ok()?),
        None => last.map(|last| times.dts.saturating_sub(last)),
    }
}

/// One coded picture with what comes with it, length-prefixed.
#[derive(Debug, Default)]
struct Picture {
    payload: Chain,
    idr: bool,
    coded: bool,
}

/// Splits PES packets into pictures and takes the parameter sets out.
#[derive(Debug, Default)]
struct Splitter {
    sets: ParameterSets,
    lengths: BytesMut,
    nalus: usize,
}

impl Splitter {
    fn split(&mut self, unit: &PesUnit) -> Result<Vec<Picture>, TsError> {
        let position = unit.position;
        if !unit.payload.is_empty() && !starts_with_start_code(&unit.payload) {
            return Err(TsError::Pes { position, reason: "no start code at the video's start" });
        }
        let mut pictures = Vec::new();
        let mut picture = Picture::default();
        for nalu in avc::annex_b_nalus(&unit.payload) {
            self.nalus += 1;
            if self.nalus > MAX_NALUS {
                return Err(TsError::TooManyUnits { position, limit: MAX_NALUS });
            }
            match nalu.first().map(|byte| byte & 0x1F) {
                None | Some(NALU_FILLER) => {}
                Some(NALU_DELIMITER) => {
                    if picture.coded {
                        pictures.push(std::mem::take(&mut picture));
                    }
                }
                Some(NALU_SPS) => self.sets.add_sps(nalu, position)?,
                Some(NALU_PPS) => self.sets.add_pps(nalu, position)?,
                Some(kind) => {
                    picture.idr |= kind == NALU_IDR;
                    picture.coded |= matches!(kind, 1..=NALU_IDR);
                    picture.payload.push(self.length_prefix(&nalu));
                    picture.payload.push(nalu);
                }
            }
        }
        if picture.coded {
            pictures.push(picture);
        }
        Ok(pictures)
    }

    fn length_prefix(&mut self, nalu: &Bytes) -> Bytes {
        if self.lengths.capacity() < 4 {
            self.lengths = BytesMut::with_capacity(LENGTHS_LEN);
        }
        // Files are shorter than 4 GiB, so their NAL units are.
        self.lengths.put_u32(u32::try_from(nalu.len()).unwrap_or(u32::MAX));
        self.lengths.split().freeze()
    }
}

/// Whether there are two or more zero bytes and a one ahead of everything else (Annex B of
/// ISO/IEC 14496-10).
fn starts_with_start_code(payload: &[u8]) -> bool {
    let zeros = payload.iter().take_while(|byte| **byte == 0).count();
    zeros >= 2 && payload.get(zeros) == Some(&1)
}

/// The parameter sets of a file, each kind in order of appearance.
///
/// Encoders repeat them at every IDR picture. A set that comes back changed under the same id is an
/// error: the samples of a track are stripped of their sets and decoded with the track's, so the
/// first set would turn every picture after the change into noise, and one CMAF header cannot hold
/// both. Orchestrators encode one segment with one configuration.
#[derive(Debug, Default)]
struct ParameterSets {
    sps: Vec<(u32, Bytes)>,
    pps: Vec<(u32, Bytes)>,
}

impl ParameterSets {
    fn add_sps(&mut self, nalu: Bytes, position: usize) -> Result<(), TsError> {
        // NAL unit header, profile_idc, constraint flags, level_idc; none can be followed by an
        // emulation prevention byte before the id, since level_idc is never 0.
        let id = nalu.get(4..).and_then(exp_golomb);
        add(&mut self.sps, id, nalu, position)
    }

    fn add_pps(&mut self, nalu: Bytes, position: usize) -> Result<(), TsError> {
        let id = nalu.get(1..).and_then(exp_golomb);
        add(&mut self.pps, id, nalu, position)
    }

    fn finish(self) -> Result<CodecParameters, TsError> {
        if self.sps.is_empty() || self.pps.is_empty() {
            return Err(TsError::NoParameterSets);
        }
        let bytes = |sets: Vec<(u32, Bytes)>| sets.into_iter().map(|(_, set)| set).collect();
        avc::parameters_from_sets(bytes(self.sps), bytes(self.pps))
            .map(|parameters| CodecParameters::H264(Arc::new(parameters)))
            .map_err(TsError::ParameterSets)
    }
}

fn add(
    sets: &mut Vec<(u32, Bytes)>,
    id: Option<u32>,
    nalu: Bytes,
    position: usize,
) -> Result<(), TsError> {
    let reason = "parameter set without a valid id";
    let id = id.filter(|id| *id < 256).ok_or(TsError::Pes { position, reason })?;
    match sets.iter().find(|(known, _)| *known == id) {
        None => sets.push((id, nalu)),
        Some((_, known)) if *known == nalu => {}
        Some(_) => return Err(TsError::ParametersChanged { position }),
    }
    Ok(())
}

/// The unsigned Exp-Golomb number that `bytes` start with (§9.1 of ISO/IEC 14496-10), if it has at
/// most 33 bits.
fn exp_golomb(bytes: &[u8]) -> Option<u32> {
    let mut window = [0; 8];
    for (to, from) in window.iter_mut().zip(bytes) {
        *to = *from;
    }
    let window = u64::from_be_bytes(window);
    let zeros = window.leading_zeros();
    if zeros > 16 {
        return None;
    }
    u32::try_from((window << zeros >> (63 - zeros)) - 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_numbers_have_their_code_words() {
        let numbers = [[0x80, 0], [0x40, 0], [0x60, 0], [0x20, 0], [0x08, 0x80]];
        assert_eq!(numbers.map(|bytes| exp_golomb(&bytes)), [0, 1, 2, 3, 16].map(Some));
        assert_eq!(exp_golomb(&[]), None);
    }

    #[test]
    fn pictures_without_times_share_the_time_until_the_next_packet() {
        let at = |dts| Times { dts, pts: dts };
        assert_eq!(spacing(at(9000), Some(at(15000)), None, 2), Some(3000));
        assert_eq!(spacing(at(9000), None, Some(6000), 2), Some(3000));
        assert_eq!(spacing(at(9000), None, None, 2), None);
    }

    #[test]
    fn a_changed_set_is_an_error_and_a_repeated_one_is_not() {
        let mut sets = ParameterSets::default();
        let (first, changed) =
            (Bytes::from_static(&[0x68, 0xCE, 1]), Bytes::from_static(&[0x68, 0xCE, 2]));
        sets.add_pps(first.clone(), 0).unwrap();
        sets.add_pps(first, 188).unwrap();
        sets.add_pps(Bytes::from_static(&[0x68, 0x4E, 2]), 188).unwrap();
        let error = sets.add_pps(changed, 376).unwrap_err();
        assert!(matches!(error, TsError::ParametersChanged { position: 376 }), "{error}");
        assert_eq!(sets.pps.len(), 2);
    }
}
