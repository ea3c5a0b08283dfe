//! The operator's hooks: who may publish and what, and which orchestrators there are.

use std::time::Duration;

use media::Redacted;
use tokio::time::Instant;

use crate::support::{
    Gateway,
    encoder::{Publisher, SMALL},
    hook::Hook,
    node::Node,
    playlist::{MediaPlaylist, renditions},
};

/// A stream with a key of its own beside those that the hook decides about.
const STREAMS: &str = "shutdown_grace = \"0s\"\nauth_webhook_secret = \"whsec-0123456789\"\n[[stream]]\nname = \"studio\"\nstream_key = \"right-key-1\"\nplayback_id = \"watch-me\"\n";
const SOON: Duration = Duration::from_secs(20);

fn gateway(hook: &Hook, transcode: bool) -> Gateway {
    let url = hook.url("/auth");
    Gateway::start(STREAMS, |args| {
        args.open = Some(false);
        args.no_transcode = Some(!transcode);
        args.auth_webhook = Some(Redacted::new(url));
    })
}

async fn refused(gateway: &Gateway, path: &str) -> String {
    let url = format!("rtmp://{}/{path}", gateway.rtmp());
    let (went_well, said) = Publisher::start(&SMALL, &url, 5).finish().await;
    assert!(!went_well, "{path} was let in");
    said
}

/// The media playlist of a rendition.
async fn listed(gateway: &Gateway, multivariant: &str, name: &str) -> MediaPlaylist {
    let found = renditions(multivariant).into_iter().map(|(uri, _)| uri);
    let uri = found.into_iter().find(|uri| uri.contains(name)).unwrap();
    MediaPlaylist::parse(gateway.viewer().get(&format!("/{uri}")).await.text()).unwrap()
}

fn has_media(playlist: &str) -> bool {
    let playlist = MediaPlaylist::parse(playlist).unwrap();
    playlist.entries.last().is_some_and(|last| !last.gap)
}

fn has_gaps(playlist: &str) -> bool {
    let playlist = MediaPlaylist::parse(playlist).unwrap();
    playlist.entries.last().is_some_and(|last| last.gap)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_webhook_maps_a_key_to_a_stream_and_its_ladder() {
    let hook = Hook::start().await;
    let gateway = gateway(&hook, true);
    gateway.ready().await;
    let viewer = gateway.viewer();
    let mapped = Publisher::start(&SMALL, &gateway.publish_url("mapped-key?token=t&x=1"), 60);
    let multivariant = viewer.wait_for("/match.m3u8", SOON, |_| true).await;
    assert_eq!(multivariant.text().matches("#EXT-X-STREAM-INF").count(), 2);
    assert!(multivariant.text().contains("RESOLUTION=160x90"), "{}", multivariant.text());
    viewer.wait_for("/match/tiny.m3u8", SOON, has_media).await;
    mapped.kill().await;

    let source_only = Publisher::start(&SMALL, &gateway.publish_url("source-key"), 60);
    let multivariant = viewer.wait_for("/plain.m3u8", SOON, |_| true).await;
    assert_eq!(multivariant.text().matches("#EXT-X-STREAM-INF").count(), 1);
    assert!(!listed(&gateway, multivariant.text(), "source").await.entries.is_empty());
    source_only.kill().await;

    for key in ["mapped-key", "source-key"] {
        assert_eq!(viewer.get(&format!("/{key}.m3u8")).await.status, 404, "{key} is public");
    }
    let asked = format!("rtmp://{}/live/mapped-key?token=t&x=1", gateway.rtmp());
    assert_eq!(hook.urls()[0], asked, "the whole URL");
    assert!(hook.signatures()[0].starts_with("t="), "{:?}", hook.signatures());
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_webhook_allows_and_refuses() {
    let hook = Hook::start().await;
    let gateway = gateway(&hook, false);
    let viewer = gateway.viewer();
    let said = refused(&gateway, "live/unknown-key").await;
    assert!(said.contains("key is not known"), "{said}");

    let url = format!("rtmp://{}/live/final/allowed-key", gateway.rtmp());
    let allowed = Publisher::start(&SMALL, &url, 60);
    viewer.wait_for("/final.m3u8", SOON, |_| true).await;
    assert_eq!(viewer.get("/allowed-key.m3u8").await.status, 404);
    allowed.kill().await;

    // Whatever would make a key public, or take another's name.
    for path in ["live/allowed-key", "live/echoed-key", "live/greedy-key"] {
        refused(&gateway, path).await;
    }
    assert_eq!(viewer.get("/echoed-key.m3u8").await.status, 404);
    assert_eq!(hook.urls().len(), 5, "each is asked about once: {:?}", hook.urls());

    let configured = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 60);
    viewer.wait_for("/watch-me.m3u8", SOON, |_| true).await;
    configured.kill().await;
    assert_eq!(hook.urls().len(), 5, "a configured key is nobody else's business");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_hangs_or_floods_harms_its_publisher_only() {
    let hook = Hook::start().await;
    let gateway = gateway(&hook, false);
    let begun = Instant::now();
    let hanging = async {
        let said = refused(&gateway, "live/hanging-key").await;
        (begun.elapsed(), said)
    };
    let others = async {
        while hook.urls().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let configured = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 60);
        let mapped = Publisher::start(&SMALL, &gateway.publish_url("mapped-key"), 60);
        let streams = |both: &str| both.contains("\"studio\"") && both.contains("\"match\"");
        gateway.admin().wait_for("/v1/streams", Duration::from_secs(2), streams).await;
        let admitted = begun.elapsed();
        let flooded = refused(&gateway, "live/flooding-key").await;
        for id in ["watch-me", "match"] {
            gateway.viewer().wait_for(&format!("/{id}.m3u8"), SOON, |_| true).await;
        }
        configured.kill().await;
        mapped.kill().await;
        (admitted, flooded)
    };
    let ((waited, hung), (admitted, flooded)) = tokio::join!(hanging, others);
    for said in [hung, flooded] {
        assert!(said.contains("can't be checked now"), "{said}");
    }
    assert!(waited >= Duration::from_secs(3), "refused after {waited:?}");
    assert!(waited < Duration::from_secs(6), "refused after {waited:?}");
    assert!(admitted < Duration::from_secs(3), "others waited {admitted:?}");
    assert_eq!(gateway.viewer().get("/flood.m3u8").await.status, 404);
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streams_orchestrators_follow_the_discovery_webhook_and_the_file() {
    let hook = Hook::start().await;
    let file = |more: &str| {
        format!(
            "shutdown_grace = \"0s\"\n[[pool]]\nwebhook = \"{}\"\nwebhook_interval = \"1s\"\n{more}\n[[stream]]\nname = \"studio\"\nstream_key = \"right-key-1\"\nplayback_id = \"watch-me\"\nladder = [{{ name = \"tiny\", width = 160, height = 90, bitrate = 100000 }}]\n",
            hook.url("/orchestrators"),
        )
    };
    let gateway = Gateway::start(&file(""), |args| args.open = Some(false));
    let node = Node::start(&gateway.data_dir).await;
    hook.name(std::slice::from_ref(&node.url));
    let (viewer, admin) = (gateway.viewer(), gateway.admin());
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 120);
    viewer.wait_for("/watch-me.m3u8", SOON, |_| true).await;
    // Nobody vouches for the list: it must not lead into the gateway's own network.
    admin.wait_for("/v1/orchestrators", SOON, |list| list.contains(&node.url)).await;
    assert_eq!(viewer.get("/watch-me/tiny.m3u8").await.status, 412, "a stranger transcodes");
    let path = gateway.data_dir.join("headgate.toml");
    std::fs::write(&path, file("allow_private = true")).unwrap();
    viewer.wait_for("/watch-me/tiny.m3u8", SOON, has_media).await;

    hook.name(&[]);
    viewer.wait_for("/watch-me/tiny.m3u8", SOON, has_gaps).await;
    hook.name(std::slice::from_ref(&node.url));
    viewer.wait_for("/watch-me/tiny.m3u8", SOON, has_media).await;

    // Without a webhook nothing of its list stays.
    let without = file("").replace("\nwebhook", "\n#webhook");
    std::fs::write(&path, without).unwrap();
    viewer.wait_for("/watch-me/tiny.m3u8", SOON, has_gaps).await;
    publisher.kill().await;
    gateway.shut_down().await;
}
