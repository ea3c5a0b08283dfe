//! Publishing over WebRTC for minutes, over bad networks and from clients that move: `make prove-5` runs these.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    browser::watch,
    support::{
        Gateway, QUICK,
        lossy::LossyRelay,
        watcher::{Report, TrackHistory, Watcher},
    },
    whip::{
        apart, assert_decodes, assert_together, decoding_says, publish, publish_with_aiortc,
        publish_with_ffmpeg, track_file,
    },
};

/// How long each one publishes.
const SECONDS: u32 = 60;
/// Segments of a rendition that the orchestrator may make too late, on a machine that has no time.
const LATE_MAX: usize = 2;

/// The names of the playlists with pictures.
fn pictures(report: &Report) -> Vec<String> {
    let names = report.tracks.keys().filter_map(|uri| {
        Some(Path::new(uri).file_stem()?.to_str()?.to_owned()).filter(|name| name != "audio")
    });
    names.collect()
}

/// Once the stream has ended: every rendition has every segment, decodes, and is in step with the sound.
async fn assert_whole(gateway: &Gateway, watcher: Watcher) {
    let report = assert_decodes(gateway, watcher, SECONDS).await;
    report.assert_clean();
    let names = pictures(&report);
    assert!(names.len() >= 2, "no renditions beside the source: {names:?}");
    let gaps = report.track("source").gaps();
    for name in names {
        let (track, file) = (report.track(&name), track_file(gateway, &name));
        let own: Vec<_> = track.gaps().into_iter().filter(|it| !gaps.contains(it)).collect();
        println!("{name}: {} segments, not made in time {own:?}", track.bodies.len());
        assert!(own.len() <= LATE_MAX, "{name}: {own:?}");
        std::fs::write(&file, track.joined()).unwrap();
        assert_eq!(decoding_says(&file).await, "", "{name}");
        let apart = apart(&file, &track_file(gateway, "audio")).await;
        println!("{name}: sound after picture, in seconds: {apart:.3?}");
        assert!(apart.len() >= SECONDS as usize - 8, "{name}: {} beats", apart.len());
        assert_together(&name, &apart);
    }
}

async fn transcoding() -> Gateway {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    gateway
}

/// The watch page plays nearly as long as it is watched.
async fn assert_watched(gateway: &Gateway) {
    let seen = watch(gateway, "cam", 40).await;
    println!("{seen:?}");
    assert!(seen.started && seen.errors.is_empty(), "{seen:?}");
    assert!(seen.played_seconds > seen.watched_seconds - 3.0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and more, with two browsers"]
async fn chromium_is_whole_and_in_step_after_a_minute() {
    let gateway = transcoding().await;
    let watcher = gateway.watch("cam");
    let publishing = publish(&gateway, "cam", SECONDS, &["beats"]);
    let (published, ()) = tokio::join!(publishing, assert_watched(&gateway));
    assert!(published.published, "{published:?}");
    assert_whole(&gateway, watcher).await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and more, with a browser"]
async fn ffmpeg_is_whole_and_in_step_after_a_minute() {
    let gateway = transcoding().await;
    let watcher = gateway.watch("cam");
    tokio::join!(publish_with_ffmpeg(&gateway, "cam", SECONDS), assert_watched(&gateway));
    assert_whole(&gateway, watcher).await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and more, with a browser"]
async fn aiortc_is_whole_and_in_step_after_a_minute() {
    let gateway = transcoding().await;
    let watcher = gateway.watch("cam");
    tokio::join!(publish_with_aiortc(&gateway, "cam", SECONDS, &[]), assert_watched(&gateway));
    assert_whole(&gateway, watcher).await;
    gateway.shut_down().await;
}

#[derive(Clone, Copy, Debug)]
enum Client {
    Chromium,
    Aiortc,
}

/// So many of a thousand datagrams are lost on a way of 40 ms there and back, and all of them for 200 ms.
async fn over_a_lossy_network(client: Client, permille: u64) {
    let gateway = transcoding().await;
    let server = gateway.app.addresses().webrtc.unwrap();
    let relay = LossyRelay::start(server, permille, Duration::from_millis(20), 1).await;
    let watcher = gateway.watch("cam");
    let via = format!("via={}", relay.addr.port());
    let publishing = async {
        match client {
            Client::Chromium => {
                let published = publish(&gateway, "cam", SECONDS, &["beats", &via]).await;
                assert!(published.published && published.retransmitted > 0, "{published:?}");
            }
            Client::Aiortc => publish_with_aiortc(&gateway, "cam", SECONDS, &[&via]).await,
        }
    };
    let burst = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        relay.block_for(Duration::from_millis(200)).await;
    };
    tokio::join!(publishing, burst);
    let (carried, lost) = relay.counts();
    println!("{client:?}: {lost} datagrams lost, {carried} carried");
    assert!(lost * 1_000 > carried * permille * 3 / 4, "{lost} of {carried} lost");
    assert_whole(&gateway, watcher).await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and more, with a browser"]
async fn chromium_comes_whole_through_2_percent_loss() {
    over_a_lossy_network(Client::Chromium, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and more, with a browser"]
async fn chromium_comes_whole_through_5_percent_loss() {
    over_a_lossy_network(Client::Chromium, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and more"]
async fn aiortc_comes_whole_through_2_percent_loss() {
    over_a_lossy_network(Client::Aiortc, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and more"]
async fn aiortc_comes_whole_through_5_percent_loss() {
    over_a_lossy_network(Client::Aiortc, 50).await;
}

/// Presentation times of all pictures, in seconds.
fn shown(track: &TrackHistory) -> Vec<f64> {
    let times = |number: &u64| {
        let video = container::mp4::read(&track.file(*number)).unwrap().video.unwrap();
        let seconds = |pts: i64| pts as f64 / f64::from(video.timescale.get());
        video.samples.iter().map(|sample| seconds(sample.pts)).collect::<Vec<_>>()
    };
    track.bodies.keys().flat_map(times).collect()
}

/// A client's network changes: it has another address, nothing reaches the old one, and it restarts ICE. The
/// gateway stays where it is.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute, with two browsers"]
async fn a_client_that_moves_goes_on_within_3_seconds() {
    let gateway = Gateway::without_transcoding(QUICK);
    let server = gateway.app.addresses().webrtc.unwrap();
    let relay = Arc::new(LossyRelay::start(server, 0, Duration::from_millis(20), 1).await);
    let mut hook = JoinSet::new();
    let tell = format!("tell={}", relay.moves_when_asked(&mut hook).await);
    let watcher = gateway.watch("cam");
    let via = format!("via={}", relay.addr.port());
    let options = ["beats", "restart", &tell, &via];
    let publishing = publish(&gateway, "cam", 30, &options);
    let (published, seen) = tokio::join!(publishing, watch(&gateway, "cam", 20));
    let restart = published.restart.as_ref().expect("it restarted");
    assert_eq!(restart.status, 200, "{published:?}");
    let report = assert_decodes(&gateway, watcher, 30).await;
    let shown = shown(report.track("source"));
    let still = shown.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    println!("no picture for {still:.3} s; ICE again after {:.0} ms; {seen:?}", restart.took_ms);
    assert_eq!(relay.moves(), 1, "it has another address");
    assert!(still < 3.0, "no picture for {still:.3} s");
    assert!(seen.started && seen.errors.is_empty(), "{seen:?}");
    assert!(seen.played_seconds > seen.watched_seconds - 4.0, "{seen:?}");
    gateway.shut_down().await;
}
