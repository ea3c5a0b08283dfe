//! The tracks of one kind, by the numbers that their encoder gave them.

use std::collections::{BTreeMap, BTreeSet};

use media::{TrackId, TrackKind};

/// Tracks and their ids in the stream. The encoder's number 0, which is also that of a message without one,
/// is the main track; without it, the lowest of those that came before anything was coded is.
#[derive(Debug)]
pub(super) struct Tracks<T> {
    kind: TrackKind,
    main: TrackId,
    /// Further ones are refused.
    most: usize,
    tracks: BTreeMap<u8, (Option<TrackId>, T)>,
    /// Numbers that are not used.
    refused: BTreeSet<u8>,
}

impl<T: Default> Tracks<T> {
    pub(super) const fn new(kind: TrackKind, main: TrackId, most: usize) -> Self {
        Self { kind, main, most, tracks: BTreeMap::new(), refused: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.tracks.len()
    }

    pub(super) fn is_refused(&self, number: u8) -> bool {
        self.refused.contains(&number)
    }

    pub(super) fn get_mut(&mut self, number: u8) -> Option<(Option<TrackId>, &mut T)> {
        self.tracks.get_mut(&number).map(|(id, track)| (*id, track))
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.tracks.values_mut().map(|(_, track)| track)
    }

    /// Lets a track in, unless it is refused; if it is, says why, the first time.
    pub(super) fn admit(&mut self, number: u8) -> Result<(), Option<String>> {
        if self.tracks.contains_key(&number) {
            return Ok(());
        }
        if self.tracks.len() >= self.most {
            let most = self.most;
            return Err(self.refuse(number, &format_args!("of one kind, {most} are")));
        }
        if self.is_refused(number) {
            return Err(None);
        }
        self.tracks.insert(number, (None, T::default()));
        Ok(())
    }

    /// Uses a track no longer; says why, the first time.
    pub(super) fn refuse(&mut self, number: u8, reason: &dyn std::fmt::Display) -> Option<String> {
        self.tracks.remove(&number);
        let kind = match self.kind {
            TrackKind::Video => "video",
            TrackKind::Audio => "audio",
        };
        let first = self.refused.insert(number);
        first.then(|| format!("{kind} track {number} is not used: {reason}"))
    }

    pub(super) fn numbers(&self) -> Vec<u8> {
        self.tracks.keys().copied().collect()
    }

    /// Gives a track its id, unless it has one. `None` if it has.
    pub(super) fn name(&mut self, number: u8, further: &mut u32) -> Option<(TrackId, &mut T)> {
        let main = self.main;
        let has_main = self.tracks.values().any(|(id, _)| *id == Some(main));
        let (id, track) = self.tracks.get_mut(&number).filter(|(id, _)| id.is_none())?;
        let new = if has_main { TrackId(*further) } else { main };
        *further += u32::from(has_main);
        *id = Some(new);
        Some((new, track))
    }
}
