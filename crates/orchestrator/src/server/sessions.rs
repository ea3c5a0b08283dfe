//! Which sessions are live.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// There is no room for one more session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capped;

/// Live sessions by id, each with state `S` of the shell. A session lives from its first segment until
/// it is ended or has been idle too long.
#[derive(Debug)]
pub(super) struct Sessions<S> {
    limit: usize,
    idle: Duration,
    live: HashMap<String, Entry<S>>,
}

#[derive(Debug)]
struct Entry<S> {
    last_used: Instant,
    state: Arc<S>,
}

impl<S> Sessions<S> {
    /// At most `limit` sessions, each of which may be idle for `idle`.
    pub(super) fn new(limit: usize, idle: Duration) -> Self {
        Self { limit, idle, live: HashMap::new() }
    }

    /// Live sessions.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether one more session could begin.
    pub(super) fn has_room(&self) -> bool {
        self.live.len() < self.limit
    }

    /// Whether a segment of this session would be taken: the session is live, or could begin.
    pub(super) fn admits(&self, id: &str) -> bool {
        self.live.contains_key(id) || self.has_room()
    }

    /// A segment of this session has arrived: begins the session if it is not live. The flag says that
    /// it has just begun.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        id: &str,
        begin: impl FnOnce() -> S,
    ) -> Result<(Arc<S>, bool), Capped> {
        if let Some(entry) = self.live.get_mut(id) {
            entry.last_used = now;
            return Ok((Arc::clone(&entry.state), false));
        }
        if !self.has_room() {
            return Err(Capped);
        }
        let state = Arc::new(begin());
        let entry = Entry { last_used: now, state: Arc::clone(&state) };
        self.live.insert(id.to_owned(), entry);
        Ok((state, true))
    }

    /// The session is still at work.
    pub(super) fn touch(&mut self, now: Instant, id: &str) {
        if let Some(entry) = self.live.get_mut(id) {
            entry.last_used = now;
        }
    }

    /// The session's state, while it is live.
    pub(super) fn get(&self, id: &str) -> Option<Arc<S>> {
        self.live.get(id).map(|entry| Arc::clone(&entry.state))
    }

    /// Ends a session.
    pub(super) fn end(&mut self, id: &str) -> Option<Arc<S>> {
        self.live.remove(id).map(|entry| entry.state)
    }

    /// No session begins any more; the live ones go on.
    pub(super) fn close(&mut self) {
        self.limit = 0;
    }

    /// When this session is idle for too long, if nothing happens until then.
    pub(super) fn expiry(&self, id: &str) -> Option<Instant> {
        self.live.get(id).map(|entry| entry.last_used + self.idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(70);

    #[test]
    fn sessions_are_counted_from_their_first_segment_to_their_end() {
        let now = tokio::time::Instant::now().into_std();
        let mut sessions = Sessions::new(1, IDLE);
        assert!(sessions.has_room());
        assert!(sessions.enter(now, "a", || 1).unwrap().1);
        assert!(!sessions.enter(now, "a", || 2).unwrap().1);
        assert_eq!(*sessions.get("a").unwrap(), 1);
        assert!(sessions.admits("a") && !sessions.admits("b"));
        assert_eq!(sessions.enter(now, "b", || 3).unwrap_err(), Capped);
        assert!(sessions.end("a").is_some() && sessions.get("a").is_none());
        assert!(sessions.enter(now, "b", || 3).unwrap().1);
    }

    #[test]
    fn work_puts_the_expiry_off() {
        let now = tokio::time::Instant::now().into_std();
        let later = now + Duration::from_secs(60);
        let mut sessions = Sessions::new(2, IDLE);
        sessions.enter(now, "a", || ()).unwrap();
        assert_eq!(sessions.expiry("a"), Some(now + IDLE));
        sessions.touch(later, "a");
        assert_eq!(sessions.expiry("a"), Some(later + IDLE));
        sessions.touch(later, "b");
        assert_eq!(sessions.expiry("b"), None);
    }

    #[test]
    fn after_closing_only_live_sessions_go_on() {
        let now = tokio::time::Instant::now().into_std();
        let mut sessions = Sessions::new(2, IDLE);
        sessions.enter(now, "a", || ()).unwrap();
        sessions.close();
        assert!(sessions.enter(now, "a", || ()).is_ok());
        assert!(sessions.enter(now, "b", || ()).is_err());
    }
}
