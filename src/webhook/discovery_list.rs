//! The list of orchestrators that a discovery webhook answers, without I/O.

use std::collections::BTreeSet;

use orchestrator::OrchestratorAddress;
use serde_json::Value;

/// Most orchestrators taken from one list.
pub const ORCHESTRATORS_MAX: usize = 1_000;
/// Longest list that is read, in bytes.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// An orchestrator that the webhook names. It is a stranger: the operator named the list, not it.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscoveredOrchestrator {
    /// Where it listens.
    pub address: OrchestratorAddress,
    /// How much it is preferred, from 0 (untrusted, and what an entry without a score has) to 1.
    pub score: f64,
}

/// Why a list can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not a JSON array.
    #[error("not a list of orchestrators: {0}")]
    Malformed(String),
    /// There are entries, and none of them can be used.
    #[error("none of its {0} entries can be used")]
    NothingUsable(usize),
    /// Longer than is read.
    #[error("more than {BYTES_MAX} bytes")]
    TooLong,
}

/// Entries of a list that are not used, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// No object with an address, or one that is no address.
    pub addresses: usize,
    /// A score that is no number from 0 to 1.
    pub scores: usize,
    /// An address that came before.
    pub duplicates: usize,
    /// Beyond [`ORCHESTRATORS_MAX`].
    pub surplus: usize,
}

/// The last good list. A body that can't be used changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiscoveryList {
    orchestrators: Vec<DiscoveredOrchestrator>,
}

impl DiscoveryList {
    /// The orchestrators of the last good list, in its order.
    #[must_use]
    pub fn orchestrators(&self) -> &[DiscoveredOrchestrator] {
        &self.orchestrators
    }

    /// Takes over a body: an array of `{"address": URL, "score": number}` (livepeer-wire §2.1). Other
    /// fields are passed over; entries that can't be used are dropped, and counted in what is returned.
    ///
    /// # Errors
    /// When the body is no list, or no entry of it can be used.
    pub fn take(&mut self, body: &[u8]) -> Result<Dropped, ListError> {
        if body.len() > BYTES_MAX {
            return Err(ListError::TooLong);
        }
        let entries: Vec<Value> = serde_json::from_slice(body)
            .map_err(|error| ListError::Malformed(error.to_string()))?;
        let (orchestrators, dropped) = read(&entries);
        if orchestrators.is_empty() && !entries.is_empty() {
            return Err(ListError::NothingUsable(entries.len()));
        }
        *self = Self { orchestrators };
        Ok(dropped)
    }
}

fn read(entries: &[Value]) -> (Vec<DiscoveredOrchestrator>, Dropped) {
    let mut found = Vec::with_capacity(entries.len().min(ORCHESTRATORS_MAX));
    let mut dropped = Dropped::default();
    let mut known = BTreeSet::new();
    for entry in entries {
        let address = entry.get("address").and_then(Value::as_str);
        let Some(address) = address.and_then(|text| text.parse::<OrchestratorAddress>().ok())
        else {
            dropped.addresses += 1;
            continue;
        };
        let Some(score) = score(entry.get("score")) else {
            dropped.scores += 1;
            continue;
        };
        if known.contains(&address) {
            dropped.duplicates += 1;
        } else if found.len() >= ORCHESTRATORS_MAX {
            dropped.surplus += 1;
        } else {
            known.insert(address.clone());
            found.push(DiscoveredOrchestrator { address, score });
        }
    }
    (found, dropped)
}

/// An absent score is zero.
fn score(value: Option<&Value>) -> Option<f64> {
    match value {
        None | Some(Value::Null) => Some(0.0),
        Some(value) => value.as_f64().filter(|score| (0.0..=1.0).contains(score)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(list: &DiscoveryList) -> Vec<(String, f64)> {
        list.orchestrators().iter().map(|it| (it.address.to_string(), it.score)).collect()
    }

    #[test]
    fn entries_keep_their_order_and_their_score() {
        let mut list = DiscoveryList::default();
        let body = br#"[{"address":"https://b.example:8935","score":0.25,"region":"fra"},
            {"address":"a.example"},{"address":"http://c.example:1","score":1}]"#;
        assert_eq!(list.take(body), Ok(Dropped::default()));
        let expected = [
            ("https://b.example:8935".to_owned(), 0.25),
            ("https://a.example:8935".to_owned(), 0.0),
            ("http://c.example:1".to_owned(), 1.0),
        ];
        assert_eq!(shown(&list), expected);
    }

    #[test]
    fn bad_entries_are_dropped_and_counted() {
        let mut list = DiscoveryList::default();
        let body =
            br#"[7,{"score":1},{"address":""},{"address":"ftp://x"},{"address":"a","score":1.01},
            {"address":"a","score":-0.1},{"address":"a","score":"1"},{"address":"a","score":null},
            {"address":"https://a:8935","score":1}]"#;
        let dropped = Dropped { addresses: 4, scores: 3, duplicates: 1, surplus: 0 };
        assert_eq!(list.take(body), Ok(dropped));
        assert_eq!(shown(&list), [("https://a:8935".to_owned(), 0.0)]);
    }

    #[test]
    fn the_last_good_list_stays() {
        let mut list = DiscoveryList::default();
        list.take(br#"[{"address":"a"}]"#).unwrap();
        let good = list.clone();
        for bad in ["", "{}", "null", "[", r#"["a"]"#, r#"[{"address":"a","score":2}]"#] {
            assert!(list.take(bad.as_bytes()).is_err(), "{bad}");
            assert_eq!(list, good, "{bad}");
        }
        assert_eq!(list.take(&[b' '; BYTES_MAX + 1]), Err(ListError::TooLong));
        assert_eq!(list.take(b"[]"), Ok(Dropped::default()));
        assert!(list.orchestrators().is_empty(), "an empty list is a list");
    }

    #[test]
    fn the_same_body_is_the_same_list() {
        let mut list = DiscoveryList::default();
        let body = br#"[{"address":"a"}]"#;
        list.take(body).unwrap();
        let first = list.clone();
        assert_eq!(list.take(body), Ok(Dropped::default()));
        assert_eq!(list, first);
        list.take(br#"[{"address":"b"}]"#).unwrap();
        assert_ne!(list, first);
        list.take(body).unwrap();
        assert_eq!(list, first, "the one before the last");
    }

    #[test]
    fn a_long_list_is_cut() {
        let entries: Vec<_> =
            (0..1_203).map(|n| format!(r#"{{"address":"https://o{n}","score":1}}"#)).collect();
        let mut list = DiscoveryList::default();
        let dropped = list.take(format!("[{}]", entries.join(",")).as_bytes());
        assert_eq!(dropped, Ok(Dropped { surplus: 203, ..Dropped::default() }));
        assert_eq!(list.orchestrators().len(), ORCHESTRATORS_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut list = DiscoveryList::default();
            let _dropped = list.take(&bytes);
        }

        #[test]
        fn scores_taken_are_within_their_range(score in any::<f64>(), host in "[a-z:/.@]{0,12}") {
            let mut list = DiscoveryList::default();
            let entry = serde_json::json!([{ "address": host, "score": score }]);
            if list.take(entry.to_string().as_bytes()).is_ok() {
                for orchestrator in list.orchestrators() {
                    prop_assert!((0.0..=1.0).contains(&orchestrator.score));
                }
            }
        }
    }
}
