//! Publishers that leave and come back.

use std::time::Duration;

use crate::support::{
    Gateway,
    encoder::{OTHER_SIZE, Publisher, SMALL, Source},
    watcher::Report,
};

const WINDOW: &str = "shutdown_grace = \"0s\"\n[publisher]\nreconnect_window = \"25s\"\n";
const NO_FILLER: &str = "filler = \"off\"\n";

/// Kills a publisher after 9 s, has another one return after `away`, and ends the gateway.
async fn leave_and_return(more: &str, away: Duration, second: &Source) -> Report {
    second.file();
    let gateway = Gateway::without_transcoding(&format!("{WINDOW}{more}"));
    let watcher = gateway.watch("cam");
    let first = Publisher::start(&SMALL, &gateway.publish_url("cam"), 60);
    tokio::time::sleep(Duration::from_secs(9)).await;
    first.kill().await;
    tokio::time::sleep(away).await;
    let returned = Publisher::start(second, &gateway.publish_url("cam"), 10);
    let (went_well, said) = returned.finish().await;
    assert!(went_well, "{said}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let source = report.track("source");
    assert!(!source.ended, "the stream ended within its window");
    gateway.shut_down().await;
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_back_after_3_s_continues_the_playlist() {
    let report = leave_and_return(NO_FILLER, Duration::from_secs(3), &SMALL).await;
    let source = report.track("source");
    assert!(!source.gaps().is_empty(), "no stand-in for 3 s");
    let breaks = source.entries.values().filter(|entry| entry.discontinuity).count();
    assert_eq!(breaks, 1);
    assert_eq!(source.inits.len(), 1, "equal parameters need no new init");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_back_after_20_s_with_another_size_continues_the_playlist() {
    let report = leave_and_return("", Duration::from_secs(20), &OTHER_SIZE).await;
    let source = report.track("source");
    assert!(source.gaps().len() <= 1, "only before filler is there: {:?}", source.gaps());
    let breaks = source.entries.iter().filter(|(_, entry)| entry.discontinuity);
    let breaks: Vec<_> = breaks.map(|(number, _)| *number).collect();
    assert_eq!(breaks.len(), 2, "filler begins, media are back");
    assert!(breaks[1] - breaks[0] >= 8, "stand-ins {breaks:?}");
    assert_eq!(source.inits.len(), 3, "filler has one of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_after_its_window_and_can_start_again() {
    let gateway = Gateway::without_transcoding(crate::support::QUICK);
    let watcher = gateway.watch("cam");
    Publisher::start(&SMALL, &gateway.publish_url("cam"), 8).finish().await;
    let ended = |list: &str| list.contains("ENDLIST");
    let last = gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(10), ended).await;
    watcher.finish().await.assert_clean();
    let again = Publisher::start(&SMALL, &gateway.publish_url("cam"), 20);
    let first = gateway
        .viewer()
        .wait_for("/cam/source.m3u8", Duration::from_secs(15), |list| !ended(list))
        .await;
    let number = |text: &str| -> u64 {
        text.lines()
            .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"))
            .unwrap()
            .parse()
            .unwrap()
    };
    assert!(
        number(first.text()) > number(last.text()),
        "numbers go on:\n{}\n{}",
        last.text(),
        first.text()
    );
    again.kill().await;
    gateway.shut_down().await;
}
