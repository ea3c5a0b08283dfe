//! Which session takes a segment.

use std::cmp::Reverse;

use crate::session::SessionId;

/// One session that could take the segment: live, and with room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// The session.
    pub(crate) session: SessionId,
    /// Its orchestrator failed this segment before.
    pub(crate) tried: bool,
    /// It is in use: swapping costs a new encoder, and often a discontinuity.
    pub(crate) current: bool,
    /// Attempts in flight on it.
    pub(crate) in_flight: usize,
    /// Place in the operator's list.
    pub(crate) order: usize,
}

/// The best of `choices`: one that has not failed this segment, then the one in use, then the least
/// busy, then the operator's order. A pure function, so that a run can be explained and repeated.
pub(crate) fn select(choices: impl Iterator<Item = Choice>) -> Option<SessionId> {
    let rank = |it: &Choice| (it.tried, Reverse(it.current), it.in_flight, it.order, it.session);
    choices.min_by_key(rank).map(|it| it.session)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Choice =
        Choice { session: SessionId(1), tried: false, current: false, in_flight: 0, order: 0 };

    #[test]
    fn an_orchestrator_that_failed_the_segment_comes_last() {
        let tried = Choice { tried: true, current: true, ..PLAIN };
        let busy = Choice { session: SessionId(2), in_flight: 2, order: 1, ..PLAIN };
        assert_eq!(select([tried, busy].into_iter()), Some(SessionId(2)));
        assert_eq!(select([tried].into_iter()), Some(SessionId(1)));
        assert_eq!(select(std::iter::empty()), None);
    }

    #[test]
    fn the_session_in_use_is_kept_then_the_least_busy_then_the_list() {
        let current =
            Choice { session: SessionId(3), current: true, in_flight: 1, order: 2, ..PLAIN };
        assert_eq!(select([PLAIN, current].into_iter()), Some(SessionId(3)));
        let busy = Choice { in_flight: 1, ..PLAIN };
        let idle = Choice { session: SessionId(2), order: 1, ..PLAIN };
        assert_eq!(select([busy, idle].into_iter()), Some(SessionId(2)));
        let second = Choice { session: SessionId(0), order: 1, ..PLAIN };
        assert_eq!(select([second, PLAIN].into_iter()), Some(SessionId(1)));
    }
}
