mod ready_made;

use std::{collections::HashMap, time::Duration};

use m3u8_rs::{MediaPlaylist, Playlist};
use proptest::prelude::*;

use super::*;
use crate::testing::{Maker, config, ladder, now, video_init, wall};

fn window(config: PlaybackConfig) -> Window {
    Window::new(Arc::new(config), PlaybackId::new("cam").unwrap())
}

fn parse(text: &[u8]) -> MediaPlaylist {
    match m3u8_rs::parse_playlist_res(text).unwrap() {
        Playlist::MediaPlaylist(playlist) => playlist,
        Playlist::MasterPlaylist(_) => panic!("a multivariant playlist"),
    }
}

fn media_playlist(window: &Window, name: &str) -> MediaPlaylist {
    parse(window.media_playlist(&RenditionId::parse(name).unwrap()).unwrap().body())
}

fn multivariant(window: &Window) -> String {
    String::from_utf8(window.multivariant_playlist().unwrap().body().to_vec()).unwrap()
}

/// URIs of the variants, in order.
fn variants(window: &Window) -> Vec<String> {
    let text = multivariant(window);
    let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
    playlist.variants.into_iter().map(|variant| variant.uri).collect()
}

#[test]
fn publishes_with_enough_segments_or_enough_media() {
    let start = now();
    let mut window = window(config());
    let mut maker = Maker::new(&[]);
    for expected in [false, false, true] {
        let segment = maker.media(1_000);
        assert_eq!(window.needs_target_duration(&segment), expected);
        assert_eq!(window.media_playlist(&RenditionId::Source).err(), Some(PlaylistError::NotYet));
        if expected {
            window.set_target_duration(4);
        }
        assert_eq!(window.append(start, wall(0), &segment), Ok(expected));
    }
    let playlist = media_playlist(&window, "source");
    assert_eq!((playlist.segments.len(), playlist.target_duration), (3, 4));

    let mut window = self::window(config());
    let segment = Maker::new(&[]).media(8_333);
    assert!(window.needs_target_duration(&segment));
    assert_eq!(window.append(start, wall(0), &segment), Ok(true));
    assert_eq!(window.target_duration(), Some(8));
}

#[test]
fn stand_ins_alone_are_never_published() {
    let mut window = window(config());
    let mut maker = Maker::new(&[]);
    window.append(now(), wall(0), &maker.media(1_000)).unwrap();
    for _ in 0..20 {
        let gap = maker.gap(2_000);
        assert!(!window.needs_target_duration(&gap));
        assert_eq!(window.append(now(), wall(0), &gap), Ok(false));
    }
    window.end(wall(0));
    assert_eq!(window.multivariant_playlist().err(), Some(PlaylistError::NotYet));
}

#[test]
fn end_publishes_what_there_is() {
    let mut window = window(config());
    window.append(now(), wall(0), &Maker::new(&[]).media(1_600)).unwrap();
    window.end(wall(1_600));
    let playlist = media_playlist(&window, "source");
    assert!(playlist.end_list);
    assert_eq!(playlist.target_duration, 2);
    let refused = window.append(now(), wall(0), &Maker::new(&[]).media(1));
    assert_eq!(refused, Err(AppendError::Ended));
}

#[test]
fn a_number_out_of_sequence_changes_nothing() {
    let mut window = window(config());
    let mut maker = Maker::new(&[]);
    for _ in 0..3 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    let before = window.media_playlist(&RenditionId::Source).unwrap();
    maker.sequence += 1;
    let error = AppendError::OutOfSequence { expected: 4, found: 5 };
    assert_eq!(window.append(now(), wall(0), &maker.media(2_000)), Err(error));
    assert!(Arc::ptr_eq(&before, &window.media_playlist(&RenditionId::Source).unwrap()));
}

#[test]
fn lists_a_middle_rung_first_and_renditions_once_they_have_media() {
    let mut window = window(config());
    window.set_ladder(&ladder(&["720p", "480p", "360p"]));
    let mut maker = Maker::new(&["720p", "480p", "360p"]);
    let late = maker.renditions[2].1.take();
    for _ in 0..3 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    assert_eq!(variants(&window), ["cam/720p.m3u8", "cam/source.m3u8", "cam/480p.m3u8"]);
    let missing = RenditionId::parse("360p").unwrap();
    assert_eq!(window.media_playlist(&missing).err(), Some(PlaylistError::NotYet));
    let unknown = RenditionId::parse("144p").unwrap();
    assert_eq!(window.media_playlist(&unknown).err(), Some(PlaylistError::Unknown));

    maker.renditions[2].1 = late;
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    assert_eq!(
        variants(&window),
        ["cam/480p.m3u8", "cam/source.m3u8", "cam/720p.m3u8", "cam/360p.m3u8"]
    );
    let text = window.media_playlist(&missing).unwrap();
    let text = std::str::from_utf8(text.body()).unwrap();
    assert_eq!(text.matches("#EXT-X-GAP").count(), 3);
    // The gaps before its first media have an init in force, and there is no discontinuity.
    assert_eq!(text.matches("#EXT-X-MAP").count(), 1);
    assert!(text.find("#EXT-X-MAP") < text.find("#EXTINF") && !text.contains("DISCONTINUITY\n"));
}

#[test]
fn multivariant_says_what_was_measured() {
    let mut window = window(config());
    window.set_ladder(&ladder(&["360p"]));
    let mut maker = Maker::new(&["360p"]);
    for _ in 0..3 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    let text = multivariant(&window);
    // 500 bytes a millisecond of source, 150 of the rendition, 16 of audio.
    for line in [
        "#EXT-X-STREAM-INF:BANDWIDTH=4128000,AVERAGE-BANDWIDTH=4128000,\
         CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1920x1080,FRAME-RATE=30.000,AUDIO=\"aud\",\
         CLOSED-CAPTIONS=NONE",
        "#EXT-X-STREAM-INF:BANDWIDTH=1328000,AVERAGE-BANDWIDTH=1328000,\
         CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=853x480,FRAME-RATE=30.000,AUDIO=\"aud\",\
         CLOSED-CAPTIONS=NONE",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn bandwidth_is_not_below_the_profile_while_little_was_measured() {
    let mut window = window(PlaybackConfig { start_segments: 1, ..config() });
    window.set_ladder(&ladder(&["360p"]));
    let mut maker = Maker::new(&["360p"]);
    maker.renditions[0].1 = Some(video_init(360, 0));
    window.append(now(), wall(0), &maker.media(20)).unwrap();
    assert!(multivariant(&window).contains("BANDWIDTH=1328000"), "{}", multivariant(&window));
    let rate = 1_200_000 + 128_000;
    assert_eq!(rate, 1_328_000);
}

#[test]
fn audio_alone_is_a_variant() {
    let mut window = window(config());
    let mut maker = Maker::new(&[]);
    maker.source = None;
    for _ in 0..3 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    assert_eq!(variants(&window), ["cam/audio.m3u8"]);
    assert!(!multivariant(&window).contains("RESOLUTION"));
}

#[test]
fn a_new_init_of_one_rendition_is_a_discontinuity_in_all() {
    let mut window = window(config());
    let mut maker = Maker::new(&["360p"]);
    for _ in 0..3 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    maker.renditions[0].1 = Some(video_init(360, 9));
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    for name in ["source", "audio", "360p"] {
        let playlist = media_playlist(&window, name);
        let breaks: Vec<_> = playlist.segments.iter().map(|s| s.discontinuity).collect();
        assert_eq!(breaks, [false, false, false, true, false], "{name}");
    }
    let maps = |name| -> Vec<String> {
        let segments = media_playlist(&window, name).segments;
        segments.into_iter().filter_map(|s| s.map).map(|map| map.uri).collect()
    };
    assert_eq!(maps("source"), ["source/z-init-1.mp4"]);
    assert_eq!(maps("360p"), ["360p/z-init-1.mp4", "360p/z-init-4.mp4"]);
    let init = |number| {
        let name = FileName::Init { epoch: "z", number };
        window.file(&RenditionId::parse("360p").unwrap(), &name).map(|file| file.content)
    };
    let bytes = |content| match content {
        Some(FileContent::Init(init)) => init.bytes.clone(),
        other => panic!("{other:?}"),
    };
    assert_ne!(bytes(init(1)), bytes(init(4)));
    assert!(init(2).is_none());
}

#[test]
fn a_removed_segment_stays_for_its_time_and_is_then_freed() {
    let start = now();
    let mut window = window(config());
    let mut maker = Maker::new(&[]);
    let at = |millis| start + Duration::from_millis(millis);
    let file = |window: &Window, sequence| {
        window.file(&RenditionId::Source, &FileName::Segment { epoch: "z", sequence }).is_some()
    };
    for index in 0..7 {
        window.append(at(index * 2_000), wall(0), &maker.media(2_000)).unwrap();
    }
    let playlist = media_playlist(&window, "source");
    assert_eq!((playlist.media_sequence, playlist.segments.len()), (2, 6));
    // Segment 1 left at 12 s; it plays for 2 s, and the longest playlist with it for 12 s.
    for index in 7..13 {
        assert!(file(&window, 1), "{index}");
        window.append(at(index * 2_000), wall(0), &maker.media(2_000)).unwrap();
    }
    assert!(file(&window, 1));
    window.append(at(26_000), wall(0), &maker.media(2_000)).unwrap();
    assert!(!file(&window, 1) && file(&window, 2));
    // 6 listed and 7 that left lately: the most a steady stream holds.
    assert_eq!(window.entries.len(), 13);
}

#[test]
fn other_epochs_are_other_files() {
    let mut window = window(config());
    let mut maker = Maker::new(&[]);
    for _ in 0..2 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    let file = |window: &Window, epoch| {
        window.file(&RenditionId::Source, &FileName::Segment { epoch, sequence: 1 }).is_some()
    };
    assert!(!file(&window, "z"), "not published yet");
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    assert!(file(&window, "z") && !file(&window, "y"));
}

/// One thing that happens to a stream.
#[derive(Clone, Debug)]
enum Event {
    /// A segment: its length, whether video, audio and each rendition have media.
    Media {
        millis: u64,
        video: bool,
        audio: bool,
        renditions: [bool; 2],
        discontinuity: bool,
    },
    Gap {
        millis: u64,
    },
    NewSourceInit(u8),
    NewRenditionInit(usize, u8),
}

fn event() -> impl Strategy<Value = Event> {
    let flags = (prop::bool::weighted(0.95), prop::bool::weighted(0.95), any::<[bool; 2]>());
    prop_oneof![
        8 => (300_u64..6_499, flags, prop::bool::weighted(0.1)).prop_map(
            |(millis, (video, audio, renditions), discontinuity)| Event::Media {
                millis, video, audio: audio || !video, renditions, discontinuity,
            }
        ),
        3 => (500_u64..6_000).prop_map(|millis| Event::Gap { millis }),
        1 => (0_u8..3).prop_map(Event::NewSourceInit),
        1 => (0_usize..2, 0_u8..3).prop_map(|(index, variety)| Event::NewRenditionInit(index, variety)),
    ]
}

const NAMES: [&str; 4] = ["source", "audio", "a", "b"];
const TARGET: u8 = 6;

/// What a playlist says of a segment: URI, gap, discontinuity, date, length, init.
type Said = (String, bool, bool, String, String, Option<String>);

/// Watches a presentation's playlists over time, as a player would and stricter.
#[derive(Default)]
struct RuleWatcher {
    /// What each playlist said of a number.
    said: HashMap<(&'static str, u64), Said>,
    /// Discontinuities counted up to and including a number.
    breaks: HashMap<u64, u64>,
    first: HashMap<&'static str, u64>,
    reached: f32,
    uris: HashMap<String, bytes::Bytes>,
    listed: Vec<String>,
    /// Seconds a number must stay downloadable after its removal, and when that was.
    retention: HashMap<u64, (f32, Option<Instant>)>,
}

impl RuleWatcher {
    fn look(&mut self, window: &Window, ended: bool) {
        let mut ranges = Vec::new();
        for name in NAMES {
            let id = RenditionId::parse(name).unwrap();
            let Ok(rendered) = window.media_playlist(&id) else { continue };
            let text = std::str::from_utf8(rendered.body()).unwrap();
            let playlist = parse(rendered.body());
            assert_eq!(playlist.end_list, ended, "PL-19");
            self.check_head(name, text, &playlist);
            self.check_segments(name, window, text, &playlist);
            ranges.push((playlist.media_sequence, playlist.segments.len()));
        }
        assert!(ranges.windows(2).all(|pair| pair[0] == pair[1]), "MV-10: {ranges:?}");
        if let Ok(text) = window.multivariant_playlist() {
            let (_, playlist) = m3u8_rs::parse_master_playlist(text.body()).unwrap();
            let uris: Vec<_> = playlist.variants.into_iter().map(|variant| variant.uri).collect();
            assert!(!uris.is_empty());
            let kept = |uri: &String| uris.contains(uri) || uri.ends_with("audio.m3u8");
            assert!(self.listed.iter().all(kept), "{:?} {uris:?}", self.listed);
            self.listed = uris;
        }
    }

    fn check_head(&mut self, name: &'static str, text: &str, playlist: &MediaPlaylist) {
        assert!(!playlist.segments.is_empty(), "PL-7");
        assert_eq!(playlist.version, Some(6), "PL-3");
        assert_eq!(playlist.target_duration, u64::from(TARGET), "PL-10");
        for tag in ["#EXTM3U", "#EXT-X-TARGETDURATION:", "#EXT-X-MEDIA-SEQUENCE:"] {
            assert_eq!(text.matches(tag).count(), 1, "PL-6 {tag}");
        }
        assert_eq!(text.matches("#EXT-X-DISCONTINUITY-SEQUENCE:").count(), 1, "PL-15");
        let first = self.first.insert(name, playlist.media_sequence).unwrap_or(1);
        assert!(first <= playlist.media_sequence, "PL-13");
        let length: f32 = playlist.segments.iter().map(|segment| segment.duration).sum();
        let floor = (3.0 * f32::from(TARGET)).min(self.reached);
        assert!(length >= floor - 0.01, "PL-16: {length} after {}", self.reached);
        self.reached = self.reached.max(length);
    }

    fn check_segments(
        &mut self,
        name: &'static str,
        window: &Window,
        text: &str,
        playlist: &MediaPlaylist,
    ) {
        let mut breaks = playlist.discontinuity_sequence;
        let mut map = None;
        let gaps = text.split("#EXTINF").map(|before| before.contains("#EXT-X-GAP"));
        for (offset, (segment, gap)) in playlist.segments.iter().zip(gaps).enumerate() {
            let sequence = playlist.media_sequence + offset as u64;
            assert!(segment.duration.round() <= f32::from(TARGET), "PL-10");
            breaks += u64::from(segment.discontinuity);
            assert_eq!(*self.breaks.entry(sequence).or_insert(breaks), breaks, "PL-15, MV-5");
            let new_map = segment.map.as_ref().map(|map| map.uri.clone());
            if new_map.is_some() && map.is_some() {
                assert!(segment.discontinuity, "SEG-6");
            }
            map = new_map.or(map);
            let date = segment.program_date_time.expect("PL-17").to_rfc3339();
            let said = (
                segment.uri.clone(),
                gap,
                segment.discontinuity,
                date,
                segment.duration.to_string(),
                map.clone(),
            );
            let before = self.said.entry((name, sequence)).or_insert_with(|| said.clone());
            assert_eq!(*before, said, "PL-14, PL-20");
            self.check_files(window, name, &segment.uri, map.as_deref().expect("SEG-1"), gap);
        }
    }

    /// Everything listed is there; the same URI is the same file for ever (PL-14, PL-23, PL-28).
    fn check_files(&mut self, window: &Window, name: &str, uri: &str, map: &str, gap: bool) {
        let id = RenditionId::parse(name).unwrap();
        for (uri, missing) in [(uri, gap), (map, false)] {
            let file_name = uri.strip_prefix(&format!("{name}/")).unwrap();
            let file = window.file(&id, &FileName::parse(file_name).unwrap());
            assert_eq!(file.is_none(), missing, "{uri}");
            let Some(file) = file else { continue };
            let bytes = match file.content {
                FileContent::Init(init) => init.bytes.clone(),
                FileContent::Segment(segment) => segment.body().next().unwrap().clone(),
            };
            let before = self.uris.entry(uri.to_owned()).or_insert_with(|| bytes.clone());
            assert_eq!(before.as_ptr(), bytes.as_ptr(), "{uri}");
        }
    }

    /// A removed segment is there for its length and that of the longest playlist with it (PL-22).
    fn check_removed(&mut self, window: &Window, now: Instant) {
        let Ok(rendered) = window.media_playlist(&RenditionId::Audio) else { return };
        let playlist = parse(rendered.body());
        let length: f32 = playlist.segments.iter().map(|segment| segment.duration).sum();
        for (sequence, segment) in (playlist.media_sequence..).zip(&playlist.segments) {
            let retention = &mut self.retention.entry(sequence).or_default().0;
            *retention = retention.max(segment.duration + length);
        }
        for (sequence, (retention, removed)) in &mut self.retention {
            if *sequence >= playlist.media_sequence {
                continue;
            }
            let removed = *removed.get_or_insert(now);
            let held = window.entries.front().is_some_and(|oldest| oldest.sequence <= *sequence);
            let over = now.duration_since(removed).as_secs_f32() >= *retention - 0.01;
            assert!(held || over, "PL-22: {sequence}");
        }
    }
}

fn play(events: Vec<Event>, window_segments: usize) {
    let mut now = now();
    let mut window = window(PlaybackConfig { window_segments, ..config() });
    window.set_ladder(&ladder(&["a", "b"]));
    let mut maker = Maker::new(&["a", "b"]);
    let (mut source, audio) = (maker.source.clone(), maker.audio.clone());
    let mut inits: Vec<_> = maker.renditions.iter().map(|(_, init)| init.clone()).collect();
    let mut watcher = RuleWatcher::default();
    for event in events {
        let segment = match event {
            Event::NewSourceInit(variety) => {
                source = Some(video_init(1_080, variety));
                continue;
            }
            Event::NewRenditionInit(index, variety) => {
                inits[index] = Some(video_init(480, 10 + variety));
                continue;
            }
            Event::Gap { millis } => maker.gap(millis),
            Event::Media { millis, video, audio: sound, renditions, discontinuity } => {
                maker.source = source.clone().filter(|_| video);
                maker.audio = audio.clone().filter(|_| sound);
                for (index, delivers) in renditions.into_iter().enumerate() {
                    maker.renditions[index].1 = inits[index].clone().filter(|_| delivers);
                }
                maker.discontinuity = discontinuity;
                maker.media(millis)
            }
        };
        now += segment.source.duration.to_std();
        if window.needs_target_duration(&segment) {
            window.set_target_duration(TARGET);
        }
        window.append(now, wall(maker.millis), &segment).unwrap();
        watcher.look(&window, false);
        watcher.check_removed(&window, now);
    }
    window.set_target_duration(TARGET);
    window.end(wall(maker.millis));
    watcher.look(&window, true);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_rule_is_broken(
        events in prop::collection::vec(event(), 1..60),
        window_segments in 0_usize..9,
    ) {
        play(events, window_segments);
    }
}
