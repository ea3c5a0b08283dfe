//! Filler through worker processes: what stands still looks like what was shown last.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::process::Command;

use bytes::Bytes;
use codec::{
    FaultCause, FillerJob, FillerPicture, FillerProfile, FillerRendition, TranscodeJobError,
};
use media::VideoCodec;
use support::{CMAF, chain, ffmpeg, luma, pool, probe, silent_segment};

const SOURCE: &str = "testsrc2=s=1280x720:r=30";
const RATE: u8 = 10;

fn profile(name: &str, codec: VideoCodec, width: u32, height: u32) -> FillerProfile {
    FillerProfile {
        name: name.into(),
        codec,
        h264_profile_level: (codec == VideoCodec::H264).then_some([77, 0x40, 31]),
        width,
        height,
        sample_aspect_ratio: (1, 1),
        bitrate: 4_000_000,
    }
}

fn job(picture: FillerPicture, renditions: Vec<FillerProfile>) -> FillerJob {
    FillerJob { picture, renditions, pictures: 20, frame_rate: RATE }
}

fn last_of(segment: &Bytes) -> FillerPicture {
    FillerPicture::LastOf(chain(segment))
}

/// The stream as a file that ffmpeg reads.
fn file(rendition: &FillerRendition) -> Vec<u8> {
    rendition.pictures.concat()
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
    let pixels = u32::try_from(a.len()).unwrap();
    10.0 * (255.0 * 255.0 * f64::from(pixels) / squares.max(1.0)).log10()
}

/// Every picture looks like `wanted`, which is `size`.
fn check(rendition: &FillerRendition, size: &str, wanted: &[u8], least: f64) {
    let file = file(rendition);
    assert_eq!(rendition.pictures.len(), 20);
    let shown = luma(&file, size);
    assert_eq!(shown.len(), 20, "as many pictures come out as go in");
    for (index, picture) in shown.iter().enumerate() {
        let psnr = psnr(picture, wanted);
        assert!(psnr > least, "picture {index} of {size}: {psnr:.1} dB");
    }
    let (first, rest) = rendition.pictures.split_first().unwrap();
    let rest: usize = rest.iter().map(Bytes::len).sum();
    assert!(rest < first.len(), "what stands still costs nothing: {rest} after {}", first.len());
}

#[tokio::test]
async fn what_was_shown_last_stands_still_in_every_rendition() {
    let pool = pool(1);
    // With B-frames: what is decoded last is not what is shown last.
    let segment = silent_segment(SOURCE, "2", &[], CMAF);
    let sizes = [(1_280, 720), (854, 480), (640, 360)];
    let profile = |(width, height)| profile("r", VideoCodec::H264, width, height);
    let renditions: Vec<_> = sizes.into_iter().map(profile).collect();
    let filled = pool.fill(job(last_of(&segment), renditions)).await.unwrap();
    assert_eq!(filled.renditions.len(), 3);
    for ((width, height), rendition) in sizes.into_iter().zip(filled.renditions) {
        let rendition = rendition.unwrap();
        let size = format!("{width}x{height}");
        let source = luma(&segment, &size);
        check(&rendition, &size, source.last().unwrap(), 32.0);
        let file = file(&rendition);
        let shape = probe(&file, "v", "stream=codec_name,profile,width,height,level,has_b_frames");
        assert_eq!(shape, [format!("h264,Main,{width},{height},0,31")]);
        let kinds = probe(&file, "v", "frame=pict_type");
        assert_eq!(kinds[0], "I", "the first decodes by itself");
        assert!(kinds[1..].iter().all(|kind| kind == "P"), "{kinds:?}");
    }
}

#[tokio::test]
async fn hevc_and_av1_stay_what_they_are_where_the_machine_can() {
    let pool = pool(1);
    let segment = silent_segment(SOURCE, "1", &["-bf", "0"], CMAF);
    let source = luma(&segment, "1280x720");
    for codec in [VideoCodec::Hevc, VideoCodec::Av1] {
        let job = job(last_of(&segment), vec![profile("source", codec, 1_280, 720)]);
        let filled = pool.fill(job).await.unwrap();
        match &filled.renditions[0] {
            Ok(rendition) => check(rendition, "1280x720", source.last().unwrap(), 30.0),
            Err(fault) => assert_eq!(fault.cause, FaultCause::EncoderNotFound, "{fault:?}"),
        }
    }
}

#[tokio::test]
async fn segments_that_go_on_are_read_as_one() {
    let pool = pool(1);
    let whole = silent_segment(SOURCE, "3", &["-g", "90"], CMAF);
    // A header of another segment in the middle would start anew.
    let fragmented = [CMAF, &["-frag_duration", "1000000"][..]].concat();
    let pieces = silent_segment(SOURCE, "3", &["-g", "90"], &fragmented);
    let wanted = luma(&whole, "1280x720");
    let job = job(last_of(&pieces), vec![profile("source", VideoCodec::H264, 1_280, 720)]);
    let filled = pool.fill(job).await.unwrap();
    let rendition = filled.renditions[0].as_ref().unwrap();
    check(rendition, "1280x720", wanted.last().unwrap(), 32.0);
}

/// A gradient of 400x400, as a file of this kind.
fn image(kind: &str) -> Bytes {
    let mut command: Command = ffmpeg();
    command.args([
        "-f",
        "lavfi",
        "-i",
        "gradients=s=400x400:c0=red:c1=yellow:seed=1",
        "-frames:v",
        "1",
    ]);
    let output = command.args(["-f", "image2pipe", "-c:v", kind, "pipe:1"]).output().unwrap();
    assert!(output.status.success());
    output.stdout.into()
}

#[tokio::test]
async fn a_slate_keeps_its_shape_between_bars() {
    let pool = pool(1);
    for kind in ["png", "mjpeg"] {
        let picture = FillerPicture::Slate(image(kind));
        let anamorphic = FillerProfile {
            sample_aspect_ratio: (4, 3),
            ..profile("sd", VideoCodec::H264, 720, 480)
        };
        let renditions = vec![profile("source", VideoCodec::H264, 1_280, 720), anamorphic];
        let filled = pool.fill(job(picture, renditions)).await.unwrap();
        // A square of 720 x 720 in the middle of 1280; of 360 x 480 where samples are wide.
        for (rendition, (width, height), (left, right)) in [
            (&filled.renditions[0], (1_280, 720), (280, 1_000)),
            (&filled.renditions[1], (720, 480), (180, 540)),
        ] {
            let file = file(rendition.as_ref().unwrap());
            let shown = luma(&file, &format!("{width}x{height}"));
            let row = &shown[19][width * (height / 2)..][..width];
            assert!(row[..left - 8].iter().all(|luma| *luma < 24), "{kind}: a bar on the left");
            assert!(row[right + 8..].iter().all(|luma| *luma < 24), "{kind}: a bar on the right");
            assert!(row[left + 8..right - 8].iter().all(|luma| *luma > 60), "{kind}: the image");
        }
    }
}

#[tokio::test]
async fn what_is_no_picture_is_a_fault_and_the_worker_lives_on() {
    let pool = pool(1);
    let segment = silent_segment("testsrc2=s=320x180:r=10", "1", &[], CMAF);
    let good = profile("good", VideoCodec::H264, 320, 180);
    let png = image("png");
    let huge = {
        // Width and height of the header say 30 000 each.
        let mut bytes = png.to_vec();
        bytes[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        Bytes::from(bytes)
    };
    for picture in [
        FillerPicture::Slate(Bytes::from_static(b"GIF89a")),
        FillerPicture::Slate(png.slice(..png.len() / 3)),
        FillerPicture::Slate(huge),
        FillerPicture::LastOf(chain(&support::noise(9_000))),
        FillerPicture::LastOf(chain(&segment.slice(..segment.len() / 2))),
    ] {
        let error = pool.fill(job(picture, vec![good.clone()])).await.unwrap_err();
        assert!(matches!(error, TranscodeJobError::Fault(_)), "{error:?}");
    }
    let odd = FillerProfile { width: 321, ..good.clone() };
    let filled = pool.fill(job(last_of(&segment), vec![odd, good])).await.unwrap();
    assert_eq!(filled.renditions[0].as_ref().unwrap_err().cause, FaultCause::InvalidResolution);
    assert!(filled.renditions[1].is_ok(), "one that can't be made costs the others nothing");
}
