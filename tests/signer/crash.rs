//! What a crash of the signer may cost: never a nonce signed twice, never spending forgotten.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use signer::{SignerError, SignerErrorKind};
use tokio::task::JoinSet;

use super::support::{Signer, batch, client, directory, pay};

fn audit(directory: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Killed while a hundred payments are asked for, some of them between record and answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_signer_signs_no_nonce_twice() {
    let directory = directory("killed");
    let flags = ["--tokens", directory.join("tokens").to_str().unwrap()].map(str::to_owned);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let running = Signer::start(&directory, &flags).await;
    let asked = client(&running.url);
    let answered = Arc::new(AtomicU32::new(0));
    let mut calls = JoinSet::new();
    for number in 0..100_u32 {
        let (asked, answered) = (asked.clone(), Arc::clone(&answered));
        calls.spawn(async move {
            let batch = batch(1, number * 5 + 1, 5);
            let paid = pay(&asked, &number.to_string(), Some(&batch)).await;
            answered.fetch_add(u32::from(paid.is_ok()), Ordering::AcqRel);
            (number, paid.map(|paid| paid.header).ok())
        });
    }
    let mut before = Vec::new();
    while before.len() < 20 {
        before.push(calls.join_next().await.unwrap().unwrap());
    }
    running.kill().await;
    while let Some(call) = calls.join_next().await {
        before.push(call.unwrap());
    }
    let paid = before.iter().filter(|(_, header)| header.is_some()).count();
    assert!((20..100).contains(&paid), "killed in the middle: {paid}");

    let running = Signer::start(&directory, &flags).await;
    let asked = client(&running.url);
    let (mut known, mut fresh) = (0, 0);
    for (number, header) in before {
        let nonces = batch(1, number * 5 + 1, 5);
        // Other content with these nonces: refused wherever they may have been signed.
        let other = pay(&asked, &format!("other-{number}"), Some(&nonces)).await;
        match (&header, other) {
            (Some(_), Ok(_)) => panic!("payment {number} was answered and is signed once more"),
            (_, Err(SignerError::Refused { code, .. })) => {
                assert_eq!(code, "nonce");
                known += 1;
                // The same request again gets the same answer.
                let again = pay(&asked, &number.to_string(), Some(&nonces)).await.unwrap();
                assert!(header.is_none_or(|header| header == again.header));
            }
            (None, Ok(_)) => fresh += 1,
            (_, Err(error)) => panic!("{error}"),
        }
    }
    assert_eq!(known + fresh, 100);
    assert!(known >= paid);
    let signed = audit(&directory).iter().filter(|line| line["outcome"] == "signed").count();
    assert!(signed >= paid + fresh, "{signed} lines for {paid} + {fresh} payments");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_over_restarts_and_are_audited() {
    let directory = directory("limits");
    let flags = ["--total-limit", "5000", "--hour-limit", "4000"];
    let running = Signer::start(&directory, &flags).await;
    let asked = client(&running.url);
    pay(&asked, "1", Some(&batch(1, 1, 3))).await.unwrap();
    running.kill().await;
    let down = pay(&asked, "2", Some(&batch(1, 4, 1))).await.unwrap_err();
    assert_eq!(down.kind(), SignerErrorKind::Unreachable, "{down}");

    // What a crash leaves of a line that nobody was answered for.
    let journal = directory.join("signer.jsonl");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str("{\"signed\":{\"num");
    std::fs::write(&journal, text).unwrap();

    let running = Signer::start(&directory, &flags).await;
    let asked = client(&running.url);
    let over = pay(&asked, "2", Some(&batch(1, 4, 2))).await.unwrap_err();
    let SignerError::Limited { limit, retry_after, .. } = over else { panic!("{over}") };
    assert_eq!(limit, "hour");
    assert!(retry_after.is_some_and(|wait| wait.as_secs() <= 3_600));
    pay(&asked, "3", Some(&batch(1, 4, 1))).await.unwrap();
    // Credit is used whatever the limits say.
    pay(&asked, "4", None).await.unwrap();
    let over = pay(&asked, "5", Some(&batch(1, 5, 2))).await.unwrap_err();
    let SignerError::Limited { limit, retry_after, .. } = over else { panic!("{over}") };
    assert_eq!((limit.as_str(), retry_after), ("total", None));

    let lines = audit(&directory);
    let refused: Vec<_> = lines.iter().filter(|line| line["outcome"] == "refused").collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(refused[0]["reason"], "limit hour");
    assert_eq!((&lines[0]["ev"], &lines[0]["tickets"]), (&"3000".into(), &3.into()));
    assert_eq!((&lines[0]["stream"], &lines[0]["payment"]), (&"studio".into(), &"1".into()));
    assert!(
        std::fs::read_to_string(directory.join("audit.jsonl")).unwrap().contains("\"recipient\"")
    );
    drop(running);
}
