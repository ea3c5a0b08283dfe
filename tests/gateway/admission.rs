//! Who may publish, and what viewers are told when nobody does.

use std::time::Duration;

use crate::support::{
    Gateway,
    encoder::{Publisher, SMALL},
};

const STREAM: &str = "shutdown_grace = \"0s\"\n[[stream]]\nname = \"studio\"\nstream_key = \"right-key-1\"\nplayback_id = \"watch-me\"\ntakeover_after = \"1s\"\n";

fn closed() -> Gateway {
    Gateway::start(STREAM, |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_and_the_right_one_plays_under_another_name() {
    let gateway = closed();
    assert_eq!(gateway.viewer().get("/watch-me.m3u8").await.status, 412);
    assert_eq!(gateway.viewer().get("/nobody.m3u8").await.status, 404);
    let (went_well, _) =
        Publisher::start(&SMALL, &gateway.publish_url("wrong-key-1"), 5).finish().await;
    assert!(!went_well, "a wrong key was taken");
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 30);
    let playing =
        gateway.viewer().wait_for("/watch-me.m3u8", Duration::from_secs(15), |_| true).await;
    assert!(playing.text().contains("RESOLUTION=320x180"), "{}", playing.text());
    assert_eq!(gateway.viewer().get("/right-key-1.m3u8").await.status, 404);
    publisher.kill().await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_come_as_the_last_part_of_a_path() {
    let gateway = closed();
    let url = format!("rtmp://{}/any-manifest/right-key-1", gateway.rtmp());
    let publisher = Publisher::start(&SMALL, &url, 30);
    gateway.viewer().wait_for("/watch-me.m3u8", Duration::from_secs(15), |_| true).await;
    publisher.kill().await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_publisher_waits_until_the_first_is_silent() {
    let gateway = closed();
    let first = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 60);
    gateway.viewer().wait_for("/watch-me.m3u8", Duration::from_secs(15), |_| true).await;
    let (went_well, _) =
        Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 5).finish().await;
    assert!(!went_well, "a second publisher was let in while the first sends");

    let stop = |signal: &str| {
        let status =
            std::process::Command::new("kill").args([signal, &first.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    stop("-STOP");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 4);
    let (went_well, said) = second.finish().await;
    assert!(went_well, "{said}");
    stop("-CONT");
    first.kill().await;
    gateway.shut_down().await;
}
