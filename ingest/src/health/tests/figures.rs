use std::time::Duration;

use media::{TrackId, TrackKind};

use super::rig::{Rig, Second, unit, video};
use crate::health::{Arrival, Cause, HealthReport, HealthWord, Skew};

#[test]
fn a_usual_stream_has_the_figures_it_was_made_with() {
    let mut rig = Rig::new();
    rig.meter.set_encoder("obs-output module (libobs version 30.2.3)");
    rig.run(20, Second::default());
    let now = rig.snapshot();
    assert_eq!(now.connected_ms, 20_000);
    let video = now.main_video().unwrap();
    assert_eq!(
        (video.codec.as_str(), video.width, video.height),
        ("avc1.64001f", Some(1_280), Some(720))
    );
    assert_eq!((video.frame_rate, video.announced_frame_rate), (Some(30_000), Some(30_000)));
    assert_eq!((video.reordering, video.irregular_permille), (Some(0), Some(0)));
    assert!(video.bitrate.unwrap().abs_diff(2_000_000) < 10_000, "{video:?}");
    assert!(video.bitrate_10s.unwrap().abs_diff(2_000_000) < 10_000, "{video:?}");
    let gop = video.gop.unwrap();
    assert_eq!(
        (gop.last_ms, gop.usual_ms, gop.longest_ms),
        (Some(2_000), Some(2_000), Some(2_000))
    );
    assert!((1_900..2_000).contains(&gop.current_ms));
    assert!(video.jitter_ms.unwrap() < 2 && video.jitter_peak_ms.unwrap() < 2, "{video:?}");
    let audio = now.main_audio().unwrap();
    assert_eq!((audio.sampling_rate, audio.channels), (Some(48_000), Some(2)));
    assert_eq!((audio.bitrate, audio.gop, audio.frame_rate), (Some(128_000), None, None));
    assert!(now.bitrate.unwrap() > 2_100_000);
    assert_eq!(now.bitrate_history.len(), 20);
    assert_eq!((now.behind_ms, now.lost_permille), (Some(0), None));
    let skew = now.skew.unwrap();
    assert!(skew.stamps_ms.abs() < 40 && skew.arrival_ms.abs() < 2, "{skew:?}");
    assert!(now.longest_silence_ms < 60, "{now:?}");
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
}

#[test]
fn a_report_is_flat_json_with_a_word() {
    let mut rig = Rig::new();
    rig.run(12, Second { gop: 250, ..Second::default() });
    let snapshot = rig.snapshot();
    let wall = std::time::UNIX_EPOCH + Duration::from_secs(1_000);
    let report = HealthReport::new(snapshot, &rig.meter.warnings(), true, rig.now(), wall);
    assert_eq!(report.health, HealthWord::Fair);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["health"], &json["transport"]), (&"fair".into(), &"rtmp".into()));
    assert_eq!(json["connected_at_unix_ms"], 988_000);
    assert_eq!(json["tracks"][0]["kind"], "video");
    assert_eq!(json["tracks"][0]["frame_rate"], 30.0);
    assert_eq!(json["tracks"][0]["gop"]["last_ms"], 8_333);
    let warning = &json["warnings"][0];
    assert_eq!((&warning["kind"], &warning["level"]), (&"key_frames_far".into(), &"fair".into()));
    assert!(warning["text"].as_str().unwrap().starts_with("Keyframe every 8.3 s: set it to 2 s"));
    assert_eq!(
        warning["since_unix_ms"].as_u64().unwrap() + warning["for_ms"].as_u64().unwrap(),
        1_000_000
    );
}

#[test]
fn b_frames_are_told_by_their_order() {
    let mut rig = Rig::new();
    let start = rig.now();
    for (number, shown) in [0, 4, 2, 1, 3, 8, 6, 5, 7].into_iter().enumerate() {
        let number = i64::try_from(number).unwrap();
        let mut picture = unit(TrackId::VIDEO, number * 3_000, number == 0, 100);
        picture.pts = (shown + 2) * 3_000;
        picture.arrived = start;
        rig.meter.push(&picture);
    }
    assert_eq!(rig.snapshot().main_video().unwrap().reordering, Some(2));
}

#[test]
fn a_drifting_clock_is_measured_after_a_minute() {
    let mut rig = Rig::new();
    // Media time passes 0.5 % faster than ours.
    rig.run(50, Second { media_ms: 1_005, ..Second::default() });
    assert_eq!(rig.snapshot().clock_drift_ppm, None);
    rig.run(70, Second { media_ms: 1_005, ..Second::default() });
    let now = rig.snapshot();
    let ppm = now.clock_drift_ppm.unwrap();
    assert!((4_500..5_700).contains(&ppm), "{ppm}");
    assert!((450..650).contains(&now.clock_drift_ms.unwrap()), "{now:?}");
}

#[test]
fn skew_is_what_arrival_says_and_what_stamps_say() {
    let mut rig = Rig::new();
    rig.run(30, Second { sound_late_ms: 700, ..Second::default() });
    let Skew { arrival_ms, change_ms, .. } = rig.snapshot().skew.unwrap();
    assert!((690..710).contains(&arrival_ms) && change_ms.abs() < 5, "{arrival_ms} {change_ms}");
    rig.run(5, Second { sound_late_ms: 900, ..Second::default() });
    let change = rig.snapshot().skew.unwrap().change_ms;
    assert!((190..210).contains(&change), "{change}");
}

#[test]
fn silence_is_measured_while_it_lasts() {
    let mut rig = Rig::new();
    rig.run(5, Second::default());
    rig.run(3, Second { pictures: 0, sound: false, ..Second::default() });
    let now = rig.snapshot();
    assert!((2_990..3_100).contains(&now.silent_ms), "{}", now.silent_ms);
    assert!(now.longest_silence_ms >= now.silent_ms);
    assert_eq!(now.bitrate, Some(0));
    rig.run(2, Second::default());
    let now = rig.snapshot();
    assert!(now.silent_ms < 50 && (2_990..3_100).contains(&now.longest_silence_ms), "{now:?}");
}

#[test]
fn whole_segments_have_rates_and_no_jitter() {
    let mut rig = Rig::new();
    rig.meter.set_transport(Arrival::Push);
    rig.run(12, Second::default());
    // The next one is not there yet.
    let later = rig.now() + Duration::from_secs(4);
    let now = rig.meter.snapshot(later);
    assert!(now.bitrate.unwrap() > 1_900_000, "{:?}", now.bitrate);
    assert_eq!((now.behind_ms, now.clock_drift_ppm), (None, None));
    assert_eq!(now.main_video().unwrap().jitter_ms, None);
}

#[test]
fn a_jump_of_the_clock_spoils_no_figure() {
    let mut rig = Rig::new();
    rig.run(20, Second::default());
    rig.meter.discontinuity();
    rig.run(12, Second { media_ms: 1_000, ..Second::default() });
    let now = rig.snapshot();
    assert_eq!(now.main_video().unwrap().gop.unwrap().longest_ms, Some(2_000));
    assert_eq!(now.main_video().unwrap().frame_rate, Some(30_000));
}

#[test]
fn layers_are_tracks_and_more_than_a_dozen_are_not_measured() {
    let mut rig = Rig::new();
    for id in 3..40 {
        let track = media::Track { id: TrackId(id), ..video(640, 360) };
        rig.meter.set_track(rig.now(), &track);
    }
    rig.run(12, Second::default());
    let now = rig.snapshot();
    assert_eq!(now.tracks.len(), crate::health::MAX_TRACKS);
    // Layers that pause are no trouble, and the one that goes on is what counts.
    assert_eq!(now.main_video().unwrap().id, TrackId::VIDEO);
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
    let videos = now.tracks.iter().filter(|track| track.kind == TrackKind::Video);
    assert_eq!(videos.count(), 11);
}

#[test]
fn counts_are_shown_by_cause() {
    let mut rig = Rig::new();
    let now = rig.now();
    rig.meter.reach(now, Cause::PacketReceived, 970);
    rig.meter.reach(now, Cause::PacketLost, 30);
    let now = rig.snapshot();
    assert_eq!(now.lost_permille, Some(30));
    assert_eq!(now.counts.keys().copied().collect::<Vec<_>>(), ["packet_lost", "packet_received"]);
}
