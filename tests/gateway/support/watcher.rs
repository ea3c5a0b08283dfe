//! The rule watcher: polls every playlist of a presentation for a whole test and holds it against the
//! rules of HLS over time. Fetches every segment when it is listed, and again when it has left.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use container::{Demuxed, DemuxedTrack};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    http::HttpClient,
    playlist::{Entry, MediaPlaylist, renditions},
};

const POLL: Duration = Duration::from_millis(150);
/// What scheduling and polling may add to a deadline on a loaded machine.
const SLACK: f64 = 0.75;

/// What the watcher saw.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Broken rules, each once.
    pub(crate) violations: BTreeSet<String>,
    /// By media playlist URI.
    pub(crate) tracks: BTreeMap<String, TrackHistory>,
    /// The last multivariant playlist.
    pub(crate) multivariant: String,
}

/// All that was ever listed in one media playlist.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrackHistory {
    pub(crate) entries: BTreeMap<u64, Entry>,
    /// Bodies of the segments with media, by number.
    pub(crate) bodies: BTreeMap<u64, bytes::Bytes>,
    pub(crate) inits: BTreeMap<String, bytes::Bytes>,
    pub(crate) ended: bool,
    last: Option<MediaPlaylist>,
    last_growth: Option<Instant>,
    left: Vec<(Instant, Duration, String)>,
}

impl Report {
    /// Fails the test when a rule was broken.
    pub(crate) fn assert_clean(&self) {
        let lines: Vec<_> = self.violations.iter().map(String::as_str).collect();
        assert!(lines.is_empty(), "{} rule(s) broken:\n{}", lines.len(), lines.join("\n"));
    }

    pub(crate) fn track(&self, name: &str) -> &TrackHistory {
        let found = self.tracks.iter().find(|(uri, _)| uri.contains(name));
        found
            .map(|(_, track)| track)
            .unwrap_or_else(|| panic!("no playlist {name} in {:?}", self.tracks.keys()))
    }
}

impl TrackHistory {
    /// The file of a segment with its init, as a player would join them.
    pub(crate) fn file(&self, number: u64) -> bytes::Bytes {
        let init = self.entries[&number].map.as_ref().expect("a segment without EXT-X-MAP");
        [&self.inits[init][..], &self.bodies[&number][..]].concat().into()
    }

    /// Every segment with media joined behind its init; one file for each init.
    pub(crate) fn joined(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut init = None;
        for (number, body) in &self.bodies {
            let map = self.entries[number].map.clone();
            if map != init {
                file.extend_from_slice(&self.inits[map.as_ref().expect("EXT-X-MAP")]);
                init = map;
            }
            file.extend_from_slice(body);
        }
        file
    }

    pub(crate) fn gaps(&self) -> Vec<u64> {
        self.entries.iter().filter(|(_, entry)| entry.gap).map(|(number, _)| *number).collect()
    }
}

/// A running watcher.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: CancellationToken,
    task: JoinHandle<Report>,
}

impl Watcher {
    /// Watches `/{id}.m3u8` and all below it.
    pub(crate) fn start(client: HttpClient, id: &str) -> Self {
        let stop = CancellationToken::new();
        let watch = Watch { client, id: id.to_owned(), report: Report::default() };
        #[expect(clippy::disallowed_methods, reason = "joined by finish")]
        let task = tokio::spawn(watch.run(stop.clone()));
        Self { stop, task }
    }

    /// Stops after one more look.
    pub(crate) async fn finish(self) -> Report {
        self.stop.cancel();
        self.task.await.expect("the watcher failed")
    }
}

struct Watch {
    client: HttpClient,
    id: String,
    report: Report,
}

impl Watch {
    async fn run(mut self, stop: CancellationToken) -> Report {
        loop {
            let last = stop.is_cancelled();
            self.look().await;
            if last {
                self.check_continuity();
                return self.report;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    fn violation(&mut self, text: String) {
        self.report.violations.insert(text);
    }

    async fn look(&mut self) {
        let Ok(multivariant) = self.client.try_get(&format!("/{}.m3u8", self.id)).await else {
            return;
        };
        if multivariant.status != 200 {
            if !self.report.tracks.values().all(|track| track.ended) {
                self.violation(format!(
                    "the multivariant playlist answered {} while live",
                    multivariant.status
                ));
            }
            return;
        }
        self.report.multivariant = multivariant.text().to_owned();
        let listed = renditions(multivariant.text());
        let mut seen = Vec::new();
        for (uri, _) in &listed {
            let answer = self.client.try_get(&format!("/{uri}")).await;
            match answer {
                Ok(answer) if answer.status == 200 => match MediaPlaylist::parse(answer.text()) {
                    Ok(playlist) => seen.push((uri.clone(), playlist)),
                    Err(error) => self.violation(format!("{uri}: {error}")),
                },
                Ok(answer) => self.violation(format!("{uri} answered {}", answer.status)),
                Err(error) => self.violation(format!("{uri}: {error}")),
            }
        }
        for (uri, playlist) in &seen {
            self.compare(uri, playlist);
            self.fetch_new(uri, playlist).await;
        }
        self.compare_renditions(&seen);
        self.check_left().await;
    }

    /// Rules on one playlist, and against the one before it.
    fn compare(&mut self, uri: &str, new: &MediaPlaylist) {
        let mut broken = check_alone(new);
        let track = self.report.tracks.entry(uri.to_owned()).or_default();
        if let Some(old) = track.last.clone() {
            broken.extend(check_change(&old, new));
            let grown = new.media_sequence + new.entries.len() as u64
                > old.media_sequence + old.entries.len() as u64;
            let limit = 1.5 * old.target_duration as f64 + SLACK;
            let since = track.last_growth.map(|at| at.elapsed().as_secs_f64()).unwrap_or_default();
            if !old.ended && since > limit {
                broken.push(format!("nothing new for {since:.2} s, at most {limit:.2} (PL-21)"));
            }
            if grown {
                track.last_growth = Some(Instant::now());
            }
            let length: f64 = old.entries.iter().map(|entry| entry.duration).sum();
            for (_, entry) in old.numbered().filter(|(number, _)| *number < new.media_sequence) {
                if !entry.gap {
                    let keep = Duration::from_secs_f64((entry.duration + length - SLACK).max(0.0));
                    track.left.push((Instant::now(), keep, entry.uri.clone()));
                }
            }
        } else {
            track.last_growth = Some(Instant::now());
        }
        for (number, entry) in new.numbered() {
            if let Some(known) = track.entries.get(&number) {
                if known != entry {
                    broken.push(format!(
                        "number {number} changed from {known:?} to {entry:?} (PL-14, PL-20)"
                    ));
                }
            } else {
                track.entries.insert(number, entry.clone());
            }
        }
        track.ended = new.ended;
        track.last = Some(new.clone());
        for problem in broken {
            self.violation(format!("{uri}: {problem}"));
        }
    }

    /// What is listed is there, whole, at once (PL-23).
    async fn fetch_new(&mut self, uri: &str, playlist: &MediaPlaylist) {
        let base = uri.rsplit_once('/').map_or("", |(base, _)| base);
        for (number, entry) in playlist.numbered() {
            let track = &self.report.tracks[uri];
            if entry.gap || track.bodies.contains_key(&number) {
                continue;
            }
            let Some(map) = entry.map.clone() else {
                self.violation(format!("{uri}: number {number} has no EXT-X-MAP (SEG-1)"));
                continue;
            };
            let mut wanted = vec![entry.uri.clone()];
            if !track.inits.contains_key(&map) {
                wanted.push(map.clone());
            }
            for file in wanted {
                let answer = self.client.try_get(&format!("/{base}/{file}")).await;
                let Some(answer) =
                    answer.ok().filter(|answer| answer.status == 200 && !answer.body.is_empty())
                else {
                    self.violation(format!("{uri}: {file} is listed and not there (PL-23)"));
                    continue;
                };
                let track = self.report.tracks.get_mut(uri).expect("known");
                if file == map {
                    track.inits.insert(file, answer.body);
                } else {
                    track.bodies.insert(number, answer.body);
                }
            }
        }
    }

    /// All renditions tell the same (MV-5).
    fn compare_renditions(&mut self, seen: &[(String, MediaPlaylist)]) {
        let Some(((first_uri, first), others)) = seen.split_first() else { return };
        let by_number: BTreeMap<u64, &Entry> = first.numbered().collect();
        for (uri, other) in others {
            if other.target_duration != first.target_duration {
                self.violation(format!("{uri} and {first_uri} differ in target duration (MV-5)"));
            }
            if other.media_sequence == first.media_sequence
                && other.discontinuity_sequence != first.discontinuity_sequence
            {
                self.violation(format!(
                    "{uri} and {first_uri} differ in discontinuity sequence (MV-5)"
                ));
            }
            for (number, entry) in other.numbered() {
                let Some(of_first) = by_number.get(&number) else { continue };
                let same = (entry.duration - of_first.duration).abs() < 0.001
                    && entry.discontinuity == of_first.discontinuity
                    && entry.program_date_time == of_first.program_date_time;
                if !same {
                    self.violation(format!(
                        "number {number} differs: {uri} {entry:?}, {first_uri} {of_first:?} (MV-5)"
                    ));
                }
            }
        }
    }

    /// Removed segments stay for their duration and that of the longest playlist (PL-22).
    async fn check_left(&mut self) {
        let mut due = Vec::new();
        for (uri, track) in &mut self.report.tracks {
            let base = uri.rsplit_once('/').map_or("", |(base, _)| base);
            track.left.retain(|(since, keep, file)| {
                let ripe = since.elapsed() + POLL * 4 > *keep;
                let late = since.elapsed() > *keep;
                if ripe && !late {
                    due.push(format!("/{base}/{file}"));
                }
                !ripe
            });
        }
        for path in due {
            if self.client.try_get(&path).await.is_ok_and(|answer| answer.status != 200) {
                self.violation(format!("{path} went before its time (PL-22)"));
            }
        }
    }

    /// Decoding times go on without hole or overlap (SEG-3), and EXTINF says what is in the file.
    fn check_continuity(&mut self) {
        let mut broken = Vec::new();
        for (uri, track) in &self.report.tracks {
            let mut expected: Option<(u64, i64)> = None;
            for (number, entry) in
                track.entries.iter().filter(|(number, _)| track.bodies.contains_key(number))
            {
                let read = container::mp4::read(&track.file(*number));
                let Some(found) = read.as_ref().ok().and_then(first_track) else {
                    broken.push(format!("{uri}: number {number} can't be read: {read:?}"));
                    continue;
                };
                let (begin, end) = span(found, &track.bodies[number]);
                let contiguous =
                    expected.is_some_and(|(last, _)| last + 1 == *number) && !entry.discontinuity;
                if let Some((_, expected)) =
                    expected.filter(|(_, tick)| contiguous && *tick != begin)
                {
                    broken.push(format!(
                        "{uri}: number {number} begins at {begin}, expected {expected} (SEG-3)"
                    ));
                }
                let seconds = (end - begin) as f64 / f64::from(found.timescale.get());
                if (seconds - entry.duration).abs() > 0.101 {
                    broken.push(format!(
                        "{uri}: number {number} holds {seconds:.3} s, says {:.3} (PL-11)",
                        entry.duration
                    ));
                }
                expected = Some((*number, end));
            }
        }
        for problem in broken {
            self.violation(problem);
        }
    }
}

fn first_track(demuxed: &Demuxed) -> Option<&DemuxedTrack> {
    demuxed.video.as_ref().or(demuxed.audio.as_ref())
}

/// Decoding time of the first sample, and where the last one ends (from the fragment's own table).
fn span(track: &DemuxedTrack, body: &[u8]) -> (i64, i64) {
    let begin = track.samples.first().map_or(0, |sample| sample.dts);
    (begin, begin + i64::try_from(sum_of_durations(body)).expect("a sane duration"))
}

/// Adds up the sample durations of every fragment: each `trun` says its own (flag 0x100), or they are
/// all as `tfhd` says (flag 8).
fn sum_of_durations(body: &[u8]) -> u64 {
    let mut sum = 0;
    for (kind, moof) in boxes(body) {
        if &kind != b"moof" {
            continue;
        }
        let (_, traf) = boxes(moof).find(|(kind, _)| kind == b"traf").expect("traf");
        let default = boxes(traf)
            .find(|(kind, _)| kind == b"tfhd")
            .map_or(0, |(_, tfhd)| default_duration(tfhd));
        for (_, run) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
            let (flags, count) = (word(run, 0) & 0x00FF_FFFF, word(run, 1));
            let fields = (flags & 0xF00).count_ones() as usize;
            let first = 2 + usize::from(flags & 1 != 0) + usize::from(flags & 4 != 0);
            for sample in 0..count as usize {
                let own = (flags & 0x100 != 0).then(|| word(run, first + sample * fields));
                sum += u64::from(own.unwrap_or(default));
            }
        }
    }
    sum
}

fn default_duration(tfhd: &[u8]) -> u32 {
    let flags = word(tfhd, 0);
    if flags & 8 == 0 {
        return 0;
    }
    word(tfhd, 2 + 2 * usize::from(flags & 1 != 0) + usize::from(flags & 2 != 0))
}

fn word(bytes: &[u8], index: usize) -> u32 {
    u32::from_be_bytes(bytes[index * 4..index * 4 + 4].try_into().expect("four bytes"))
}

/// The boxes side by side in `bytes`, with their contents.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut left = bytes;
    std::iter::from_fn(move || {
        let kind = left.get(4..8)?.try_into().ok()?;
        let (found, rest) = left.split_at_checked(word(left, 0) as usize)?;
        left = rest;
        Some((kind, found.get(8..)?))
    })
}

fn check_alone(playlist: &MediaPlaylist) -> Vec<String> {
    let mut broken = Vec::new();
    if playlist.entries.is_empty() {
        broken.push("no segment listed (PL-7)".to_owned());
    }
    let target = playlist.target_duration as f64;
    if !(1.0..=12.0).contains(&target) {
        broken.push(format!("target duration {target} (PL-10)"));
    }
    let mut before: Option<&Entry> = None;
    for (number, entry) in playlist.numbered() {
        if entry.duration.round() > target || entry.duration > target + 0.5 {
            broken.push(format!(
                "number {number} lasts {} s, target {target} (PL-10)",
                entry.duration
            ));
        }
        if entry.duration <= 0.0 {
            broken.push(format!("number {number} lasts no time"));
        }
        let Some(time) = entry.program_date_time else {
            broken.push(format!("number {number} has no date (PL-17)"));
            continue;
        };
        if let Some((before, then)) =
            before.and_then(|before| Some((before, before.program_date_time?)))
        {
            let step = (time - then) as f64 / 1_000.0;
            if !entry.discontinuity && (step - before.duration).abs() > 0.002 {
                broken.push(format!(
                    "number {number}: date steps {step} s over {} s (PL-17)",
                    before.duration
                ));
            }
            if step < -0.001 {
                broken.push(format!("number {number}: date goes back {step} s (PL-17)"));
            }
        }
        before = Some(entry);
    }
    broken
}

fn check_change(old: &MediaPlaylist, new: &MediaPlaylist) -> Vec<String> {
    let mut broken = Vec::new();
    if old.ended && (!new.ended || new.entries != old.entries) {
        broken.push("changed after ENDLIST (PL-19)".to_owned());
    }
    if new.target_duration != old.target_duration {
        broken.push(format!(
            "target duration {} became {} (PL-10)",
            old.target_duration, new.target_duration
        ));
    }
    if new.independent != old.independent {
        broken.push("INDEPENDENT-SEGMENTS came or went".to_owned());
    }
    if new.media_sequence < old.media_sequence {
        broken.push(format!(
            "media sequence {} became {} (PL-13)",
            old.media_sequence, new.media_sequence
        ));
        return broken;
    }
    let removed = (new.media_sequence - old.media_sequence) as usize;
    if removed > old.entries.len() {
        broken.push(format!("{removed} numbers passed unseen (PL-13)"));
        return broken;
    }
    let rolled_off =
        old.entries[..removed].iter().filter(|entry| entry.discontinuity).count() as u64;
    if new.discontinuity_sequence != old.discontinuity_sequence + rolled_off {
        broken.push(format!(
            "discontinuity sequence {} became {} with {rolled_off} rolled off (PL-15)",
            old.discontinuity_sequence, new.discontinuity_sequence
        ));
    }
    let kept = &old.entries[removed..];
    if new.entries.len() < kept.len() || new.entries[..kept.len()] != *kept {
        broken.push("a listed segment changed or vanished (PL-20)".to_owned());
    }
    let length: f64 = new.entries.iter().map(|entry| entry.duration).sum();
    if removed > 0 && !new.ended && length < 3.0 * new.target_duration as f64 {
        broken.push(format!("only {length:.2} s listed (PL-16)"));
    }
    broken
}
