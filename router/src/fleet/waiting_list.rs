//! Streams that wait for room at an orchestrator, in the order they came.

use std::time::Instant;

use orchestrator::OrchestratorAddress;

use super::StreamId;

/// Entries kept; with more streams waiting than that, the next ones get room by chance of timing.
const MOST: usize = 4_096;

#[derive(Clone, Debug)]
struct Waiter {
    stream: StreamId,
    address: OrchestratorAddress,
    until: Instant,
}

/// First come, first served: a stream with many segments takes its place once.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitingList(Vec<Waiter>);

impl WaitingList {
    /// How many other streams wait for it longer than this one.
    pub(super) fn ahead(
        &self,
        now: Instant,
        stream: StreamId,
        address: &OrchestratorAddress,
    ) -> usize {
        let others = self.0.iter().filter(|it| it.address == *address);
        others.take_while(|it| it.stream != stream).filter(|it| it.until > now).count()
    }

    /// A stream waits for these from now on, each until then: new ones at the end, known ones where they
    /// are. True when it gave up a place that it had.
    pub(super) fn set(
        &mut self,
        now: Instant,
        stream: StreamId,
        wanted: &[(OrchestratorAddress, Instant)],
    ) -> bool {
        let before = self.0.len();
        self.0.retain(|it| it.until > now || it.stream == stream);
        let kept = |it: &Waiter| wanted.iter().any(|(address, _)| it.address == *address);
        let alive = self.0.len();
        self.0.retain(|it| it.stream != stream || kept(it));
        let gave_up = self.0.len() < alive || alive < before;
        for (address, until) in wanted {
            let known = |it: &&mut Waiter| it.stream == stream && it.address == *address;
            if let Some(known) = self.0.iter_mut().find(known) {
                known.until = *until;
            } else if self.0.len() < MOST {
                self.0.push(Waiter { stream, address: address.clone(), until: *until });
            }
        }
        gave_up
    }

    /// The stream had its turn there.
    pub(super) fn take(&mut self, stream: StreamId, address: &OrchestratorAddress) {
        self.0.retain(|it| it.stream != stream || it.address != *address);
    }

    /// True when it waited at all.
    pub(super) fn remove_all(&mut self, stream: StreamId) -> bool {
        let before = self.0.len();
        self.0.retain(|it| it.stream != stream);
        self.0.len() != before
    }

    pub(super) fn is_awaited(&self, address: &OrchestratorAddress) -> bool {
        self.0.iter().any(|it| it.address == *address)
    }
}
