//! Who may work for a stream, worked out from the scripted pools.

use std::time::Duration;

use super::Watch;
use crate::scenario::PoolScript;

/// An orchestrator a stream may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) orchestrator: usize,
    pub(super) pool: &'static str,
    /// Most segments in flight, of all streams.
    pub(super) limit: u32,
    cap: Option<u64>,
    allows_absent: bool,
}

impl Member {
    pub(super) fn pays(&self, price: Option<u64>) -> bool {
        match (price, self.cap) {
            (None, _) => self.allows_absent,
            (Some(price), cap) => cap.is_none_or(|cap| price <= cap),
        }
    }
}

impl Watch {
    /// The operator's pools are these from now on.
    pub(crate) fn set_pools(&mut self, at: Duration, pools: &[PoolScript]) {
        self.pools = pools.to_vec();
        for stream in 0..self.streams.len() {
            let members = self.members(stream);
            if let Some(book) = self.streams.get_mut(stream) {
                book.follow(at, &members);
            }
        }
    }

    /// Whom a stream may use now, in its order, each once.
    pub(super) fn members(&self, stream: usize) -> Vec<Member> {
        let Some(book) = self.streams.get(stream) else { return Vec::new() };
        let named = book.policy.pools.iter();
        let named = named.filter_map(|name| self.pools.iter().find(|it| it.name == name.as_str()));
        let open = self.pools.iter().filter(|it| !it.only_if_named);
        let pools: Vec<_> =
            if book.policy.pools.is_empty() { open.collect() } else { named.collect() };
        let mut members: Vec<Member> = Vec::new();
        for pool in pools {
            let let_in = pool.members.iter().filter(|(index, _)| !pool.denied.contains(index));
            for (orchestrator, limit) in let_in {
                if members.iter().all(|it| it.orchestrator != *orchestrator) {
                    members.push(Member {
                        orchestrator: *orchestrator,
                        pool: pool.name,
                        limit: *limit,
                        cap: pool.cap,
                        allows_absent: pool.allows_absent,
                    });
                }
            }
        }
        members
    }
}
