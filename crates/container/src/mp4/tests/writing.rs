//! Our files of video and audio, read back.

use media::{Part, TrackSegment};

use super::*;
use crate::cmaf::CmafError;

fn segment(track: Track, base_decode_time: u64, samples: Vec<Sample>) -> TrackSegment {
    let init = Arc::new(cmaf::init_segment(&track).unwrap());
    TrackSegment { init, base_decode_time, samples, parts: Vec::<Part>::new() }
}

/// I P B B: the first is decoded when it is shown, the last two are shown before.
fn reordered(base: u64) -> TrackSegment {
    let samples = vec![
        sample(3_000, 0, true, picture(true, 200)),
        sample(3_000, 6_000, false, picture(false, 90)),
        sample(3_000, -3_000, false, picture(false, 31)),
        sample(3_600, -3_000, false, picture(false, 30)),
    ];
    segment(video(), base, samples)
}

fn sound(base: u64, frames: u8) -> TrackSegment {
    let frame = |number: u8| sample(1_024, 0, true, Bytes::from(vec![number; 9]));
    segment(audio(), base, (0..frames).map(frame).collect())
}

fn payloads(samples: &[DemuxedSample]) -> Vec<Bytes> {
    samples.iter().map(|sample| sample.payload.to_contiguous()).collect()
}

fn written(segment: &TrackSegment) -> Vec<Bytes> {
    segment.samples.iter().map(|sample| sample.payload.to_contiguous()).collect()
}

#[test]
fn both_tracks_come_back_with_their_times_and_parameters() {
    let (pictures, frames) = (reordered(900_000), sound(480_123, 7));
    let file = write_file(&pictures, Some(&frames)).unwrap().to_contiguous();
    let read = read(&file).unwrap();
    let (video_track, audio_track) = (read.video.unwrap(), read.audio.unwrap());
    assert_eq!(video_track.parameters, video().parameters);
    assert_eq!(video_track.timescale, Timescale::VIDEO);
    assert_eq!(payloads(&video_track.samples), written(&pictures));
    let expected = [(897_000, 900_000), (900_000, 909_000), (903_000, 903_000), (906_000, 906_000)];
    assert_eq!(times(&video_track.samples), expected);
    assert_eq!(audio_track.parameters, audio().parameters);
    assert_eq!(payloads(&audio_track.samples), written(&frames));
    assert_eq!(times(&audio_track.samples)[..2], [(480_123, 480_123), (481_147, 481_147)]);
    let edits = file.windows(4).any(|window| window == b"elst");
    assert!(!edits, "decoding times had room");
}

#[test]
fn at_the_start_of_time_an_edit_list_makes_the_room() {
    let pictures = reordered(2_999);
    let file = write_file(&pictures, Some(&sound(0, 3))).unwrap().to_contiguous();
    let read = read(&file).unwrap();
    let expected = [(-1, 2_999), (2_999, 11_999), (5_999, 5_999), (8_999, 8_999)];
    assert_eq!(times(&read.video.unwrap().samples), expected);
    assert_eq!(times(&read.audio.unwrap().samples)[0], (0, 0));
}

#[test]
fn samples_are_taken_by_reference() {
    let (pictures, frames) = (reordered(0), sound(0, 3));
    let file = write_file(&pictures, Some(&frames)).unwrap();
    let given: Vec<_> = pictures
        .samples
        .iter()
        .chain(&frames.samples)
        .flat_map(|sample| sample.payload.pieces())
        .map(|piece| piece.as_ptr())
        .collect();
    let kept: Vec<_> = file.pieces().skip(2).map(|piece| piece.as_ptr()).collect();
    assert_eq!(kept, given);
}

#[test]
fn audio_may_be_missing_and_tracks_may_share_an_id() {
    let silent = write_file(&reordered(0), None).unwrap();
    assert_eq!(silent, write_file(&reordered(0), Some(&sound(0, 0))).unwrap());
    let read_back = read(&silent.to_contiguous()).unwrap();
    assert!(read_back.audio.is_none());
    let same_id = Track { id: TrackId::VIDEO, ..audio() };
    let frames = segment(same_id, 0, sound(0, 3).samples);
    let file = write_file(&reordered(0), Some(&frames)).unwrap().to_contiguous();
    let read_back = read(&file).unwrap();
    assert_eq!(read_back.audio.unwrap().samples.len(), 3);
    assert_eq!(read_back.video.unwrap().samples.len(), 4);
}

#[test]
fn a_file_needs_pictures() {
    let empty = segment(video(), 0, Vec::new());
    assert!(matches!(write_file(&empty, Some(&sound(0, 3))), Err(CmafError::NoSamples)));
}
