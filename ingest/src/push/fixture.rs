//! Segments as clients send them, for tests.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use container::{aac, avc, cmaf, mp4, ts::TsWriter};
use media::{Chain, CodecParameters, Sample, Timescale, Track, TrackId, TrackSegment};

use super::PushContainer;

/// Of libx264: Constrained Baseline, 640x360.
const SPS: [u8; 24] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e,
];
const PPS: [u8; 5] = [0x68, 0xcb, 0x83, 0xcb, 0x20];

/// Any moment.
pub(crate) fn start() -> std::time::Instant {
    static START: LazyLock<std::time::Instant> = LazyLock::new(crate::shell::now);
    *START + std::time::Duration::from_secs(3_600)
}

/// Video at 25 pictures per second from `base` on, in ticks of 90 kHz; the first is a key frame if `key`.
pub(crate) fn video(base: u64, pictures: u8, key: bool) -> TrackSegment {
    let set = |set: &'static [u8]| vec![Bytes::from_static(set)];
    let parameters = avc::parameters_from_sets(set(&SPS), set(&PPS)).unwrap();
    let track = Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(Arc::new(parameters)),
    };
    let sample = |index: u8| {
        let sync = key && index == 0;
        let unit = [0, 0, 0, 4, if sync { 0x65 } else { 0x41 }, 0x9A, 0xAB, index];
        Sample {
            duration: 3_600,
            composition_offset: 0,
            sync,
            payload: Chain::from(Bytes::copy_from_slice(&unit)),
        }
    };
    segment(track, base, (0..pictures).map(sample).collect())
}

/// AAC at 48 kHz from `base` on, in ticks of that.
pub(crate) fn audio(base: u64, frames: u8) -> TrackSegment {
    let config = Bytes::from_static(&[0x11, 0x90]);
    let track = Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(48_000).unwrap(),
        parameters: CodecParameters::Aac(Arc::new(
            aac::parse_audio_specific_config(&config).unwrap(),
        )),
    };
    let sample = |index: u8| Sample {
        duration: 1_024,
        composition_offset: 0,
        sync: true,
        payload: Chain::from(Bytes::copy_from_slice(&[0x21, 0x10, index])),
    };
    segment(track, base, (0..frames).map(sample).collect())
}

fn segment(track: Track, base_decode_time: u64, samples: Vec<Sample>) -> TrackSegment {
    let init = Arc::new(cmaf::init_segment(&track).unwrap());
    TrackSegment { init, base_decode_time, samples, parts: Vec::new() }
}

/// A file of these tracks.
pub(crate) fn file(
    container: PushContainer,
    video: Option<&TrackSegment>,
    audio: Option<&TrackSegment>,
) -> Bytes {
    match (container, video, audio) {
        (PushContainer::MpegTs, video, audio) => TsWriter::new().segment(video, audio).unwrap(),
        (PushContainer::Mp4, Some(video), audio) => {
            mp4::write_file(video, audio).unwrap().to_contiguous()
        }
        (PushContainer::Mp4, None, Some(audio)) => {
            let mut file = Chain::from(audio.init.bytes.clone());
            let track = &audio.init.track;
            let fragment = cmaf::fragment(track, 1, audio.base_decode_time, &audio.samples);
            file.append(&fragment.unwrap());
            file.to_contiguous()
        }
        (PushContainer::Mp4, None, None) => panic!("a file needs a track"),
    }
}

/// One second of video and audio as a transport stream.
pub(crate) fn one_second() -> Bytes {
    let (video, audio) = (video(900_000, 25, true), audio(480_000, 46));
    file(PushContainer::MpegTs, Some(&video), Some(&audio))
}
