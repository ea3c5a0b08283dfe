//! What happens when.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Events by time. Those of one instant come in an order left to chance, which the caller draws.
#[derive(Debug)]
pub(crate) struct Agenda<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    added: u64,
}

#[derive(Debug)]
struct Entry<E> {
    /// Time, chance, and the order they were added in: unique.
    key: (Duration, u64, u64),
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl<E> Agenda<E> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), added: 0 }
    }

    pub(crate) fn add(&mut self, at: Duration, chance: u64, event: E) {
        self.added += 1;
        self.heap.push(Reverse(Entry { key: (at, chance, self.added), event }));
    }

    /// When the next one is due.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(entry)| entry.key.0)
    }

    pub(crate) fn pop(&mut self) -> Option<(Duration, E)> {
        self.heap.pop().map(|Reverse(entry)| (entry.key.0, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_then_chance_then_order() {
        let mut agenda = Agenda::new();
        let second = Duration::from_secs(1);
        agenda.add(2 * second, 0, "last");
        agenda.add(second, 7, "second");
        agenda.add(second, 3, "first");
        agenda.add(second, 7, "third");
        assert_eq!(agenda.next_at(), Some(second));
        let order: Vec<_> = std::iter::from_fn(|| agenda.pop().map(|(_, event)| event)).collect();
        assert_eq!(order, ["first", "second", "third", "last"]);
    }
}
