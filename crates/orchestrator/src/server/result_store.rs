//! Renditions of one session, until they are fetched.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::OutputFormat;

/// The renditions of a segment are together larger than a session may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// One rendition of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredRendition {
    pub(super) rendition: String,
    pub(super) sequence: u64,
    pub(super) format: OutputFormat,
    pub(super) data: Bytes,
}

/// Keeps the latest renditions of one session, within a number per rendition and a total of bytes.
#[derive(Debug)]
pub(super) struct ResultStore {
    per_rendition: usize,
    max_bytes: usize,
    bytes: usize,
    /// Oldest first.
    objects: VecDeque<StoredRendition>,
}

impl ResultStore {
    pub(super) const fn new(per_rendition: usize, max_bytes: usize) -> Self {
        Self { per_rendition, max_bytes, bytes: 0, objects: VecDeque::new() }
    }

    /// Stores a segment's renditions. An earlier result of the same number is replaced, and the oldest
    /// objects make room.
    pub(super) fn put(&mut self, results: Vec<StoredRendition>) -> Result<(), TooLarge> {
        let incoming: usize = results.iter().map(|object| object.data.len()).sum();
        if incoming > self.max_bytes {
            return Err(TooLarge);
        }
        self.objects.retain(|old| {
            !results
                .iter()
                .any(|new| new.rendition == old.rendition && new.sequence == old.sequence)
        });
        self.bytes = self.objects.iter().map(|object| object.data.len()).sum();
        while self.bytes + incoming > self.max_bytes {
            let Some(oldest) = self.objects.pop_front() else { break };
            self.bytes -= oldest.data.len();
        }
        self.objects.extend(results);
        self.bytes += incoming;
        self.trim();
        Ok(())
    }

    /// Drops the oldest objects of renditions that have too many.
    fn trim(&mut self) {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let mut excess = Vec::new();
        for (index, object) in self.objects.iter().enumerate().rev() {
            let count = counts.entry(&object.rendition).or_default();
            *count += 1;
            if *count > self.per_rendition {
                excess.push(index);
            }
        }
        for index in excess {
            if let Some(object) = self.objects.remove(index) {
                self.bytes -= object.data.len();
            }
        }
    }

    /// The object at `{rendition}/{file}` below the session, where `file` is `{sequence}.{extension}`.
    pub(super) fn get(&self, rendition: &str, file: &str) -> Option<&StoredRendition> {
        let (sequence, extension) = file.split_once('.')?;
        let sequence: u64 = sequence.parse().ok()?;
        self.objects.iter().rev().find(|object| {
            object.sequence == sequence
                && object.rendition == rendition
                && object.format.extension() == extension
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(rendition: &str, sequence: u64, len: usize) -> StoredRendition {
        let data = Bytes::from(vec![7; len]);
        let format = OutputFormat::MpegTs;
        StoredRendition { rendition: rendition.into(), sequence, format, data }
    }

    #[test]
    fn latest_twelve_of_each_rendition_are_kept() {
        let mut store = ResultStore::new(12, 1_000);
        for sequence in 0..20 {
            store.put(vec![object("a", sequence, 1), object("b", sequence, 1)]).unwrap();
        }
        assert_eq!((store.objects.len(), store.bytes), (24, 24));
        assert!(store.get("a", "7.ts").is_none());
        assert!(store.get("a", "8.ts").is_some() && store.get("b", "19.ts").is_some());
    }

    #[test]
    fn oldest_make_room_for_bytes() {
        let mut store = ResultStore::new(12, 100);
        store.put(vec![object("a", 0, 60)]).unwrap();
        store.put(vec![object("a", 1, 40)]).unwrap();
        store.put(vec![object("a", 2, 30), object("b", 2, 30)]).unwrap();
        assert!(store.get("a", "0.ts").is_none());
        assert!(store.get("a", "1.ts").is_some());
        assert_eq!(store.bytes, 100);
        assert_eq!(store.put(vec![object("a", 3, 60), object("b", 3, 60)]), Err(TooLarge));
        assert_eq!(store.bytes, 100);
    }

    #[test]
    fn a_retried_segment_replaces_its_results() {
        let mut store = ResultStore::new(12, 100);
        store.put(vec![object("a", 5, 10)]).unwrap();
        store.put(vec![object("a", 5, 20)]).unwrap();
        assert_eq!((store.objects.len(), store.bytes), (1, 20));
    }

    #[test]
    fn only_exact_names_are_found() {
        let mut store = ResultStore::new(12, 100);
        store.put(vec![object("a", 5, 10)]).unwrap();
        for file in ["5.mp4", "5", "05x.ts", "-5.ts", "5.ts/", "..", ""] {
            assert!(store.get("a", file).is_none(), "{file}");
        }
        assert!(store.get("b", "5.ts").is_none());
    }
}
