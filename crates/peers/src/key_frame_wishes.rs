//! Sources that are to be asked for a key frame.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Written by who reads the media, taken by the chain when it next writes: with the next packet, or after
/// 50 ms. Bounded by [`Self::SOURCES_MAX`]; what is over it is not asked.
#[derive(Debug, Default)]
pub(crate) struct KeyFrameWishes(Mutex<BTreeSet<u32>>);

impl KeyFrameWishes {
    const SOURCES_MAX: usize = 16;

    pub(crate) fn wish(&self, sources: impl IntoIterator<Item = u32>) {
        let mut wishes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for source in sources {
            if wishes.len() < Self::SOURCES_MAX {
                wishes.insert(source);
            }
        }
    }

    pub(crate) fn take(&self) -> BTreeSet<u32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
