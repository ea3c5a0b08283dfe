//! Publishers that are killed and return, seen by hls.js and by FFmpeg: `make prove-5` runs these.

use std::{process::Stdio, time::Duration};

use tokio::{
    process::Child,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    browser::{Seen, watch},
    support::{
        Gateway,
        encoder::{OTHER_SIZE, Publisher, SMALL, Source, current_ffmpeg},
    },
    whip::ffmpeg_publisher,
};

/// Publishers over WebRTC that are killed say nothing: they are gone after five silent seconds.
const CONFIGURATION: &str = "shutdown_grace = \"0s\"\n[publisher]\nreconnect_window = \"12s\"\n\
    idle_timeout = \"5s\"\n";
/// Longer than both.
const PAST_THE_WINDOW: Duration = Duration::from_secs(20);
/// How long the first one publishes, and the second one.
const FIRST: Duration = Duration::from_secs(10);
const SECOND: u32 = 15;
/// How long the seat of a silent publisher is kept, and how often another one tries.
const SEAT: Duration = Duration::from_secs(8);
const TRY_EVERY: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Rtmp,
    Whip,
}

impl Protocol {
    fn start(self, gateway: &Gateway, source: &Source, seconds: u32) -> Child {
        match self {
            Self::Rtmp => Publisher::start(source, &gateway.publish_url("cam"), seconds).into(),
            Self::Whip => {
                let mut publisher = ffmpeg_publisher(gateway, "cam", seconds, source.size);
                publisher.stderr(Stdio::null()).spawn().unwrap()
            }
        }
    }

    /// Publishes to the end; as long as another one holds the seat, it is tried again.
    async fn publish(self, gateway: &Gateway, source: &Source) {
        let limit = Instant::now() + SEAT;
        loop {
            let status = self.start(gateway, source, SECOND).wait().await.unwrap();
            if status.success() {
                return;
            }
            assert!(Instant::now() < limit, "{self:?} does not get in again");
            sleep(TRY_EVERY).await;
        }
    }
}

/// What FFmpeg plays until the playlist ends: whether it went well, seconds of pictures, and what it says.
async fn play(gateway: &Gateway) -> (bool, f64, String) {
    let listed = |list: &str| list.matches("#EXTINF").count() >= 3;
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(20), listed).await;
    let http = gateway.app.addresses().http.unwrap();
    let output = tokio::process::Command::new(current_ffmpeg())
        .args(["-v", "warning", "-live_start_index", "0", "-i", &format!("http://{http}/cam.m3u8")])
        .args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "null", "-progress", "-", "-"])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(120), output).await.expect("it ends");
    let output = output.unwrap();
    let progress = String::from_utf8_lossy(&output.stdout).into_owned();
    let frames = progress.lines().rev().find_map(|line| line.strip_prefix("frame="));
    let frames: f64 = frames.expect("pictures").trim().parse().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), frames / f64::from(SMALL.rate), said)
}

/// Kills a publisher, and has one with `second` return after `away`.
async fn leave_and_return(protocol: Protocol, away: Duration, second: &Source) {
    for source in [&SMALL, second] {
        source.file();
    }
    let gateway = Gateway::without_transcoding(CONFIGURATION);
    let in_time = away < PAST_THE_WINDOW;
    let publish = async {
        let mut watcher = Some(gateway.watch("cam"));
        let mut first = protocol.start(&gateway, &SMALL, 60);
        sleep(FIRST).await;
        first.kill().await.unwrap();
        let returns = Instant::now() + away;
        if !in_time {
            let ended = |list: &str| list.contains("ENDLIST");
            gateway.viewer().wait_for("/cam/source.m3u8", away, ended).await;
            // What comes next is another presentation.
            watcher.take().unwrap().finish().await.assert_clean();
        }
        sleep_until(returns).await;
        protocol.publish(&gateway, second).await;
        if let Some(watcher) = watcher {
            watcher.finish().await.assert_clean();
        }
    };
    let seconds = FIRST + away + Duration::from_secs(u64::from(SECOND));
    let watched = watch(&gateway, "cam", u32::try_from(seconds.as_secs()).unwrap() - 4);
    let (seen, (went_well, played, said), ()) = tokio::join!(watched, play(&gateway), publish);
    println!("{protocol:?}, {away:?} away, then {}: {seen:?}", second.size);
    let broken = said.matches("error while decoding").count();
    println!("FFmpeg played {played:.1} s, {broken} times broken");
    assert!(went_well, "{said}");
    // FFmpeg reads the first of a playlist's inits only, whatever comes after.
    assert!(broken == 0 || second.name != SMALL.name, "{said}");
    assert!(seen.started && seen.errors.is_empty(), "{seen:?}");
    assert!(seen.sizes.iter().any(|size| size == second.size), "{seen:?}");
    if in_time {
        assert_plays_through(&seen, played);
    } else {
        // The first presentation has ended, and with it what FFmpeg plays.
        assert!(played > FIRST.as_secs_f64() - 3.0, "{played} s");
    }
    gateway.shut_down().await;
}

/// Both publishers are played, and filler between them.
fn assert_plays_through(seen: &Seen, played: f64) {
    // It is behind by three segments when the publisher goes; the first stand-in may be a gap.
    let lost = 6.0;
    assert!(seen.played_seconds > seen.watched_seconds - lost, "{seen:?}");
    assert!(seen.longest_still_ms < lost * 1e3, "{seen:?}");
    let both = FIRST.as_secs_f64() + f64::from(SECOND);
    assert!(played > both - 5.0, "{played} s");
}

async fn both_sources(protocol: Protocol, away: Duration) {
    for second in [&SMALL, &OTHER_SIZE] {
        leave_and_return(protocol, away, second).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, with a browser"]
async fn over_rtmp_after_half_a_second() {
    both_sources(Protocol::Rtmp, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, with a browser"]
async fn over_rtmp_after_10_seconds() {
    both_sources(Protocol::Rtmp, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, with a browser"]
async fn over_rtmp_past_the_window() {
    both_sources(Protocol::Rtmp, PAST_THE_WINDOW).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, with a browser"]
async fn over_webrtc_after_half_a_second() {
    both_sources(Protocol::Whip, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, with a browser"]
async fn over_webrtc_after_10_seconds() {
    both_sources(Protocol::Whip, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, with a browser"]
async fn over_webrtc_past_the_window() {
    both_sources(Protocol::Whip, PAST_THE_WINDOW).await;
}
