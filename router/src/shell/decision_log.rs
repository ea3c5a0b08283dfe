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
/// Records of all streams together: at about 2 kB each, 100 MB.
const ALTOGETHER: usize = 50_000;
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

/// Cheap to share.
#[derive(Debug)]
pub(super) struct DecisionLog {
    streams: Mutex<Streams>,
    listeners: broadcast::Sender<Arc<DecisionRecord>>,
}

#[derive(Debug, Default)]
struct Streams {
    by_name: HashMap<StreamName, StreamRecords>,
    count: usize,
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
        found.records.push_back(record);
        self.count += 1;
        if found.records.len() > PER_STREAM {
            found.records.pop_front();
            self.count -= 1;
        }
        while self.count > ALTOGETHER {
            self.drop_oldest_stream();
        }
    }

    fn drop_oldest_stream(&mut self) {
        let oldest =
            self.by_name.iter().min_by_key(|(_, it)| it.latest).map(|(name, _)| name.clone());
        if let Some(gone) = oldest.and_then(|name| self.by_name.remove(&name)) {
            self.count -= gone.records.len();
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
