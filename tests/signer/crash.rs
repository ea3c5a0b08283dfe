//! What a crash of the signer may cost: never a nonce signed twice, never spending forgotten.

use std::path::Path;

use signer::{SignerError, SignerErrorKind};
use tickets::UnsignedBatch;
use tokio::task::JoinSet;

use super::support::{Signer, batch, client, directory, pay};

fn audit(directory: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The two tickets of a payment.
fn tickets(number: u32) -> UnsignedBatch {
    batch(1, number * 2 + 1, 2)
}

/// Payments under way at the same time, and payments of each that asks.
const ASKING: u32 = 10;
const EACH: u32 = 30;

/// Killed while many payments are asked for, some of them between record and answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_signer_signs_no_nonce_twice() {
    let directory = directory("killed");
    let tokens = directory.join("tokens");
    let flags = ["--tokens", tokens.to_str().unwrap()];
    let running = Signer::start(&directory, &flags).await;
    let (answered, mut answers) = tokio::sync::mpsc::channel(1);
    let mut calls = JoinSet::new();
    for asking in 0..ASKING {
        let (asked, answered) = (client(&running.url), answered.clone());
        calls.spawn(async move {
            let mut headers = Vec::new();
            for number in (asking * EACH)..(asking + 1) * EACH {
                let paid = pay(&asked, &number.to_string(), Some(&tickets(number))).await;
                headers.push((number, paid.map(|paid| paid.header).ok()));
                // Nobody listens any more once the signer is killed.
                let _unheard = answered.send(()).await;
            }
            headers
        });
    }
    for _ in 0..4 * ASKING {
        answers.recv().await.unwrap();
    }
    running.kill().await;
    drop(answers);
    let before: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    let paid = before.iter().filter(|(_, header)| header.is_some()).count();
    assert!(paid >= 30 && paid < before.len(), "killed in the middle: {paid}");

    let running = Signer::start(&directory, &flags).await;
    let asked = client(&running.url);
    let (mut known, mut fresh) = (0, 0);
    for (number, header) in before {
        let nonces = tickets(number);
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
    assert!(known >= paid && fresh > 0, "{known} were on record, {fresh} were not");
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
