//! The writer and the reader against each other, against damage and against other programs.

mod damage;
mod hevc;
mod interop;
mod packing;
mod preview;
mod round_trip;
mod timing;

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use bytes::Bytes;
use media::{
    AacParameters, Chain, CodecParameters, InitSegment, Sample, Timescale, Track, TrackId,
    TrackSegment,
};

use super::*;
use crate::demuxed::{Demuxed, DemuxedTrack};

/// An SPS of x264: High 4:4:4, 128x72, reordering.
const SPS: [u8; 26] = [
    103, 244, 0, 10, 145, 155, 40, 65, 127, 19, 128, 136, 0, 0, 3, 0, 8, 0, 0, 3, 1, 224, 120, 145,
    44, 176,
];
const PPS: [u8; 6] = [104, 235, 227, 196, 72, 68];

fn video_track() -> Track {
    let sets = |set: &'static [u8]| vec![Bytes::from_static(set)];
    let parameters = crate::avc::parameters_from_sets(sets(&SPS), sets(&PPS)).unwrap();
    Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(Arc::new(parameters)),
    }
}

fn audio_track() -> Track {
    Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(48_000).unwrap(),
        parameters: CodecParameters::Aac(Arc::new(AacParameters {
            audio_specific_config: Bytes::from_static(&[0x11, 0x90]),
            object_type: 2,
            sampling_rate: 48_000,
            channels: 2,
            frame_samples: 1024,
        })),
    }
}

fn segment_of(track: Track, base_decode_time: u64, samples: Vec<Sample>) -> TrackSegment {
    let init = Arc::new(InitSegment { track, bytes: Bytes::new() });
    TrackSegment { init, base_decode_time, samples, parts: Vec::new() }
}

fn sample(duration: u32, composition_offset: i32, sync: bool, payload: Vec<u8>) -> Sample {
    Sample { duration, composition_offset, sync, payload: Chain::from(Bytes::from(payload)) }
}

/// NAL units with 4-byte lengths.
fn avcc(nalus: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    for nalu in nalus {
        payload.extend_from_slice(&u32::try_from(nalu.len()).unwrap().to_be_bytes());
        payload.extend_from_slice(nalu);
    }
    payload
}

/// A picture of one NAL unit of `len` bytes.
fn picture(idr: bool, len: usize) -> Vec<u8> {
    let mut nalu = vec![if idr { 0x65 } else { 0x41 }];
    nalu.resize(len, 0xAB);
    avcc(&[nalu])
}

/// `count` pictures of `duration` ticks each, the first an IDR picture.
fn pictures(count: usize, duration: u32, offsets: &[i32]) -> Vec<Sample> {
    (0..count)
        .map(|index| {
            let offset = offsets.get(index).copied().unwrap_or(0);
            sample(duration, offset, index == 0, picture(index == 0, 300 + index))
        })
        .collect()
}

fn frames(count: usize) -> Vec<Sample> {
    (0..count).map(|index| sample(1024, 0, true, vec![0x21; 200 + index])).collect()
}

/// Presentation times of a track.
fn pts(track: &DemuxedTrack) -> Vec<i64> {
    track.samples.iter().map(|sample| sample.pts).collect()
}

fn dts(track: &DemuxedTrack) -> Vec<i64> {
    track.samples.iter().map(|sample| sample.dts).collect()
}

/// Runs a program of FFmpeg on `input`; its output, and what it complained about.
fn run(program: &str, arguments: &str, input: &[u8]) -> (Vec<u8>, String) {
    let mut child = Command::new(program)
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).ok());
        let complaints = scope.spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let output = child.wait_with_output().unwrap();
        let complaints = complaints.join().unwrap();
        assert!(output.status.success(), "{program} {arguments}: {complaints}");
        (output.stdout, complaints)
    })
}

/// A small file by FFmpeg's encoder and multiplexer: 3 s, B-pictures, an IDR picture each second.
fn ffmpeg_file(options: &str) -> Bytes {
    let arguments = format!(
        "-v error -f lavfi -i testsrc=s=128x72:r=30:d=3 -f lavfi -i sine=d=3:r=48000 \
         -pix_fmt yuv420p -c:v libx264 -g 30 -keyint_min 30 -sc_threshold 0 -bf 3 -c:a aac \
         {options} -f mpegts pipe:1"
    );
    let (file, complaints) = run("ffmpeg", &arguments, &[]);
    assert_eq!(complaints, "");
    Bytes::from(file)
}

/// A demuxed file as segments, cut before each IDR picture; audio goes to the segment it starts in.
fn segments_of(demuxed: &Demuxed) -> Vec<(Option<TrackSegment>, Option<TrackSegment>)> {
    let video = demuxed.video.as_ref().map(|track| (track, TrackId::VIDEO));
    let audio = demuxed.audio.as_ref().map(|track| (track, TrackId::AUDIO));
    let cuts: Vec<i64> = video.map_or_else(
        || vec![0],
        |(track, _)| {
            let starts = track.samples.iter().filter(|sample| sample.random_access);
            starts.map(|sample| sample.dts).collect()
        },
    );
    (0..cuts.len())
        .map(|index| {
            let from = if index == 0 { i64::MIN } else { cuts[index] };
            let to = cuts.get(index + 1).copied().unwrap_or(i64::MAX);
            let share = |(track, id)| share(track, id, from, to);
            (video.map(share), audio.map(share))
        })
        .collect()
}

/// The samples of `track` whose 90 kHz decoding time lies in `from..to`.
fn share(track: &DemuxedTrack, id: TrackId, from: i64, to: i64) -> TrackSegment {
    let parameters = track.parameters.clone();
    let header = Track { id, timescale: track.timescale, parameters };
    let mut base = None;
    let mut samples = Vec::new();
    for (index, sample) in track.samples.iter().enumerate() {
        if !(from..to).contains(&clock::to_90k(sample.dts, track.timescale)) {
            continue;
        }
        let next = track.samples.get(index + 1).map_or(sample.dts + 1024, |next| next.dts);
        base.get_or_insert_with(|| u64::try_from(sample.dts).unwrap());
        samples.push(Sample {
            duration: u32::try_from(next - sample.dts).unwrap(),
            composition_offset: i32::try_from(sample.pts - sample.dts).unwrap(),
            sync: sample.random_access,
            payload: sample.payload.clone(),
        });
    }
    segment_of(header, base.unwrap_or(0), samples)
}

/// Every segment of a demuxed file through one writer.
fn rewrite(demuxed: &Demuxed) -> Vec<Bytes> {
    let mut writer = TsWriter::new();
    segments_of(demuxed)
        .iter()
        .map(|(video, audio)| writer.segment(video.as_ref(), audio.as_ref()).unwrap())
        .collect()
}
