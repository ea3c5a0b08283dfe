//! When a list is asked for, and what appears.

use super::*;
use crate::webhook::fake_hook::{FakeHook, Manner, client};

fn list(hosts: &[&str]) -> Manner {
    let entries: Vec<_> =
        hosts.iter().map(|host| serde_json::json!({ "address": host, "score": 0.5 })).collect();
    Manner::ok(&serde_json::Value::from(entries).to_string())
}

fn hosts(found: &Option<Vec<DiscoveredOrchestrator>>) -> Vec<String> {
    found.iter().flatten().map(|it| it.address.host().to_owned()).collect()
}

fn webhook(
    hook: &FakeHook,
) -> (DiscoveryWebhook, watch::Receiver<Option<Vec<DiscoveredOrchestrator>>>) {
    DiscoveryWebhook::new(client(), hook.endpoint("/list"), INTERVAL_DEFAULT)
}

#[tokio::test]
async fn a_new_list_appears_and_a_bad_answer_changes_nothing() {
    let hook = FakeHook::start(list(&["a", "b"])).await;
    let (mut webhook, mut found) = webhook(&hook);
    let ask = async |webhook: &mut DiscoveryWebhook| match webhook.ask().await {
        Ok(dropped) => webhook.note_success(dropped),
        Err(error) => webhook.note_failure(&error),
    };
    ask(&mut webhook).await;
    assert_eq!(hosts(&found.borrow_and_update()), ["a", "b"]);
    for bad in [Manner::Reply(500, b"[]".to_vec()), Manner::ok("no"), Manner::BreakOff] {
        hook.answer(bad);
        ask(&mut webhook).await;
    }
    assert_eq!(webhook.failures, 3);
    assert!(!found.has_changed().unwrap());
    hook.answer(list(&["a", "b"]));
    ask(&mut webhook).await;
    assert_eq!(webhook.failures, 0);
    assert!(!found.has_changed().unwrap(), "the same list is no news");
    hook.answer(list(&["c"]));
    ask(&mut webhook).await;
    assert_eq!(hosts(&found.borrow_and_update()), ["c"]);
    hook.answer(list(&[]));
    ask(&mut webhook).await;
    assert_eq!(found.borrow_and_update().as_deref(), Some(&[][..]), "an empty list is a list");
    assert!(hook.heard().iter().all(|it| it.starts_with("GET /list HTTP/1.1\r\n")));
}

#[tokio::test]
async fn it_asks_at_once_and_runs_until_it_is_dropped() {
    let hook = FakeHook::start(list(&["a"])).await;
    let (webhook, mut found) = webhook(&hook);
    let look = async {
        found.changed().await.unwrap();
        hosts(&found.borrow_and_update()).len()
    };
    let count = tokio::select! {
        count = look => count,
        () = webhook.run() => panic!("it has ended by itself"),
    };
    assert_eq!((count, hook.heard().len()), (1, 1));
    assert!(found.changed().await.is_err(), "nobody asks any more");
}

#[test]
fn it_asks_once_in_an_interval_and_sooner_after_failures() {
    let seconds: Vec<_> =
        (0..9).map(|failures| pause(failures, INTERVAL_DEFAULT).as_secs()).collect();
    assert_eq!(seconds, [60, 1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(pause(u32::MAX, INTERVAL_DEFAULT), INTERVAL_DEFAULT);
    assert_eq!(pause(1, Duration::from_millis(1)), Duration::from_millis(1));
}

#[tokio::test]
async fn the_interval_has_bounds() {
    let hook = FakeHook::start(list(&[])).await;
    for (asked, used) in [(0, 1), (7, 7), (86_400, 3_600)] {
        let interval = Duration::from_secs(asked);
        let (webhook, _found) = DiscoveryWebhook::new(client(), hook.endpoint("/"), interval);
        assert_eq!(webhook.interval, Duration::from_secs(used));
    }
}
