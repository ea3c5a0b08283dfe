//! Comparing pictures through real workers: what is the same picture, and what is another.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
#![allow(clippy::print_stdout, reason = "the measures that the limits are chosen by")]

mod support;

use std::sync::OnceLock;

use bytes::Bytes;
use codec::{
    CompareJob, FaultCause, OutputContainer, PictureComparison, Thumbnail, TranscodeJob,
    TranscodeJobError, WorkerConfig, WorkerPool,
};
use media::Chain;
use support::{CMAF, TS, chain, config, ladder, pool, reencode, segment, silent_segment};
use tokio::time::Instant;

/// Between what poor encodings of the right picture keep, and what another picture reaches.
const SIMILAR: u32 = 620;
/// How far from it everything here stays.
const MARGIN: u32 = 100;

/// Moving scenes: graphics with hard edges, nature-like detail under a zoom, and one in the dark.
const SCENES: [(&str, &str); 3] = [
    ("graphics", "testsrc2=s=640x360:r=30"),
    ("zoom", "mandelbrot=s=640x360:r=30:start_scale=0.5:end_pts=60"),
    ("dark", "mandelbrot=s=640x360:r=30,eq=brightness=-0.3:contrast=0.4"),
];

/// A scene as a segment, made once.
fn scene(index: usize) -> Bytes {
    static MADE: [OnceLock<Bytes>; 3] = [const { OnceLock::new() }; 3];
    let make = || silent_segment(SCENES[index].1, "2", &[], CMAF);
    MADE[index].get_or_init(make).clone()
}

async fn compare(
    pool: &WorkerPool,
    source: &Bytes,
    renditions: Vec<Bytes>,
) -> Result<Vec<PictureComparison>, TranscodeJobError> {
    let job = CompareJob { source: chain(source), renditions };
    Ok(pool.compare(job).await?.comparisons)
}

/// Compares named renditions and prints what was measured.
async fn measure(
    pool: &WorkerPool,
    scene: &str,
    source: &Bytes,
    renditions: &[(&str, Bytes)],
) -> Vec<PictureComparison> {
    let files = renditions.iter().map(|(_, file)| file.clone()).collect();
    let comparisons = compare(pool, source, files).await.unwrap();
    for ((name, _), c) in renditions.iter().zip(&comparisons) {
        println!(
            "{scene:9} {name:22} similarity {:4} difference {:4} mean {:3} {:3} deviation {:3} {:3} pictures {:2} {}",
            c.similarity_permille,
            c.difference_permille,
            c.source_mean,
            c.rendition_mean,
            c.source_deviation,
            c.rendition_deviation,
            c.pictures,
            c.fault.as_ref().map(codec::TranscodeFault::detail).unwrap_or_default(),
        );
    }
    comparisons
}

fn bitrate(bits: &str) -> [&str; 6] {
    ["-b:v", bits, "-maxrate", bits, "-bufsize", bits]
}

#[tokio::test]
async fn encodings_of_the_same_pictures_are_similar() {
    let pool = pool(1);
    for (index, (name, _)) in SCENES.into_iter().enumerate() {
        let source = scene(index);
        let poor = |filter, bits| reencode(&source, filter, &bitrate(bits), TS);
        let b_frames = [&bitrate("300k")[..], &["-bf", "3", "-preset", "veryfast"]].concat();
        let renditions = [
            ("itself", source.clone()),
            ("360p at 1 Mbit/s", poor("null", "1M")),
            ("360p at 100 kbit/s", poor("null", "100k")),
            ("270p with B-frames", reencode(&source, "scale=480:270", &b_frames, CMAF)),
            ("240p at 100 kbit/s", poor("scale=426:240", "100k")),
            ("90p at 40 kbit/s", poor("scale=160:90", "40k")),
            ("half the rate", poor("fps=15,scale=480:270", "300k")),
            ("25 pictures a second", poor("fps=25,scale=480:270", "300k")),
            ("pixels not square", poor("scale=480:360", "500k")),
        ];
        let comparisons = measure(&pool, name, &source, &renditions).await;
        for ((rendition, _), comparison) in renditions.iter().zip(&comparisons) {
            assert!(comparison.decodable, "{rendition}");
            assert!(comparison.similarity_permille > SIMILAR + MARGIN, "{name} {rendition}");
            assert!(comparison.difference_permille < 40, "{name} {rendition}");
        }
        assert_eq!(comparisons[0].similarity_permille, 1_000);
        assert_eq!(comparisons[0].difference_permille, 0);
        let pair = comparisons[0].worst_pair.as_ref().unwrap();
        assert_eq!(pair.source, pair.rendition);
        assert!(comparisons.iter().all(|comparison| comparison.pictures <= 31));
    }
}

#[tokio::test]
async fn what_our_own_workers_make_is_similar() {
    let pool = pool(1);
    let source = segment("testsrc2=s=1280x720:r=30,noise=alls=12:allf=t", "2", &[], TS);
    for output in [OutputContainer::MpegTs, OutputContainer::Mp4] {
        let job = TranscodeJob { input: chain(&source), renditions: ladder(), output };
        let done = pool.transcode(job).await.unwrap();
        let renditions: Vec<_> =
            done.renditions.into_iter().map(|rendition| ("ladder", rendition.data)).collect();
        let start = Instant::now();
        let comparisons = measure(&pool, "noisy", &source, &renditions).await;
        println!("2 s of 720p30 and three renditions: {:?}", start.elapsed());
        assert!(comparisons.iter().all(|comparison| comparison.similarity_permille > 900));
    }
}

#[tokio::test]
async fn other_pictures_are_not_similar() {
    let pool = pool(1);
    for (index, (name, _)) in SCENES.into_iter().enumerate() {
        let source = scene(index);
        let other = scene((index + 1) % SCENES.len());
        let good = &bitrate("1M")[..];
        let faked = |filter| reencode(&source, filter, good, TS);
        let renditions = [
            ("black", faked("drawbox=c=black:t=fill")),
            ("grey", faked("drawbox=c=gray:t=fill")),
            ("another scene", reencode(&other, "null", good, TS)),
            ("frozen", faked("select=eq(n\\,0),loop=60:1,setpts=N/30/TB")),
            ("backwards", faked("reverse")),
            ("upside down", faked("vflip")),
            ("mirrored", faked("hflip")),
            ("stretched", faked("scale=480:360,setsar=1")),
            ("cut out of the middle", faked("crop=iw/2:ih/2")),
            ("inverted", faked("negate")),
        ];
        let comparisons = measure(&pool, name, &source, &renditions).await;
        for ((rendition, _), comparison) in renditions.iter().zip(&comparisons) {
            assert!(comparison.decodable, "{rendition}");
            assert!(comparison.similarity_permille < SIMILAR - MARGIN, "{name} {rendition}");
        }
    }
}

#[tokio::test]
async fn every_shape_is_compared_as_it_is_shown() {
    let pool = pool(1);
    let portrait = silent_segment("mandelbrot=s=270x480:r=30", "0.5", &[], TS);
    let anamorphic = silent_segment("testsrc2=s=480x360:r=30,setsar=4/3", "0.5", &[], TS);
    let odd = silent_segment("testsrc2=s=641x271:r=30,format=yuv444p", "0.5", YUV444, TS);
    let good = bitrate("1M");
    let cases = [
        ("portrait", &portrait, "scale=136:240,setsar=1", true),
        ("portrait", &portrait, "scale=480:270,setsar=1", false),
        ("anamorphic", &anamorphic, "scale=640:360,setsar=1", true),
        ("anamorphic", &anamorphic, "setsar=1", false),
        ("4:4:4", &odd, "scale=426:180,setsar=1,format=yuv420p", true),
        ("4:4:4", &odd, "scale=426:240,setsar=1,format=yuv420p", false),
    ];
    for (name, source, filter, same) in cases {
        let rendition = reencode(source, filter, &good, TS);
        let comparisons = measure(&pool, name, source, &[(filter, rendition)]).await;
        let similarity = comparisons[0].similarity_permille;
        let (low, high) = (SIMILAR - MARGIN, SIMILAR + MARGIN);
        assert!(if same { similarity > high } else { similarity < low }, "{name} {filter}");
    }
}

const YUV444: &[&str] = &["-pix_fmt", "yuv444p"];

#[tokio::test]
async fn flat_pictures_are_told_apart_by_their_level() {
    let pool = pool(1);
    let flat =
        |color: &str| silent_segment(&format!("color={color}:s=320x180:r=30"), "0.5", &[], TS);
    let (black, grey) = (flat("black"), flat("gray"));
    let same = |source: &Bytes| reencode(source, "scale=160:90", &bitrate("50k"), CMAF);
    let to_grey = [("grey", same(&grey)), ("black", same(&black)), ("dark", flat("0x202020"))];
    let to_grey = measure(&pool, "grey", &grey, &to_grey).await;
    assert!(to_grey[0].similarity_permille > 990 && to_grey[0].difference_permille <= 8);
    assert!(to_grey[1].similarity_permille < 10 && to_grey[2].similarity_permille < SIMILAR);
    assert_eq!((to_grey[1].rendition_mean, to_grey[1].rendition_deviation), (0, 0));
    let to_black = [("black", same(&black)), ("grey", same(&grey)), ("dark", flat("0x202020"))];
    let to_black = measure(&pool, "black", &black, &to_black).await;
    assert!(to_black[0].similarity_permille > 990);
    assert!(to_black[1].similarity_permille < 10 && to_black[2].similarity_permille < 50);
}

#[tokio::test]
async fn the_worst_pair_is_kept_as_evidence_and_is_the_right_picture() {
    let pool = pool(1);
    let pyramid = ["-preset", "veryfast", "-bf", "3", "-b_strategy", "0", "-b-pyramid", "normal"];
    for video in [&[][..], &pyramid] {
        let source = silent_segment(SCENES[1].1, "2", video, CMAF);
        let frozen = "select=eq(n\\,0),loop=60:1,setpts=N/30/TB";
        let frozen = reencode(&source, frozen, &bitrate("2M"), TS);
        let comparison = compare(&pool, &source, vec![frozen]).await.unwrap().remove(0);
        let pair = comparison.worst_pair.unwrap();
        for thumbnail in [&pair.source, &pair.rendition] {
            assert_eq!((thumbnail.width, thumbnail.height), (Thumbnail::WIDTH, Thumbnail::HEIGHT));
            let shape = support::probe(&thumbnail.to_pgm(), "v", "stream=codec_name,width,height");
            assert_eq!(shape, ["pgm,64,36"]);
        }
        assert_eq!(mean(&pair.source.luma), comparison.source_mean);
        assert_eq!(mean(&pair.rendition.luma), comparison.rendition_mean);
        // What ffmpeg sees when it decodes everything.
        let pictures = support::luma(&source, "64x36");
        let furthest = |picture: &[u8]| {
            let apart = picture.iter().zip(&pair.source.luma).map(|(a, b)| a.abs_diff(*b));
            apart.max().unwrap()
        };
        let found: Vec<_> = (0..60).filter(|n| furthest(&pictures[*n]) <= 1).collect();
        assert!(found.contains(&29) || found.contains(&30), "picture {found:?}");
    }
}

fn mean(luma: &[u8]) -> u8 {
    let sum: usize = luma.iter().copied().map(usize::from).sum();
    u8::try_from((sum + luma.len() / 2) / luma.len()).unwrap()
}

#[tokio::test]
async fn a_segment_of_one_picture_is_compared() {
    let pool = pool(1);
    let source = silent_segment("testsrc2=s=320x180:r=30", "0.03", &[], CMAF);
    let renditions = [
        ("same", reencode(&source, "scale=160:90", &bitrate("200k"), TS)),
        ("black", reencode(&source, "drawbox=c=black:t=fill", &bitrate("200k"), TS)),
    ];
    let comparisons = measure(&pool, "one", &source, &renditions).await;
    assert_eq!(comparisons[0].pictures, 1);
    assert!(comparisons[0].similarity_permille > SIMILAR + MARGIN);
    assert!(comparisons[1].similarity_permille < SIMILAR - MARGIN);
}

#[tokio::test]
async fn what_can_not_be_decoded_is_a_result_and_the_worker_lives_on() {
    use FaultCause::{InvalidData, InvalidVideo, UnsupportedCodec};

    let pool = pool(1);
    let filters = "testsrc2=s=640x360:r=30";
    let source = segment(filters, "2", &[], TS);
    let good = reencode(&source, "null", &bitrate("1M"), TS);
    let mp4 = reencode(&source, "null", &bitrate("1M"), CMAF);
    let mut damaged = good.to_vec();
    let video_start = damaged.len() / 10 / 188 * 188;
    for packet in damaged[video_start..].chunks_mut(188) {
        packet[4..].fill(0x55);
    }
    let cases = [
        ("empty", Bytes::new(), InvalidData),
        ("garbage", support::noise(200_000), InvalidData),
        ("playlist", Bytes::from_static(b"#EXTM3U\n#EXTINF:2,\n/etc/passwd\n"), InvalidData),
        ("truncated MP4", mp4.slice(..mp4.len() * 9 / 10), InvalidData),
        ("truncated header", mp4.slice(..200), InvalidVideo),
        ("truncated TS", good.slice(..good.len() / 4), InvalidVideo),
        (
            "only a beginning",
            reencode(&source, "trim=end_frame=5", &bitrate("1M"), TS),
            InvalidVideo,
        ),
        ("damaged TS", damaged.into(), InvalidVideo),
        (
            "another codec",
            silent_segment(filters, "2", &["-c:v", "mpeg2video"], TS),
            UnsupportedCodec,
        ),
    ];
    let mut renditions: Vec<_> =
        cases.iter().map(|(name, file, _)| (*name, file.clone())).collect();
    renditions.push(("good", good.clone()));
    let comparisons = measure(&pool, "bad", &source, &renditions).await;
    for ((name, _, cause), comparison) in cases.iter().zip(&comparisons) {
        assert!(!comparison.decodable, "{name}");
        assert_eq!(comparison.fault.as_ref().unwrap().cause, *cause, "{name}");
        assert_eq!(comparison.similarity_permille, 0, "{name}");
        assert_eq!(comparison.difference_permille, 1_000, "{name}");
        assert_eq!(comparison.worst_pair, None, "{name}");
    }
    assert!(comparisons.last().unwrap().similarity_permille > SIMILAR + MARGIN);
}

#[tokio::test]
async fn a_faulty_source_or_a_faulty_job_is_an_error() {
    let pool = pool(1);
    let good = silent_segment("testsrc2=s=320x180:r=30", "0.5", &[], TS);
    let sources = [
        ("garbage", support::noise(100_000), FaultCause::InvalidData),
        ("empty", Bytes::new(), FaultCause::InvalidData),
        (
            "another codec",
            silent_segment("testsrc2=s=320x180:r=30", "0.5", &["-c:v", "mpeg2video"], TS),
            FaultCause::UnsupportedCodec,
        ),
    ];
    for (name, source, cause) in sources {
        let error = compare(&pool, &source, vec![good.clone()]).await.unwrap_err();
        let TranscodeJobError::Fault(fault) = &error else { panic!("{name}: {error}") };
        assert_eq!(fault.cause, cause, "{name}: {}", fault.detail());
    }
    for (renditions, cause) in [
        (0, FaultCause::InvalidArgument),
        (CompareJob::MAX_RENDITIONS + 1, FaultCause::TooManyOutputs),
    ] {
        let error = compare(&pool, &good, vec![good.clone(); renditions]).await.unwrap_err();
        let TranscodeJobError::Fault(fault) = &error else { panic!("{error}") };
        assert_eq!(fault.cause, cause);
    }
    let most = compare(&pool, &good, vec![good.clone(); CompareJob::MAX_RENDITIONS]).await.unwrap();
    assert_eq!(most.len(), CompareJob::MAX_RENDITIONS);
}

#[tokio::test]
async fn more_than_the_limit_never_reaches_a_worker() {
    let missing = WorkerPool::new(WorkerConfig { program: "/nonexistent".into(), ..config(1) });
    let piece = Bytes::from(vec![0; 64 << 20]);
    let source: Chain = std::iter::repeat_n(piece.clone(), 2).collect();
    let job =
        CompareJob { source, renditions: vec![piece.clone(), piece, Bytes::from_static(b"x")] };
    let error = missing.compare(job).await.unwrap_err();
    assert!(matches!(error, TranscodeJobError::TooLarge { .. }), "{error}");
}
