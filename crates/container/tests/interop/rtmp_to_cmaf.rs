//! What FFmpeg publishes over RTMP, written as CMAF, and judged by FFmpeg.

use super::support::{Stream, flv_audio, flv_file, flv_video, hashes, probe, probe_stream};

const PICTURES: &str = "-map 0:v -fps_mode passthrough";

fn assert_probed(stream: &Stream, file: &[u8]) {
    let probed = probe(file, "0");
    let times: Vec<_> = probed.iter().map(|packet| (packet.dts, packet.pts)).collect();
    assert_eq!(times, stream.times());
    for (packet, sample) in probed.iter().zip(&stream.samples) {
        assert_eq!((packet.size, packet.key), (sample.payload.len(), sample.sync));
    }
}

#[test]
fn video_keeps_times_packets_and_pictures() {
    for options in ["", "-bf 0", "-x264-params slices=4:aud=1", "-vf setsar=16/11"] {
        let source = flv_file(options);
        let stream = flv_video(&source);
        assert_eq!(stream.samples.len(), 90);
        assert_eq!(stream.samples.iter().filter(|sample| sample.sync).count(), 3);
        let file = stream.cmaf(30);
        assert_probed(&stream, &file);
        assert_eq!(hashes(&file, PICTURES), hashes(&source, PICTURES), "{options}");
        if !options.contains("aud") {
            let copy = "-map 0:v -c copy";
            assert_eq!(hashes(&file, copy), hashes(&source, copy), "{options}");
        }
    }
}

#[test]
fn sound_keeps_packets_and_samples() {
    for options in ["", "-ar 44100 -ac 1"] {
        let source = flv_file(options);
        let stream = flv_audio(&source);
        let file = stream.cmaf(47);
        assert_probed(&stream, &file);
        for options in ["-map 0:a -c copy", "-map 0:a"] {
            assert_eq!(hashes(&file, options), hashes(&source, options));
        }
    }
}

#[test]
fn decoding_times_moved_to_the_first_picture_play_the_same() {
    // As the segmenter does: the first picture is shown when it is decoded, others before.
    let source = flv_file("");
    let mut stream = flv_video(&source);
    let shift = stream.samples[0].composition_offset;
    assert!(shift > 0, "B-pictures");
    for sample in &mut stream.samples {
        sample.composition_offset -= shift;
    }
    stream.base = 900_000;
    assert!(stream.samples.iter().any(|sample| sample.composition_offset < 0));
    let file = stream.cmaf(30);
    // FFmpeg adds the lowest offset of a fragmented file to all presentation times, so that none is
    // before its decoding time.
    let lowest = stream.samples.iter().map(|sample| sample.composition_offset).min().unwrap();
    let shown: Vec<_> =
        stream.times().into_iter().map(|(_, pts)| pts - i64::from(lowest)).collect();
    let probed: Vec<_> = probe(&file, "0").into_iter().map(|packet| packet.pts).collect();
    assert_eq!(probed, shown);
    assert_eq!(hashes(&file, PICTURES), hashes(&source, PICTURES));
}

#[test]
fn the_header_says_what_the_publisher_sent() {
    let video = flv_video(&flv_file("-vf setsar=16/11 -profile:v main")).cmaf(30);
    assert_eq!(
        probe_stream(&video, "codec_name,profile,width,height,sample_aspect_ratio,time_base"),
        "h264,Main,128,72,16:11,1/90000"
    );
    let audio = flv_audio(&flv_file("")).cmaf(30);
    assert_eq!(
        probe_stream(&audio, "codec_name,profile,sample_rate,channels,time_base"),
        "aac,LC,48000,1,1/48000"
    );
}

#[test]
fn any_fragment_decodes_after_the_header() {
    let source = flv_file("");
    let stream = flv_video(&source);
    let whole = hashes(&source, PICTURES);
    let second = Stream {
        track: stream.track.clone(),
        base: stream.times()[30].0,
        samples: stream.samples[30..60].to_vec(),
    };
    assert_eq!(hashes(&second.cmaf(30), PICTURES), whole[30..60]);
}
