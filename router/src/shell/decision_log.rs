//! The records of every stream: kept for a while, and told to those who listen.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use media::StreamName;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::decision::Decision;

/// Records kept of one stream: an hour of two-second segments.
const PER_STREAM: usize = 1_800;
/// Streams whose records are kept, the live ones included; the one heard of longest ago goes first.
const STREAMS: usize = 1_024;
/// Candidates in the records of all streams together, each record counted as one more: at about 250
/// bytes each, 100 MB. A large pool makes large records.
const ALTOGETHER: usize = 400_000;
/// Records a listener may be behind before it misses some; it is told how many.
const BEHIND: usize = 1_024;

/// A decision with what it belongs to.
#[derive(Clone, Debug, Serialize)]
pub struct DecisionRecord {
    /// The stream's name.
    pub stream: String,
    /// When the segment was released, in milliseconds since 1970.
    pub released_unix_ms: u64,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
}

#[derive(Debug)]
struct StreamRecords {
    latest: u64,
    records: VecDeque<Arc<DecisionRecord>>,
}

impl DecisionRecord {
    /// What the record weighs: its candidates, and itself.
    fn weight(&self) -> usize {
        let attempts = self.decision.attempts.iter().map(|it| it.candidates.len());
        let held_up = self.decision.held_up.as_ref().map_or(0, |it| it.candidates.len());
        attempts.sum::<usize>() + held_up + 1
    }
}

/// Cheap to share.
#[derive(Debug)]
pub(super) struct DecisionLog {
    streams: Mutex<Streams>,
    listeners: broadcast::Sender<Arc<DecisionRecord>>,
}

#[derive(Debug, Default)]
struct Streams {
    by_name: HashMap<StreamName, StreamRecords>,
    weight: usize,
    clock: u64,
}

impl DecisionLog {
    pub(super) fn new() -> Self {
        Self { streams: Mutex::default(), listeners: broadcast::channel(BEHIND).0 }
    }

    pub(super) fn keep(&self, stream: &StreamName, released: SystemTime, decision: Decision) {
        let since = released.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let record = Arc::new(DecisionRecord {
            stream: stream.to_string(),
            released_unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            decision,
        });
        self.lock().keep(stream, Arc::clone(&record));
        // Without listeners there is nobody to tell.
        drop(self.listeners.send(record));
    }

    pub(super) fn find(&self, stream: &StreamName, sequence: u64) -> Option<Arc<DecisionRecord>> {
        let streams = self.lock();
        let records = &streams.by_name.get(stream)?.records;
        records.iter().rev().find(|it| it.decision.sequence == sequence).cloned()
    }

    /// The latest records of a stream, oldest first.
    pub(super) fn latest(&self, stream: &StreamName, most: usize) -> Vec<Arc<DecisionRecord>> {
        let streams = self.lock();
        let Some(found) = streams.by_name.get(stream) else { return Vec::new() };
        let skipped = found.records.len().saturating_sub(most);
        found.records.iter().skip(skipped).cloned().collect()
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<DecisionRecord>> {
        self.listeners.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn keep(&mut self, stream: &StreamName, record: Arc<DecisionRecord>) {
        self.clock += 1;
        if !self.by_name.contains_key(stream) && self.by_name.len() >= STREAMS {
            self.drop_oldest_stream();
        }
        let unknown = || StreamRecords { latest: 0, records: VecDeque::new() };
        let found = self.by_name.entry(stream.clone()).or_insert_with(unknown);
        found.latest = self.clock;
        self.weight += record.weight();
        found.records.push_back(record);
        if found.records.len() > PER_STREAM {
            self.drop_oldest_record(stream);
        }
        while self.weight > ALTOGETHER {
            if self.by_name.len() > 1 {
                self.drop_oldest_stream();
            } else {
                self.drop_oldest_record(stream);
            }
        }
    }

    fn drop_oldest_record(&mut self, stream: &StreamName) {
        let records = self.by_name.get_mut(stream).map(|found| &mut found.records);
        if let Some(oldest) = records.and_then(VecDeque::pop_front) {
            self.weight -= oldest.weight();
        }
    }

    fn drop_oldest_stream(&mut self) {
        let oldest =
            self.by_name.iter().min_by_key(|(_, it)| it.latest).map(|(name, _)| name.clone());
        if let Some(gone) = oldest.and_then(|name| self.by_name.remove(&name)) {
            self.weight -= gone.records.iter().map(|it| it.weight()).sum::<usize>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::StreamClass;

    fn decision(sequence: u64) -> Decision {
        Decision {
            sequence,
            duration_micros: 2_000_000,
            class: StreamClass::Balanced,
            pools: Vec::new(),
            due_micros: 3_000_000,
            attempts: Vec::new(),
            held_up: None,
            outcome: "complete".to_owned(),
            released_micros: 1,
        }
    }

    #[test]
    fn records_are_found_and_bounded_per_stream() {
        let log = DecisionLog::new();
        let cam = StreamName::new("cam").unwrap();
        let mut listener = log.listen();
        for sequence in 1..=2_000 {
            log.keep(&cam, SystemTime::UNIX_EPOCH, decision(sequence));
        }
        assert!(log.find(&cam, 100).is_none());
        assert_eq!(log.find(&cam, 2_000).unwrap().decision.sequence, 2_000);
        assert_eq!(log.latest(&cam, 10_000).len(), PER_STREAM);
        assert_eq!(log.latest(&cam, 2)[0].decision.sequence, 1_999);
        let missed = listener.try_recv().unwrap_err();
        assert!(matches!(missed, broadcast::error::TryRecvError::Lagged(_)));
    }

    #[test]
    fn large_records_are_bounded_by_what_they_hold() {
        let log = DecisionLog::new();
        let cam = StreamName::new("cam").unwrap();
        let candidate: crate::selection::Candidate = serde_json::from_value(serde_json::json!({
            "orchestrator": "https://o", "pool": "default", "pool_rank": 0, "session": null,
            "current": false, "standing": "ready", "latency_permille": null,
            "success_permille": 1_000, "round_trip_micros": null, "in_flight": 0, "limit": 32,
            "price": null, "away": false, "weight": 100, "cost": null, "in_time": false,
            "rejected": "not_asked"
        }))
        .unwrap();
        let candidates = vec![candidate; 999];
        for sequence in 1..=1_000 {
            let held_up =
                Some(crate::decision::HeldUp { at_micros: 1, candidates: candidates.clone() });
            let decision = Decision { held_up, ..decision(sequence) };
            log.keep(&cam, SystemTime::UNIX_EPOCH, decision);
        }
        assert_eq!(log.latest(&cam, 10_000).len(), ALTOGETHER / 1_000);
        assert!(log.find(&cam, 1_000).is_some());
    }

    #[test]
    fn streams_are_bounded_and_the_quietest_goes_first() {
        let log = DecisionLog::new();
        let name = |number| StreamName::new(&format!("s{number}")).unwrap();
        for number in 0..STREAMS {
            log.keep(&name(number), SystemTime::UNIX_EPOCH, decision(1));
        }
        log.keep(&name(0), SystemTime::UNIX_EPOCH, decision(2));
        log.keep(&name(STREAMS), SystemTime::UNIX_EPOCH, decision(1));
        assert!(log.find(&name(0), 1).is_some());
        assert!(log.find(&name(1), 1).is_none());
    }
}
