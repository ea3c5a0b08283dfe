//! Streams that nobody may publish for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ingest::{Refusal, push::PushRefusal};
use media::StreamName;

use super::Streams;

/// How long a stream that met a limit that ends it may not be published. After that a publisher is let in
/// again, up to the first payment that is still refused.
const BARRED_FOR: Duration = Duration::from_secs(60);
/// Streams that are barred at the same time; the one that would be let in first makes room.
const BARRED_MAX: usize = 4_096;
/// What their publishers are told.
const WHY: &str = "the stream's budget is used up";

/// Who is barred, until when.
#[derive(Debug, Default)]
pub(super) struct Barred(Mutex<HashMap<StreamName, Instant>>);

impl Barred {
    fn bar(&self, now: Instant, stream: &StreamName) {
        let mut barred = self.lock();
        barred.retain(|_, until| *until > now);
        if barred.len() >= BARRED_MAX {
            let first = barred.iter().min_by_key(|(_, until)| **until);
            let first = first.map(|(name, _)| name.clone());
            first.and_then(|name| barred.remove(&name));
        }
        barred.insert(stream.clone(), now + BARRED_FOR);
    }

    fn is_barred(&self, now: Instant, stream: &StreamName) -> bool {
        self.lock().get(stream).is_some_and(|until| *until > now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamName, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    /// Ends a stream's publisher, and lets no other one in for a minute. False when it is barred already.
    pub(crate) fn stop(&self, stream: &StreamName) -> bool {
        let now = tokio::time::Instant::now().into_std();
        let news = !self.0.barred.is_barred(now, stream);
        self.0.barred.bar(now, stream);
        self.kick(stream);
        news
    }

    /// Refuses publishers of a stream that is barred.
    pub(super) fn let_in(&self, now: Instant, stream: &StreamName) -> Result<(), Refusal> {
        let barred = self.0.barred.is_barred(now, stream);
        if barred { Err(Refusal::Rejected(WHY.to_owned())) } else { Ok(()) }
    }

    /// The same for whoever pushes.
    pub(super) fn let_push(&self, now: Instant, stream: &StreamName) -> Result<(), PushRefusal> {
        let barred = self.0.barred.is_barred(now, stream);
        if barred { Err(PushRefusal::Forbidden(WHY.to_owned())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_barred_for_a_minute() {
        let (barred, start) = (Barred::default(), tokio::time::Instant::now().into_std());
        let name = |text: &str| StreamName::new(text).unwrap();
        barred.bar(start, &name("cam"));
        let later = start + BARRED_FOR - Duration::from_millis(1);
        assert!(barred.is_barred(later, &name("cam")) && !barred.is_barred(later, &name("other")));
        assert!(!barred.is_barred(start + BARRED_FOR, &name("cam")));
        for number in 0..=BARRED_MAX {
            barred.bar(start + Duration::from_millis(1), &name(&format!("s{number}")));
        }
        assert_eq!(barred.lock().len(), BARRED_MAX);
    }
}
