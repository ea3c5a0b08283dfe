//! The ladder of streams that have none of their own.

use std::sync::{Arc, Mutex, PoisonError};

use media::Ladder;

/// One setting for all streams. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct DefaultLadder(Arc<Mutex<Option<Ladder>>>);

impl DefaultLadder {
    /// `None`: each stream's is fitted to its source.
    #[must_use]
    pub fn new(ladder: Option<Ladder>) -> Self {
        Self(Arc::new(Mutex::new(ladder)))
    }

    /// As it is now.
    #[must_use]
    pub fn get(&self) -> Option<Ladder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For streams whose renditions are not settled yet; others keep theirs.
    pub(crate) fn set(&self, ladder: Ladder) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ladder);
    }
}
