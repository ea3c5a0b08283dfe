//! What takes too long for every run: `make prove-2` runs these.

use std::{path::Path, time::Duration};

use tokio::process::Command;

use crate::{
    browser::watch,
    support::{
        Gateway, QUICK,
        encoder::{FULL_HD, HD, Publisher, decode_errors, frame_hashes},
    },
    transcoding::{orchestrator_of, pictures},
};

const RENDITIONS: [&str; 3] = ["720p", "480p", "360p"];

/// Presentation times of the coded frames, in seconds and decoding order, and their hashes.
async fn coded_frames(file: &Path, kind: &str) -> Vec<(String, f64)> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-copyts", "-i"]).arg(file).args(["-map", &format!("0:{kind}")]);
    let output = command.args(["-c", "copy", "-f", "framehash", "-"]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let time_base = text.lines().find_map(|line| line.strip_prefix("#tb 0: 1/")).unwrap();
    let per_second: f64 = time_base.parse().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<_> = line.split(',').map(str::trim).collect();
            (fields[5].to_owned(), fields[2].parse::<f64>().unwrap() / per_second)
        })
        .collect()
}

/// Presentation times of the video as its boxes give them: FFmpeg moves all of them where the first
/// composition offset is negative.
fn boxed_times(file: &Path) -> Vec<f64> {
    let video = container::mp4::read(&std::fs::read(file).unwrap().into()).unwrap().video.unwrap();
    let seconds = |pts: i64| pts as f64 / f64::from(video.timescale.get());
    video.samples.iter().map(|sample| seconds(sample.pts)).collect()
}

/// How much later `got` is than `sent`, in seconds: least and most.
fn shift(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let shifts = pairs.map(|(sent, got)| got - sent);
    shifts.fold((f64::MAX, f64::MIN), |(least, most), shift| (least.min(shift), most.max(shift)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute of 1080p30 on an otherwise idle machine"]
async fn a_minute_of_1080p30_comes_out_whole() {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    let watcher = gateway.watch("cam");
    let url = gateway.publish_url("cam");
    let (went_well, said) = Publisher::start(&FULL_HD, &url, 60).finish().await;
    assert!(went_well, "{said}");
    let ended = |list: &str| list.contains("ENDLIST");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(15), ended).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let file = |name: &str| gateway.data_dir.join(format!("{name}.mp4"));
    for name in ["source", "audio"].iter().chain(&RENDITIONS) {
        std::fs::write(file(name), report.track(name).joined()).unwrap();
        assert_eq!(decode_errors(&file(name)).await, "", "{name}");
    }

    let source = report.track("source");
    println!("{} segments", source.bodies.len());
    assert!(source.bodies.len() >= 29, "{}", source.bodies.len());
    let mut farthest = 0.0_f64;
    for name in RENDITIONS {
        let rendition = report.track(name);
        assert_eq!(rendition.gaps(), source.gaps(), "{name}");
        for number in source.bodies.keys() {
            let ((at, count), (source_at, source_count)) =
                (pictures(rendition, *number), pictures(source, *number));
            farthest = farthest.max((at - source_at).abs());
            assert_eq!(count, source_count, "{name} {number}");
        }
    }
    println!("renditions' boundaries are at most {:.3} ms from the source's", farthest * 1e3);
    assert!(farthest < 1.0 / 30.0);

    let sent = FULL_HD.file();
    let (hashes, got) =
        (frame_hashes(&sent, None).await, frame_hashes(&file("source"), None).await);
    println!("{} decoded pictures of {} equal", got.len(), hashes.len());
    assert!(got.len() >= 60 * 30 - 3, "{} pictures", got.len());
    assert_eq!(got[..], hashes[..got.len()]);

    let (sent_video, sent_audio) = (coded_frames(&sent, "v").await, coded_frames(&sent, "a").await);
    let got_audio = coded_frames(&file("audio"), "a").await;
    let first = sent_audio.iter().position(|(hash, _)| *hash == got_audio[0].0).unwrap();
    let audio = sent_audio[first..].iter().zip(&got_audio);
    let audio = shift(audio.map(|((sent_hash, sent), (hash, got))| {
        assert_eq!(hash, sent_hash);
        (*sent, *got)
    }));
    let sent_times = sent_video.iter().map(|(_, at)| *at);
    let video = shift(sent_times.zip(boxed_times(&file("source"))));
    println!("moved by: video {video:?} s, audio {audio:?} s");
    // FLV counts milliseconds, so each stamp of the publisher is up to half of one off.
    assert!((audio.0 - video.1).abs() < 0.001_5 && (audio.1 - video.0).abs() < 0.001_5);
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "forty seconds of Chromium on an otherwise idle machine"]
async fn chromium_plays_on_when_the_orchestrator_is_killed() {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    let publisher = Publisher::start(&HD, &gateway.publish_url("cam"), 60);
    let listed = |list: &str| list.matches("#EXTINF").count() >= 3;
    gateway.viewer().wait_for("/cam/480p.m3u8", Duration::from_secs(20), listed).await;
    let kill = async {
        // Chromium is in the middle of its watch.
        tokio::time::sleep(Duration::from_secs(12)).await;
        let victim = orchestrator_of(&gateway.data_dir).to_string();
        let killed = std::process::Command::new("kill").args(["-KILL", &victim]).status();
        assert!(killed.unwrap().success());
    };
    let (seen, ()) = tokio::join!(watch(&gateway, "cam", 40), kill);
    publisher.kill().await;
    gateway.shut_down().await;
    println!("{seen:?}");
    assert!(seen.started && seen.errors.is_empty(), "{seen:?}");
    assert!(seen.played_seconds > seen.watched_seconds - 1.0, "{seen:?}");
    assert!(seen.longest_still_ms < 1_000.0, "{seen:?}");
}
