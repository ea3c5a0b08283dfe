//! Coded pictures from a worker, made a rendition of our own.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use codec::FillerRendition;
use container::{av1, avc, cmaf, hevc};
use media::{Chain, CodecParameters, Timescale, Track, TrackId, VideoCodec};
use segmenter::FillerPictures;

/// NAL unit types of H.264: parameter sets, and what has no place in a sample.
const H264_SPS: u8 = 7;
const H264_PPS: u8 = 8;
const H264_LEFT_OUT: &[u8] = &[6, 9, 10, 11, 12];
/// The same of HEVC.
const HEVC_VPS: u8 = 32;
const HEVC_SPS: u8 = 33;
const HEVC_PPS: u8 = 34;
const HEVC_LEFT_OUT: &[u8] = &[35, 36, 37, 38, 39, 40];

/// A rendition's pictures, each shown for `interval` ticks of 90 kHz.
///
/// # Errors
/// What is wrong with what the worker gave.
pub(super) fn pictures(
    codec: VideoCodec,
    coded: &FillerRendition,
    interval: u32,
) -> Result<FillerPictures, String> {
    let (parameters, pictures) = match codec {
        VideoCodec::H264 => {
            let mut sets = Sets::new(&[H264_SPS, H264_PPS], H264_LEFT_OUT, |first| first & 0x1F);
            // Under an id of their own, beside the publisher's, for players that take no second header.
            sets.in_band = true;
            let pictures = coded.pictures.iter().map(|picture| sets.sample(picture)).collect();
            let [sps, pps] = sets.found();
            let parameters = avc::parameters_from_sets(sps, pps).map_err(|it| it.to_string())?;
            (CodecParameters::H264(Arc::new(parameters)), pictures)
        }
        VideoCodec::Hevc => {
            let kinds = [HEVC_VPS, HEVC_SPS, HEVC_PPS];
            let mut sets = Sets::new(&kinds, HEVC_LEFT_OUT, |first| first >> 1 & 0x3F);
            let pictures = coded.pictures.iter().map(|picture| sets.sample(picture)).collect();
            let [vps, sps, pps] = sets.found();
            let parameters =
                hevc::parameters_from_sets(vps, sps, pps).map_err(|it| it.to_string())?;
            (CodecParameters::Hevc(Arc::new(parameters)), pictures)
        }
        VideoCodec::Av1 => av1_pictures(coded)?,
    };
    let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
    let init = cmaf::init_segment(&track).map_err(|error| error.to_string())?;
    Ok(FillerPictures { init: Arc::new(init), pictures, interval })
}

fn av1_pictures(coded: &FillerRendition) -> Result<(CodecParameters, Vec<Chain>), String> {
    let mut header = None;
    let mut pictures = Vec::with_capacity(coded.pictures.len());
    for picture in &coded.pictures {
        let unit = av1::normalize(picture).map_err(|error| error.to_string())?;
        header = header.or(unit.sequence_header);
        pictures.push(unit.payload);
    }
    let header = header.ok_or("no sequence header")?;
    let parameters =
        av1::parameters_from_sequence_header(&header).map_err(|error| error.to_string())?;
    Ok((CodecParameters::Av1(Arc::new(parameters)), pictures))
}

/// Parameter sets, told from pictures by the type in the first byte of a NAL unit.
struct Sets<'a> {
    kinds: &'a [u8],
    left_out: &'a [u8],
    kind_of: fn(u8) -> u8,
    /// They stay in the pictures as well.
    in_band: bool,
    found: Vec<Vec<Bytes>>,
}

impl<'a> Sets<'a> {
    fn new(kinds: &'a [u8], left_out: &'a [u8], kind_of: fn(u8) -> u8) -> Self {
        Self { kinds, left_out, kind_of, in_band: false, found: vec![Vec::new(); kinds.len()] }
    }

    /// A picture as a sample holds it: NAL units behind their lengths, parameter sets put aside.
    fn sample(&mut self, picture: &Bytes) -> Chain {
        let mut sample = BytesMut::with_capacity(picture.len().saturating_add(16));
        for nalu in avc::annex_b_nalus(picture) {
            let kind = nalu.first().map_or(0, |first| (self.kind_of)(*first));
            let set = self.kinds.iter().position(|set| *set == kind);
            if let Some(sets) = set.and_then(|set| self.found.get_mut(set))
                && !sets.contains(&nalu)
            {
                sets.push(nalu.clone());
            }
            let stays = if set.is_some() { self.in_band } else { !self.left_out.contains(&kind) };
            if stays {
                sample.put_u32(u32::try_from(nalu.len()).unwrap_or(u32::MAX));
                sample.put_slice(&nalu);
            }
        }
        Chain::from(sample.freeze())
    }

    fn found<const N: usize>(self) -> [Vec<Bytes>; N] {
        let mut found = self.found.into_iter();
        std::array::from_fn(|_| found.next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_leave_the_pictures() {
        let mut sets = Sets::new(&[H264_SPS, H264_PPS], H264_LEFT_OUT, |first| first & 0x1F);
        let picture = [
            &[0, 0, 0, 1, 0x09, 0x10][..],
            &[0, 0, 0, 1, 0x67, 1, 2],
            &[0, 0, 1, 0x68, 3],
            &[0, 0, 1, 0x06, 5, 5],
            &[0, 0, 1, 0x65, 7, 7, 7],
        ];
        let sample = sets.sample(&picture.concat().into());
        assert_eq!(sample.to_contiguous()[..], [0, 0, 0, 4, 0x65, 7, 7, 7]);
        sets.sample(&Bytes::from_static(&[0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x41, 9]));
        sets.in_band = true;
        let sample = sets.sample(&Bytes::from_static(&[0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 7]));
        assert_eq!(sample.to_contiguous()[..], [0, 0, 0, 2, 0x68, 3, 0, 0, 0, 2, 0x65, 7]);
        let [sps, pps] = sets.found();
        assert_eq!((sps.len(), pps.len()), (1, 1), "repeated ones count once");
    }

    #[test]
    fn what_has_no_parameter_sets_is_refused() {
        let coded = FillerRendition { pictures: vec![Bytes::from_static(&[0, 0, 1, 0x65, 7])] };
        for codec in [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1] {
            assert!(pictures(codec, &coded, 9_000).is_err());
        }
    }
}
