use std::{sync::Arc, time::Duration};

use media::{GapReason, PresentationSegment, RenditionOutcome, Segment, StreamName};
use orchestrator::{BodyContainer, ClientConfig, OrchestratorClient};
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{attempt::now, *};
use crate::{
    config::RouterConfig,
    pool::{ConfiguredOrchestrator, Pools, StreamPolicy},
    test_media::{ladder, segment},
};

const SEGMENT: Duration = Duration::from_millis(200);

async fn router(registry: &mut Registry) -> Router {
    let client = OrchestratorClient::new(ClientConfig::default()).unwrap();
    let config =
        RouterConfig { minimum_hold: Duration::from_millis(300), ..RouterConfig::default() };
    let metrics = RouterMetrics::register(registry);
    let ports = RouterPorts::default();
    Router::start(config, client, TaskTracker::new(), metrics, ports, CancellationToken::new())
        .await
}

fn open(router: &Router) -> StreamRoute {
    router.open(&StreamName::new("test").unwrap(), "test".to_owned(), StreamPolicy::default())
}

/// An address nobody listens on.
async fn closed_port() -> ConfiguredOrchestrator {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("http://127.0.0.1:{port}").parse().unwrap();
    ConfiguredOrchestrator::new(address, BodyContainer::Cmaf)
}

fn closed_now(sequence: u64) -> Arc<Segment> {
    Arc::new(segment(sequence, now(), SEGMENT))
}

async fn next(route: &mut StreamRoute) -> Option<PresentationSegment> {
    timeout(Duration::from_secs(5), route.next()).await.expect("released in time")
}

#[tokio::test]
async fn without_orchestrators_segments_pass_at_once_and_share_the_source() {
    let mut route = open(&router(&mut Registry::default()).await);
    route.set_ladder(ladder());
    let source = closed_now(1);
    route.push(Arc::clone(&source));
    let released = next(&mut route).await.unwrap();
    assert!(Arc::ptr_eq(&released.source, &source));
    assert!(released.renditions.is_empty());
    route.finish();
    assert!(next(&mut route).await.is_none());
    assert!(next(&mut route).await.is_none());
}

#[tokio::test]
async fn a_dead_orchestrator_delays_the_source_by_the_hold_and_then_not_at_all() {
    let mut registry = Registry::default();
    let router = router(&mut registry).await;
    let mut route = open(&router);
    route.set_ladder(ladder());
    router.set_pools(Pools::of(vec![closed_port().await]));
    // Lets the route see the change, and shows that giving up a wait loses nothing.
    assert!(timeout(Duration::from_millis(50), route.next()).await.is_err());
    for sequence in 1..=4 {
        let source = closed_now(sequence);
        route.push(source);
        let released = next(&mut route).await.unwrap();
        let delay = now() - released.source.closed;
        assert_eq!(released.source.sequence.0, sequence);
        assert_eq!(released.renditions.len(), ladder().profiles().len());
        assert!(released.renditions.iter().all(|rendition| matches!(
            rendition.outcome,
            RenditionOutcome::Gap(GapReason::NoOrchestrator)
        )));
        let bound = if sequence <= 2 { 1_000 } else { 200 };
        assert!(delay < Duration::from_millis(bound), "{delay:?}");
    }
    route.finish();
    assert!(next(&mut route).await.is_none());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains(r#"router_releases_total{outcome="no_orchestrator"} 4"#), "{text}");
    assert!(text.contains(r#"router_discoveries_total{outcome="unreachable"}"#), "{text}");
}

#[tokio::test]
async fn a_route_can_be_dropped_with_questions_in_flight() {
    let router = router(&mut Registry::default()).await;
    router.set_pools(Pools::of(vec![closed_port().await]));
    let mut route = open(&router);
    route.set_ladder(ladder());
    route.push(closed_now(1));
    drop(route);
}
