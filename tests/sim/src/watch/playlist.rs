//! What must hold for playlists: they only ever go on.

use std::{collections::BTreeMap, time::Duration};

use playback::{RenditionId, Window};

use crate::violation::{Checked, ensure};

/// What a playlist says of one segment. It never says anything else of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Discontinuities before it, since the beginning.
    discontinuities: u64,
    map: String,
    date: String,
    duration: String,
    uri: String,
    gap: bool,
}

/// One playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Playlist {
    target: String,
    first: u64,
    entries: Vec<Entry>,
    ended: bool,
}

impl Playlist {
    fn read(text: &str) -> Self {
        let mut playlist = Self::default();
        let (mut discontinuities, mut map) = (0, String::new());
        let (mut date, mut duration, mut gap) = (String::new(), String::new(), false);
        for line in text.lines() {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-TARGETDURATION" => value.clone_into(&mut playlist.target),
                "#EXT-X-MEDIA-SEQUENCE" => playlist.first = value.parse().unwrap_or(0),
                "#EXT-X-DISCONTINUITY-SEQUENCE" => discontinuities = value.parse().unwrap_or(0),
                "#EXT-X-DISCONTINUITY" => discontinuities += 1,
                "#EXT-X-MAP" => value.clone_into(&mut map),
                "#EXT-X-PROGRAM-DATE-TIME" => value.clone_into(&mut date),
                "#EXT-X-GAP" => gap = true,
                "#EXT-X-ENDLIST" => playlist.ended = true,
                "#EXTINF" => value.clone_into(&mut duration),
                _ if line.starts_with('#') => {}
                _ => playlist.entries.push(Entry {
                    discontinuities,
                    map: map.clone(),
                    date: std::mem::take(&mut date),
                    duration: std::mem::take(&mut duration),
                    uri: line.to_owned(),
                    gap: std::mem::take(&mut gap),
                }),
            }
        }
        playlist
    }

    /// Numbers that are listed: the first, and the one after the last.
    fn numbers(&self) -> (u64, u64) {
        (self.first, self.first + u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

/// All playlists of one presentation, as viewers saw them last.
#[derive(Debug, Default)]
pub(crate) struct PlaylistBook {
    seen: BTreeMap<String, (u64, Playlist)>,
}

impl PlaylistBook {
    /// Compares the playlists with those before.
    pub(crate) fn check(
        &mut self,
        at: Duration,
        stream: usize,
        window: &Window,
        ids: &[RenditionId],
    ) -> Checked {
        let mut numbers = None;
        for id in ids {
            let Ok(rendered) = window.media_playlist(id) else { continue };
            let name = id.to_string();
            let what = format!("playlist {name} of stream {stream}");
            let before = self.seen.remove(&name);
            let (tag, playlist) = match before {
                Some((tag, playlist)) if tag == rendered.tag() => (tag, playlist),
                before => {
                    let text = String::from_utf8_lossy(rendered.body());
                    let playlist = Playlist::read(&text);
                    if let Some((_, before)) = &before {
                        check_next(at, &what, before, &playlist)?;
                    }
                    ensure!(at, !playlist.entries.is_empty(), "{what} is empty");
                    ensure!(at, playlist.entries.len() <= 64, "{what} grows without end");
                    (rendered.tag(), playlist)
                }
            };
            let listed = *numbers.get_or_insert_with(|| playlist.numbers());
            let same = listed == playlist.numbers();
            ensure!(
                at,
                same,
                "{what} lists {:?} where another lists {listed:?}",
                playlist.numbers()
            );
            self.seen.insert(name, (tag, playlist));
        }
        Ok(())
    }
}

/// A playlist after another: numbers go up, and what is listed stays as it is.
fn check_next(at: Duration, what: &str, before: &Playlist, next: &Playlist) -> Checked {
    ensure!(at, !before.ended, "{what} changes after its end");
    ensure!(at, before.target == next.target, "{what} has another target duration");
    let ((first, end), (next_first, next_end)) = (before.numbers(), next.numbers());
    ensure!(at, next_first >= first && next_end >= end, "{what} goes back to {next_first}");
    ensure!(at, next_first <= end, "{what} leaves out numbers from {end} on");
    for number in next_first..end {
        let (old, new) = (before.entry(number), next.entry(number));
        ensure!(at, old == new, "{what} changes {number} from {old:?} to {new:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(first: u64, segments: &[&str]) -> Playlist {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        for segment in segments {
            text.push_str(&format!("#EXTINF:2.0,\n{segment}\n"));
        }
        Playlist::read(&text)
    }

    #[test]
    fn playlists_that_go_back_or_change_are_found() {
        let before = playlist(5, &["a", "b", "c"]);
        let checked = |next: &Playlist| check_next(Duration::ZERO, "it", &before, next).is_ok();
        assert!(checked(&playlist(6, &["b", "c", "d"])));
        assert!(!checked(&playlist(4, &["z", "a", "b", "c"])));
        assert!(!checked(&playlist(6, &["c", "d"])));
        assert!(!checked(&playlist(9, &["e"])));
        assert!(!checked(&playlist(5, &["a", "b"])));
    }
}
