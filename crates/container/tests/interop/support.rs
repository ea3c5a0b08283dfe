//! FFmpeg as an encoder and as a judge.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    thread,
};

use bytes::Bytes;
use container::{
    aac, avc, cmaf,
    flv::{self, AudioTag, VideoTag},
};
use media::{CodecParameters, Sample, Timescale, Track, TrackId, TrackSegment};

/// A test picture of 3 s with B-pictures, three in a row, and an IDR picture each
/// second; and a tone.
pub(crate) const SOURCE: &str = "-f lavfi -i testsrc=s=128x72:r=30:d=3 -f lavfi -i sine=d=3:r=48000 \
     -pix_fmt yuv420p -c:v libx264 -g 30 -keyint_min 30 -sc_threshold 0 -bf 3 -b_strategy 0 -c:a aac";

/// Runs a program of FFmpeg on `input`; its output. It may not complain.
pub(crate) fn run(program: &str, arguments: &str, input: &[u8]) -> Vec<u8> {
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
        assert_eq!(complaints, "", "{program} {arguments}");
        output.stdout
    })
}

/// Packets as ffprobe sees them: PTS, DTS, size, key flag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Probed {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) size: usize,
    pub(crate) key: bool,
}

pub(crate) fn probe(file: &[u8], stream: &str) -> Vec<Probed> {
    let arguments = format!(
        "-v error -select_streams {stream} -show_entries packet=pts,dts,size,flags -of csv=p=0 pipe:0"
    );
    let text = String::from_utf8(run("ffprobe", &arguments, file)).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            Probed {
                pts: fields[0].parse().unwrap(),
                dts: fields[1].parse().unwrap(),
                size: fields[2].parse().unwrap(),
                key: fields[3].starts_with('K'),
            }
        })
        .collect()
}

/// One line of what ffprobe says of a file's first stream.
pub(crate) fn probe_stream(file: &[u8], entries: &str) -> String {
    let arguments = format!("-v error -show_entries stream={entries} -of csv=p=0 pipe:0");
    String::from_utf8(run("ffprobe", &arguments, file)).unwrap().trim().to_owned()
}

/// Hashes of the packets (`-c copy`) or of the decoded frames of a file, without times.
pub(crate) fn hashes(file: &[u8], options: &str) -> Vec<String> {
    let arguments = format!("-v error -xerror -i pipe:0 {options} -f framehash -hash md5 pipe:1");
    let text = String::from_utf8(run("ffmpeg", &arguments, file)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(',').nth(5).unwrap().trim().to_owned()).collect()
}

/// A track with its samples, times in ticks of its timescale.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) track: Track,
    pub(crate) base: i64,
    pub(crate) samples: Vec<Sample>,
}

impl Stream {
    /// Durations from decoding times; the last one lasts as long as the one before.
    pub(crate) fn new(track: Track, units: Vec<(i64, i64, bool, media::Chain)>) -> Self {
        let base = units[0].0;
        let mut samples = Vec::new();
        for (index, (dts, pts, sync, payload)) in units.iter().enumerate() {
            let duration = units.get(index + 1).map(|next| u32::try_from(next.0 - dts).unwrap());
            let last = samples.last().map_or(1, |last: &Sample| last.duration);
            samples.push(Sample {
                duration: duration.unwrap_or(last),
                composition_offset: i32::try_from(pts - dts).unwrap(),
                sync: *sync,
                payload: payload.clone(),
            });
        }
        Self { track, base, samples }
    }

    /// Times from `base` on: DTS, PTS.
    pub(crate) fn times(&self) -> Vec<(i64, i64)> {
        let mut dts = self.base;
        let mut times = Vec::new();
        for sample in &self.samples {
            times.push((dts, dts + i64::from(sample.composition_offset)));
            dts += i64::from(sample.duration);
        }
        times
    }

    /// All of it as one segment.
    pub(crate) fn segment(&self) -> TrackSegment {
        TrackSegment {
            init: cmaf::init_segment(&self.track).unwrap().into(),
            base_decode_time: u64::try_from(self.base).unwrap(),
            samples: self.samples.clone(),
            parts: Vec::new(),
        }
    }

    /// A CMAF file of fragments of `len` samples.
    pub(crate) fn cmaf(&self, len: usize) -> Vec<u8> {
        let mut file = cmaf::init_segment(&self.track).unwrap().bytes.to_vec();
        let mut time = u64::try_from(self.base).unwrap();
        for (number, samples) in (1..).zip(self.samples.chunks(len)) {
            let fragment = cmaf::fragment(&self.track, number, time, samples).unwrap();
            file.extend_from_slice(&fragment.to_contiguous());
            time += samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>();
        }
        file
    }
}

/// What FFmpeg publishes over RTMP, as an FLV file.
pub(crate) fn flv_file(options: &str) -> Vec<u8> {
    run("ffmpeg", &format!("-v error {SOURCE} {options} -f flv pipe:1"), &[])
}

/// Tags of an FLV file: type, timestamp in milliseconds, body.
fn tags(file: &[u8]) -> Vec<(u8, i64, Bytes)> {
    let file = Bytes::copy_from_slice(file);
    let mut tags = Vec::new();
    // File header, size of no tag before the first.
    let mut at = 9 + 4;
    while at + 11 <= file.len() {
        let number = |from: usize| {
            file[from..from + 3].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
        };
        let len = usize::try_from(number(at + 1)).unwrap();
        let timestamp = u32::from(file[at + 7]) << 24 | number(at + 4);
        tags.push((file[at], i64::from(timestamp), file.slice(at + 11..at + 11 + len)));
        at += 11 + len + 4;
    }
    tags
}

/// The video of an FLV file, read as ingest does.
pub(crate) fn flv_video(file: &[u8]) -> Stream {
    let (mut configuration, mut units) = (None, Vec::new());
    for (_, timestamp, body) in tags(file).into_iter().filter(|tag| tag.0 == 9) {
        match flv::parse_video(&body).unwrap().into_iter().next().unwrap().tag.unwrap() {
            VideoTag::SequenceHeader { record, .. } => {
                configuration = Some(avc::parse_decoder_configuration(&record).unwrap());
            }
            VideoTag::AccessUnit { composition_time_ms, payload, keyframe_hint, .. } => {
                let length_size = configuration.as_ref().unwrap().nalu_length_size;
                let unit = avc::normalize(&payload, length_size).unwrap();
                assert_eq!(unit.idr, keyframe_hint);
                let dts = timestamp * 90;
                units.push((
                    dts,
                    dts + i64::from(composition_time_ms) * 90,
                    unit.idr,
                    unit.payload,
                ));
            }
            VideoTag::EndOfSequence | VideoTag::Metadata(_) | VideoTag::Command => {}
        }
    }
    let track = Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(configuration.unwrap().parameters.into()),
    };
    Stream::new(track, units)
}

/// The audio of an FLV file, timed by counting frames.
pub(crate) fn flv_audio(file: &[u8]) -> Stream {
    let (mut parameters, mut units) = (None, Vec::new());
    for (_, _, body) in tags(file).into_iter().filter(|tag| tag.0 == 8) {
        match flv::parse_audio(&body).unwrap().into_iter().next().unwrap().tag.unwrap() {
            AudioTag::SequenceHeader { config, .. } => {
                parameters = Some(aac::parse_audio_specific_config(&config).unwrap());
            }
            AudioTag::Frame { payload: frame, .. } => {
                let dts = 1024 * i64::try_from(units.len()).unwrap();
                units.push((dts, dts, true, frame.into()));
            }
            AudioTag::Silence | AudioTag::ChannelOrder(_) => {}
        }
    }
    let parameters = parameters.unwrap();
    let track = Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(parameters.sampling_rate).unwrap(),
        parameters: CodecParameters::Aac(parameters.into()),
    };
    Stream::new(track, units)
}
