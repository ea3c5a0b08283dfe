use media::RenditionName;

use super::*;
use crate::testing::audio_init;

/// A publisher with three layers and two audio tracks, and a rung transcoded between two of them.
fn layered() -> Maker {
    let mut maker = Maker::new(&["720p"]);
    maker.renditions[0].1 = Some(video_init(720, 0));
    maker.ready_made = vec![
        (RenditionName::of_layer(540, 1), Some(video_init(540, 0))),
        (RenditionName::of_layer(270, 1), Some(video_init(270, 0))),
        (RenditionName::of_audio(2), Some(audio_init())),
    ];
    maker
}

fn playing(maker: &mut Maker) -> Window {
    let mut window = window(config());
    window.set_ladder(&ladder(&["720p"]));
    for _ in 0..3 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    window
}

fn gaps(window: &Window, name: &str) -> Vec<bool> {
    let text = window.media_playlist(&RenditionId::parse(name).unwrap()).unwrap();
    let text = String::from_utf8(text.body().to_vec()).unwrap();
    let segments: Vec<_> = text.split("#EXT-X-PROGRAM-DATE-TIME").skip(1).collect();
    segments.into_iter().map(|segment| segment.contains("#EXT-X-GAP")).collect()
}

fn discontinuities(window: &Window, name: &str) -> Vec<bool> {
    media_playlist(window, name).segments.iter().map(|it| it.discontinuity).collect()
}

#[test]
fn filler_is_listed_in_every_playlist_and_told_to_no_newcomer() {
    let mut maker = Maker::new(&["720p"]);
    let mut window = window(config());
    for _ in 0..3 {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    let before = multivariant(&window);
    let still = video_init(360, 9);
    for _ in 0..2 {
        window.append(now(), wall(0), &maker.filler(2_000, &still)).unwrap();
    }
    let what_is_said = |text: &str| {
        let attributes = text.split([',', '\n']).map(str::to_owned);
        attributes.filter(|it| !it.contains("BANDWIDTH")).collect::<Vec<_>>()
    };
    assert_eq!(what_is_said(&multivariant(&window)), what_is_said(&before));
    maker.discontinuity = true;
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    for name in ["source", "720p", "audio"] {
        assert_eq!(gaps(&window, name), [false; 6], "{name}");
        assert_eq!(discontinuities(&window, name), [false, false, false, true, false, true]);
        let id = RenditionId::parse(name).unwrap();
        let text = window.media_playlist(&id).unwrap();
        let text = String::from_utf8(text.body().to_vec()).unwrap();
        let maps = text.matches("#EXT-X-MAP").count();
        assert_eq!(maps, if name == "audio" { 1 } else { 3 }, "{text}");
    }
}

#[test]
fn layers_are_variants_by_size_and_audio_tracks_members_of_the_group() {
    let mut maker = layered();
    let window = playing(&mut maker);
    let expected =
        ["cam/source-540p.m3u8", "cam/source.m3u8", "cam/720p.m3u8", "cam/source-270p.m3u8"];
    assert_eq!(variants(&window), expected);
    let text = multivariant(&window);
    let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
    let audio: Vec<_> = playlist
        .alternatives
        .iter()
        .map(|it| (it.name.as_str(), it.uri.as_deref().unwrap(), it.default))
        .collect();
    let expected = [("Audio", "cam/audio.m3u8", true), ("Audio 2", "cam/audio-2.m3u8", false)];
    assert_eq!(audio, expected);
    // 250 bytes a millisecond each, for the layer and for the dearer of the two audio tracks.
    assert!(text.contains("BANDWIDTH=4000000,"), "{text}");
    let id = RenditionId::parse("source-270p").unwrap();
    let layer = window.media_playlist(&id).unwrap();
    let layer = String::from_utf8(layer.body().to_vec()).unwrap();
    assert!(layer.contains("source-270p/z-3.m4s"), "{layer}");
    assert!(window.file(&id, &FileName::Init { epoch: "z", number: 1 }).is_some());
    assert!(window.file(&id, &FileName::Segment { epoch: "z", sequence: 2 }).is_some());
}

#[test]
fn a_layer_that_pauses_has_gaps_of_its_own_and_the_others_go_on() {
    let mut maker = layered();
    let mut window = playing(&mut maker);
    // The source itself pauses: the presentation goes on with what else there is.
    let source = maker.source.take();
    let segment = maker.media(2_000);
    assert!(!segment.source.is_gap());
    window.append(now(), wall(0), &segment).unwrap();
    maker.source = source;
    maker.ready_made[0].1 = None;
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    assert_eq!(gaps(&window, "source"), [false, false, false, true, false]);
    assert_eq!(gaps(&window, "source-540p"), [false, false, false, false, true]);
    for name in ["720p", "source-270p", "audio", "audio-2"] {
        assert_eq!(gaps(&window, name), [false; 5], "{name}");
    }
    for name in ["source", "720p", "source-540p", "source-270p", "audio", "audio-2"] {
        let playlist = media_playlist(&window, name);
        assert_eq!((playlist.media_sequence, playlist.segments.len()), (1, 5), "in step");
        assert_eq!(discontinuities(&window, name), [false; 5], "a pause is no other timeline");
    }
}

#[test]
fn a_layer_that_comes_late_or_changes_is_shown_from_there_on() {
    let mut maker = layered();
    let late = maker.ready_made[1].1.take();
    let mut window = playing(&mut maker);
    assert!(!multivariant(&window).contains("270p"));
    maker.ready_made[1].1 = late;
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    assert!(multivariant(&window).contains("source-270p.m3u8"));
    assert_eq!(gaps(&window, "source-270p"), [true, true, true, false]);
    maker.ready_made[1].1 = Some(video_init(180, 0));
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    for name in ["source", "720p", "source-270p", "audio-2"] {
        let marks = discontinuities(&window, name);
        assert_eq!(marks, [false, false, false, false, true], "{name}: in step");
    }
}

#[test]
fn layers_that_are_gone_are_listed_until_no_playlist_has_media_of_them() {
    let mut maker = layered();
    let mut window = playing(&mut maker);
    let mut of_others = maker.ready_made.clone();
    maker.ready_made.clear();
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    let expected =
        ["cam/720p.m3u8", "cam/source.m3u8", "cam/source-540p.m3u8", "cam/source-270p.m3u8"];
    assert_eq!(variants(&window), expected, "first is one that goes on");
    let listed = window.fewest_listed();
    for _ in 0..2 * listed {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    assert_eq!(variants(&window), ["cam/720p.m3u8", "cam/source.m3u8"]);
    let text = multivariant(&window);
    assert!(!text.contains("audio-2"), "{text}");
    // 500 bytes a millisecond of source, 16 of the audio that is left.
    assert!(text.contains("BANDWIDTH=4128000,"), "{text}");
    // Nobody knows what a publisher that is away comes back with.
    maker.ready_made.append(&mut of_others);
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    assert_eq!(variants(&window).len(), 4);
    let before = multivariant(&window);
    for _ in 0..2 * listed {
        window.append(now(), wall(0), &maker.gap(2_000)).unwrap();
    }
    assert_eq!(multivariant(&window), before);
}

#[test]
fn a_rung_of_an_earlier_ladder_is_listed_while_it_has_media() {
    let mut maker = layered();
    maker.ready_made.clear();
    let mut window = playing(&mut maker);
    window.set_ladder(&ladder(&["480p"]));
    maker.renditions = vec![("480p", Some(video_init(480, 1)))];
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    assert_eq!(variants(&window), ["cam/480p.m3u8", "cam/source.m3u8", "cam/720p.m3u8"]);
    for _ in 0..2 * window.fewest_listed() {
        window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    }
    assert_eq!(variants(&window), ["cam/480p.m3u8", "cam/source.m3u8"]);
}

#[test]
fn layers_with_ever_new_names_take_the_places_of_those_that_are_over() {
    let mut maker = layered();
    let mut window = playing(&mut maker);
    let (mut time, mut most) = (now(), 0);
    for side in 300_u32..500 {
        let init = Some(video_init(side, 0));
        maker.ready_made = vec![
            (RenditionName::of_layer(side, 1), init.clone()),
            (RenditionName::of_layer(side, 2), init.filter(|_| side % 2 == 0)),
        ];
        time += Duration::from_secs(2);
        window.append(time, wall(0), &maker.media(2_000)).unwrap();
        assert!(window.renditions.len() <= 3 + 3 + 2 * (window.entries.len() + 1));
        most = most.max(window.renditions.len());
        let name = format!("source-{side}p");
        let id = RenditionId::parse(&name).unwrap();
        assert_eq!(gaps(&window, &name).last(), Some(&false));
        let sequence = maker.sequence - 1;
        let file = |number| window.file(&id, &FileName::Init { epoch: "z", number });
        let Some(FileContent::Init(own)) = file(sequence).map(|it| it.content) else {
            panic!("no header of {name}")
        };
        assert_eq!(own.bytes, video_init(side, 0).bytes);
        assert!((1..sequence).all(|number| file(number).is_none()), "headers of others");
        let marks = discontinuities(&window, &name);
        assert_eq!(marks, vec![false; marks.len()], "a new name in an old place is no new header");
    }
    assert!(most < 60, "{most}");
}

#[test]
fn filler_takes_the_place_of_a_rung() {
    let mut maker = layered();
    let mut window = playing(&mut maker);
    let init = maker.renditions[0].1.take();
    maker.renditions.clear();
    maker.ready_made = vec![(RenditionName::new("720p").unwrap(), init)];
    window.append(now(), wall(0), &maker.media(2_000)).unwrap();
    assert_eq!(gaps(&window, "720p"), [false; 4]);
    assert_eq!(discontinuities(&window, "720p"), [false; 4], "the same header");
    assert_eq!(variants(&window).iter().filter(|uri| uri.contains("720p")).count(), 1);
}
