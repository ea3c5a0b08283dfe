//! FFmpeg's MP4 files through our reader, and ours through FFmpeg.

use bytes::Bytes;
use container::{DemuxedTrack, mp4};

use super::support::{SOURCE, flv_audio, flv_file, flv_video, hashes, probe, run};

/// A file by FFmpeg, which wants to seek in it.
fn file(name: &str, options: &str) -> Bytes {
    let path = format!("{}/{name}.mp4", env!("CARGO_TARGET_TMPDIR"));
    run("ffmpeg", &format!("-v error -y {SOURCE} {options} {path}"), &[]);
    let file = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    Bytes::from(file)
}

/// Sizes, times and random access points are those that ffprobe sees.
///
/// Where pictures are shown before their decoding time by the file, FFmpeg makes room for that: it
/// moves decoding times back, or in fragmented files presentation times on.
fn assert_reads_as_ffprobe(file: &Bytes, track: &DemuxedTrack, stream: &str) {
    let probed = probe(file, stream);
    let theirs: Vec<_> = probed.iter().map(|p| (p.dts, p.pts, p.size, p.key)).collect();
    let lowest = track.samples.iter().map(|sample| sample.pts - sample.dts).min().unwrap();
    let room = lowest.min(0).abs();
    let shift = probed[0].pts - track.samples[0].pts;
    assert!(shift == 0 || shift == room, "{shift}, room {room}");
    let ours: Vec<_> = track
        .samples
        .iter()
        .map(|sample| {
            let (dts, pts) = (sample.dts + shift - room, sample.pts + shift);
            (dts, pts, sample.payload.len(), sample.random_access)
        })
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn files_of_every_shape_read_as_ffprobe_reads_them() {
    let source = flv_video(&flv_file(""));
    let source: Vec<_> = source.samples.iter().map(|s| s.payload.to_contiguous()).collect();
    for (name, options) in [
        ("moov_last", ""),
        ("moov_first", "-movflags +faststart"),
        ("movie_clock", "-movie_timescale 90000 -video_track_timescale 90000"),
        ("signed_offsets", "-movflags +negative_cts_offsets"),
        ("fragmented", "-movflags +frag_keyframe+empty_moov+default_base_moof"),
        ("without_base", "-movflags +frag_keyframe+empty_moov+omit_tfhd_offset"),
        ("absolute_base", "-movflags +frag_keyframe+empty_moov"),
        ("first_in_moov", "-movflags +frag_keyframe"),
        ("separate", "-movflags +frag_keyframe+separate_moof+delay_moov"),
        ("every_frame", "-movflags +frag_every_frame+empty_moov+default_base_moof"),
        ("cmaf", "-movflags +cmaf"),
        ("dash", "-movflags +dash+global_sidx"),
        ("quicktime", "-f mov"),
        ("time_code", "-timecode 01:00:00:00"),
    ] {
        let file = file(name, options);
        let demuxed = mp4::read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}");
        let video = demuxed.video.unwrap();
        assert_reads_as_ffprobe(&file, &video, "v");
        assert_reads_as_ffprobe(&file, &demuxed.audio.unwrap(), "a");
        let payloads = video.samples.iter().map(|sample| sample.payload.to_contiguous());
        assert_eq!(payloads.collect::<Vec<_>>(), source, "{name}");
    }
}

#[test]
fn a_late_start_is_kept() {
    for (name, options) in [
        ("late", "-output_ts_offset 5"),
        ("late_fragmented", "-output_ts_offset 5 -movflags +frag_keyframe+empty_moov+delay_moov"),
    ] {
        let file = file(name, options);
        let demuxed = mp4::read(&file).unwrap();
        assert_reads_as_ffprobe(&file, demuxed.video.as_ref().unwrap(), "v");
    }
}

#[test]
fn another_video_coding_is_named() {
    let file = file("mpeg4", "-c:v mpeg4");
    let error = mp4::read(&file).unwrap_err().to_string();
    assert!(error.contains("mp4v"), "{error}");
}

#[test]
fn our_own_files_come_back() {
    let stream = flv_video(&flv_file(""));
    let file = Bytes::from(stream.cmaf(30));
    let video = mp4::read(&file).unwrap().video.unwrap();
    assert_eq!(video.parameters, stream.track.parameters);
    let times: Vec<_> = video.samples.iter().map(|sample| (sample.dts, sample.pts)).collect();
    assert_eq!(times, stream.times());
    for (read, written) in video.samples.iter().zip(&stream.samples) {
        assert_eq!(read.payload.to_contiguous(), written.payload.to_contiguous());
        assert_eq!(read.random_access, written.sync);
    }
}

#[test]
fn our_files_of_video_and_audio_play_in_step() {
    let source = flv_file("");
    let (mut video, mut audio) = (flv_video(&source), flv_audio(&source));
    // As the segmenter does: the first picture is shown when it is decoded, others before.
    let shift = video.samples[0].composition_offset;
    for sample in &mut video.samples {
        sample.composition_offset -= shift;
    }
    let room = video.samples.iter().map(|sample| -sample.composition_offset).max().unwrap();
    assert!(room > 0, "B-pictures");
    // Where decoding times have room to lie earlier, and where they have not.
    for (video_base, audio_base) in [(900_000, 480_000), (0, 0)] {
        (video.base, audio.base) = (video_base, audio_base);
        let file = mp4::write_file(&video.segment(), Some(&audio.segment())).unwrap();
        let file = file.to_contiguous();
        let probed: Vec<_> = probe(&file, "v").iter().map(|it| (it.dts, it.pts)).collect();
        let room = i64::from(room);
        let expected: Vec<_> =
            video.times().into_iter().map(|(dts, pts)| (dts - room, pts)).collect();
        assert_eq!(probed, expected);
        let probed: Vec<_> = probe(&file, "a").iter().map(|it| (it.dts, it.pts)).collect();
        assert_eq!(probed, audio.times());
        for options in ["-map 0:v -c copy", "-map 0:v -fps_mode passthrough", "-map 0:a -c copy"] {
            assert_eq!(hashes(&file, options), hashes(&source, options), "{options}");
        }
    }
}
