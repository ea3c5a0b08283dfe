//! A current FFmpeg publishes over Enhanced RTMP. Where it comes from: `make ffmpeg-current`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

mod support;

use std::path::PathBuf;

use ingest::{ConnectionEnd, EndReason};
use media::{CodecParameters, TrackId, VideoCodec};

use support::{
    Gateway,
    ffmpeg::{Published, assert_clean, current_ffmpeg, publish_with},
};

const PICTURE: &str = "testsrc2=size=160x90:rate=25";
const TONE: &str = "sine=frequency=440:sample_rate=48000";
const AAC: &str = "-c:a aac -b:a 32k -ac 1";
const OPUS: &str = "-c:a libopus -b:a 32k -ac 2";
/// Closed GOPs of a second, with B-frames.
const HEVC: &str = "-rtmp_enhanced_codecs hvc1,av01,Opus -c:v libx265 -preset ultrafast -pix_fmt yuv420p \
    -b:v 60k -x265-params keyint=25:min-keyint=25:scenecut=0:bframes=2:open-gop=0:log-level=0";
/// Open GOPs.
const HEVC_OPEN: &str = "-rtmp_enhanced_codecs hvc1 -c:v libx265 -preset ultrafast -pix_fmt yuv420p \
    -b:v 60k -x265-params keyint=24:min-keyint=1:scenecut=0:bframes=3:b-adapt=0:open-gop=1:log-level=0";
const AV1: &str = "-rtmp_enhanced_codecs hvc1,av01,Opus -c:v libaom-av1 -cpu-used 8 -usage realtime \
    -pix_fmt yuv420p -b:v 60k -g 25 -keyint_min 25 -lag-in-frames 0";

/// A picture of HEVC, half of it in each direction as H.264, and two tones.
const LAYERS: &str = "-filter_complex [0:v]split[large][small];[small]scale=80:-2[scaled] \
    -map [large] -map [scaled] -map 1:a -map 2:a -rtmp_enhanced_codecs hvc1,avc1,mp4a \
    -c:v:0 libx265 -c:v:1 libx264 -preset ultrafast -pix_fmt yuv420p -b:v 40k -g 25 \
    -x265-params keyint=25:min-keyint=25:scenecut=0:bframes=0:open-gop=0:log-level=0";

async fn publish(arguments: &str) -> Published {
    let mut gateway = Gateway::new();
    publish_with(&current_ffmpeg(), &mut gateway, arguments, "live/secret").await
}

fn key_frames(published: &Published) -> Vec<usize> {
    let video = published.of(TrackId::VIDEO);
    (0..video.len()).filter(|&at| video[at].random_access).collect()
}

fn codecs(published: &Published) -> Vec<String> {
    published.tracks.iter().map(|track| track.parameters.rfc6381()).collect()
}

#[tokio::test]
async fn hevc_and_aac_arrive_whole_and_in_time() {
    let arguments = format!("-f lavfi -i {PICTURE} -f lavfi -i {TONE} -t 3 {HEVC} {AAC}");
    let published = publish(&arguments).await;
    assert_clean(&published);
    let mut names = codecs(&published);
    names.sort();
    assert_eq!(names, ["hvc1.1.6.L30.90", "mp4a.40.2"]);
    let pictures = published.tracks.iter().find_map(|track| track.parameters.picture());
    let (codec, picture) = pictures.unwrap();
    assert_eq!((codec, picture.width, picture.height), (VideoCodec::Hevc, 160, 90));
    let video = published.of(TrackId::VIDEO);
    assert_eq!((video.len(), key_frames(&published)), (75, vec![0, 25, 50]));
    assert!(video.windows(2).all(|pair| pair[1].dts - pair[0].dts == 3_600));
    let mut shown: Vec<_> = video.iter().map(|unit| unit.pts).collect();
    assert!(!shown.is_sorted(), "B-frames are reordered");
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == 3_600));
    let audio = published.of(TrackId::AUDIO);
    assert!(audio.windows(2).all(|pair| pair[1].dts - pair[0].dts == 1_024));
}

/// The pictures before the second key frame in presentation order follow it in decoding order.
#[tokio::test]
async fn open_gops_of_hevc_are_taken_whole() {
    let published = publish(&format!("-f lavfi -i {PICTURE} -t 3 {HEVC_OPEN}")).await;
    assert_clean(&published);
    let video = published.of(TrackId::VIDEO);
    assert_eq!((video.len(), key_frames(&published)), (75, vec![0, 21, 45, 69]));
    let second = key_frames(&published)[1];
    assert!(video[second + 1].pts < video[second].pts, "leading pictures");
}

#[tokio::test]
async fn av1_and_opus_arrive_whole_and_in_time() {
    let arguments = format!("-f lavfi -i {PICTURE} -f lavfi -i {TONE} -t 3 {AV1} {OPUS}");
    let published = publish(&arguments).await;
    assert_clean(&published);
    let mut names = codecs(&published);
    names.sort();
    assert_eq!(names, ["av01.0.00M.08", "opus"]);
    let video = published.of(TrackId::VIDEO);
    assert_eq!((video.len(), key_frames(&published)), (75, vec![0, 25, 50]));
    assert!(video.windows(2).all(|pair| pair[1].dts - pair[0].dts == 3_600));
    let first = |unit: &media::AccessUnit| unit.payload.bytes().next().unwrap() >> 3;
    assert!(video.iter().all(|unit| first(unit) != 2), "no temporal delimiter");
    let audio = published.of(TrackId::AUDIO);
    let steps: Vec<_> = audio.windows(2).map(|pair| pair[1].dts - pair[0].dts).collect();
    // The first stamp is rounded another way than the others; a tick at a time makes up for it.
    assert!(steps.iter().all(|step| (960..=961).contains(step)), "{steps:?}");
    assert!((149..=152).contains(&audio.len()), "{} packets of 20 ms", audio.len());
    let sound = published.tracks.iter().find_map(|track| match &track.parameters {
        CodecParameters::Opus(opus) => Some(opus),
        CodecParameters::H264(_)
        | CodecParameters::Hevc(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Aac(_) => None,
    });
    assert_eq!(sound.map(|opus| (opus.channels, opus.packet_samples)), Some((2, 960)));
}

#[tokio::test]
async fn h264_under_the_extended_header_is_h264() {
    let arguments = format!(
        "-f lavfi -i {PICTURE} -t 2 -rtmp_enhanced_codecs avc1,mp4a -c:v libx264 -preset ultrafast \
         -pix_fmt yuv420p -b:v 60k -g 25"
    );
    let published = publish(&arguments).await;
    assert_clean(&published);
    assert!(codecs(&published)[0].starts_with("avc1."), "{:?}", codecs(&published));
    assert_eq!((published.of(TrackId::VIDEO).len(), key_frames(&published)), (50, vec![0, 25]));
}

#[tokio::test]
async fn each_of_several_tracks_arrives_whole_and_in_time() {
    let arguments =
        format!("-f lavfi -i {PICTURE} -f lavfi -i {TONE} -f lavfi -i {TONE} -t 2 {LAYERS} {AAC}");
    let published = publish(&arguments).await;
    assert_clean(&published);
    assert_eq!(published.layout, Some((2, 2)));
    let tracks = published.tracks.iter().map(|track| (track.id, track.parameters.rfc6381()));
    let mut tracks: Vec<_> = tracks.collect();
    tracks.sort();
    let ids: Vec<_> = tracks.iter().map(|(id, _)| id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4], "{tracks:?}");
    let codecs: Vec<_> = tracks.iter().filter_map(|(_, codec)| codec.split('.').next()).collect();
    assert_eq!(codecs, ["hvc1", "mp4a", "avc1", "mp4a"]);
    let sizes = published.tracks.iter().filter_map(|track| track.parameters.picture());
    let sizes: Vec<_> = sizes.map(|(_, picture)| (picture.width, picture.height)).collect();
    assert_eq!(sizes, [(160, 90), (80, 46)]);
    for track in [TrackId::VIDEO, TrackId(3)] {
        let video = published.of(track);
        let keys: Vec<_> = (0..video.len()).filter(|&at| video[at].random_access).collect();
        assert_eq!((video.len(), keys), (50, vec![0, 25]), "{track}");
        assert!(video.windows(2).all(|pair| pair[1].dts - pair[0].dts == 3_600), "{track}");
    }
    let places = |track| published.of(track).iter().map(|unit| unit.pts).collect::<Vec<_>>();
    assert_eq!(places(TrackId::VIDEO), places(TrackId(3)), "layers lie upon each other");
    for track in [TrackId::AUDIO, TrackId(4)] {
        let audio = published.of(track);
        assert!(audio.len() > 90, "{track}: {}", audio.len());
        assert!(audio.windows(2).all(|pair| pair[1].dts - pair[0].dts == 1_024), "{track}");
    }
}

#[tokio::test]
async fn a_codec_that_is_not_supported_is_named() {
    let arguments = format!(
        "-re -f lavfi -i {PICTURE} -t 5 -rtmp_enhanced_codecs vp09 -c:v libvpx-vp9 -deadline realtime -b:v 60k"
    );
    let published = publish(&arguments).await;
    let Ok(ConnectionEnd::Refused(refusal)) = &published.outcome.result else {
        panic!("{:?}", published.outcome);
    };
    assert!(refusal.to_string().contains("vp09"), "{refusal}");
    assert!(matches!(published.ended, Some(EndReason::Refused(_))));
}

/// Writes the fixtures that `tests/replay.rs` reads.
#[tokio::test]
#[ignore = "writes fixtures/ffmpeg-9.0; run by hand to make them anew"]
async fn capture_fixtures() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ffmpeg-9.0");
    std::fs::create_dir_all(&path).unwrap();
    let input = format!("-f lavfi -i {PICTURE} -f lavfi -i {TONE}");
    let three = format!("{input} -f lavfi -i {TONE}");
    let several = format!("{three} -map 0:v -map 1:a -map 2:a");
    for (name, arguments) in [
        ("hevc", format!("{input} -t 2 {HEVC} {AAC}")),
        ("hevc-open-gop", format!("-f lavfi -i {PICTURE} -t 2 {HEVC_OPEN}")),
        ("av1-opus", format!("{input} -t 2 {AV1} {OPUS}")),
        ("two-audio-tracks", format!("{several} -t 1 {HEVC} {AAC}")),
        ("two-of-each", format!("{three} -t 1 {LAYERS} {AAC}")),
    ] {
        let published = publish(&arguments).await;
        assert_clean(&published);
        assert!(published.bytes.len() < 200_000, "{name}: {} bytes", published.bytes.len());
        std::fs::write(path.join(format!("{name}.rtmp")), &published.bytes).unwrap();
    }
}
