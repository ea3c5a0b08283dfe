//! Renditions come back by themselves.

use std::time::Duration;

use super::{Watch, release::Pushed};
use crate::violation::{Checked, ensure};

/// Segments after which renditions have to be there again.
const SEGMENTS: u32 = 3;
/// Segments in a row that others may lose all the same: whoever stops answering costs the ones it has,
/// and with many to choose from it takes more than one to find the good one.
const LOST: usize = 2;
/// Of so many to choose from, one more may be lost.
const CHOICE: usize = 4;
/// What may pass besides.
const MORE: Duration = Duration::from_secs(2);
/// An orchestrator with at least this limit has room for all.
const UNLIMITED: u32 = 1_000;

impl Watch {
    /// A segment has its renditions when someone who can make them has been there for a while.
    pub(super) fn check_presence(
        &mut self,
        at: Duration,
        stream: usize,
        pushed: &Pushed,
        what: &str,
    ) -> Checked {
        let sound = pushed.transcodable && !pushed.source_only && !pushed.poison;
        if !sound || !pushed.punctual || pushed.overflowed {
            return Ok(());
        }
        let Some(beacon) = self.beacon(at, stream, pushed) else { return Ok(()) };
        self.summary.required += 1;
        let outcome = pushed.outcome;
        let choice = self.members(stream).len();
        let book = self.stream(stream)?;
        let missing = outcome != "complete";
        book.missing = if missing { book.missing + 1 } else { 0 };
        let in_a_row = book.missing;
        let most = LOST + choice / CHOICE;
        ensure!(
            at,
            in_a_row <= most,
            "{what} as {outcome}, {in_a_row} in a row while o{beacon} could have made them"
        );
        self.summary.lost += u64::from(missing);
        Ok(())
    }

    /// An orchestrator that does nothing wrong, with room for all, that was there all the time.
    fn beacon(&self, at: Duration, stream: usize, pushed: &Pushed) -> Option<usize> {
        let book = self.streams.get(stream)?;
        let since = pushed.closed.checked_sub(book.longest * SEGMENTS + MORE)?;
        let goes_on = book.finish_by.is_none_or(|by| pushed.due <= by);
        if !goes_on || book.begun.is_none_or(|begun| begun > since) {
            return None;
        }
        let members = self.members(stream).into_iter().filter(|it| it.limit >= UNLIMITED);
        members.map(|it| it.orchestrator).find(|index| {
            let found = self.scripts.get(*index).zip(self.nodes.get(*index));
            let Some((script, node)) = found else { return false };
            let trusted = node.demoted_until.is_none_or(|until| until <= since);
            let here = book.member_since.get(index).is_some_and(|it| *it <= since);
            let sound = script.sound_since(pushed.closed).is_some_and(|it| it <= since);
            script.beacon && trusted && here && sound && script.sound_until(pushed.closed, at)
        })
    }
}
