//! Our fragments and hand-made files, whole and damaged.

mod damage;
mod fragmented;
mod progressive;
mod writing;

use std::sync::Arc;

use bytes::Bytes;
use media::{Chain, CodecParameters, OpusParameters, Sample, Timescale, Track, TrackId};

use super::*;
use crate::{aac, av1, avc, cmaf, demuxed::DemuxedSample, hevc};

/// Of libx264: Constrained Baseline, 640x360.
const SPS: [u8; 24] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e,
];
const PPS: [u8; 5] = [0x68, 0xcb, 0x83, 0xcb, 0x20];

fn video() -> Track {
    let set = |set: &'static [u8]| vec![Bytes::from_static(set)];
    let parameters = avc::parameters_from_sets(set(&SPS), set(&PPS)).unwrap();
    Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(Arc::new(parameters)),
    }
}

fn audio() -> Track {
    let config = Bytes::from_static(&[0x11, 0x90]);
    Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(48_000).unwrap(),
        parameters: CodecParameters::Aac(Arc::new(
            aac::parse_audio_specific_config(&config).unwrap(),
        )),
    }
}

/// A picture of one NAL unit of `len` bytes and its length.
fn picture(idr: bool, len: u8) -> Bytes {
    let mut picture = vec![0, 0, 0, len, if idr { 0x65 } else { 0x41 }];
    picture.resize(4 + usize::from(len), 0xAB);
    Bytes::from(picture)
}

fn sample(duration: u32, composition_offset: i32, sync: bool, payload: Bytes) -> Sample {
    Sample { duration, composition_offset, sync, payload: Chain::from(payload) }
}

/// A header and fragments of one track as one file.
fn cmaf_file(track: &Track, base: u64, fragments: &[Vec<Sample>]) -> Bytes {
    let mut file = cmaf::init_segment(track).unwrap().bytes.to_vec();
    let mut time = base;
    for (number, samples) in (1..).zip(fragments) {
        let fragment = cmaf::fragment(track, number, time, samples).unwrap();
        file.extend_from_slice(&fragment.to_contiguous());
        time += samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>();
    }
    Bytes::from(file)
}

fn times(samples: &[DemuxedSample]) -> Vec<(i64, i64)> {
    samples.iter().map(|sample| (sample.dts, sample.pts)).collect()
}
