//! Sound and picture of a simulated sender stay together.

use std::cell::Cell;

use super::super::*;
use crate::{ClockReset, fixture::start};

const VIDEO: TrackId = TrackId::VIDEO;
const AUDIO: TrackId = TrackId::AUDIO;
const SECOND: f64 = 1_000.0;
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2e, 0x48,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];
const IDR: &[u8] = &[0x65, 0x88, 0x80, 1];
const FRAME: &[u8] = &[0xFC, 1, 2, 3];

/// One track of the sender; times in milliseconds of its wall clock.
struct Source {
    ssrc: u32,
    /// Ticks in a millisecond, nominal.
    rate: f64,
    /// How much faster the clock runs than the wall clock, in parts per million.
    ppm: f64,
    first_timestamp: u32,
    interval: f64,
    /// From capture to arrival, at least, and what is added to some.
    delay: f64,
    spread: f64,
    /// When sender reports are made; none for an empty list. The error of each one.
    reports: Vec<(f64, f64)>,
    /// From this time on, timestamps are that many ticks further.
    jump: (f64, u32),
}

impl Source {
    fn video() -> Self {
        Self {
            ssrc: 1,
            rate: 90.0,
            ppm: -200.0,
            first_timestamp: u32::MAX - 90_000,
            interval: 1_000.0 / 30.0,
            delay: 120.0,
            spread: 40.0,
            reports: (0..200).map(|n| (600.0 + f64::from(n) * 700.0, 0.5)).collect(),
            jump: (f64::INFINITY, 0),
        }
    }

    fn audio() -> Self {
        Self {
            ssrc: 2,
            rate: 48.0,
            ppm: 200.0,
            first_timestamp: 12_345,
            interval: 20.0,
            delay: 30.0,
            spread: 25.0,
            // As browsers do: first after 2.4 s, then each 3 to 7 s, and one of them is off by 30 ms.
            reports: [(2_400.0, 0.0), (7_000.0, 30.0)]
                .into_iter()
                .chain((0..20).map(|n| (12_000.0 + f64::from(n) * 5_000.0, 0.0)))
                .collect(),
            jump: (f64::INFINITY, 0),
        }
    }

    fn is_sound(&self) -> bool {
        self.rate < 50.0
    }

    fn timestamp(&self, at: f64) -> u32 {
        let jump = if at >= self.jump.0 { self.jump.1 } else { 0 };
        let ticks = (at * self.rate * (1.0 + self.ppm / 1e6)).round();
        #[expect(clippy::cast_possible_truncation, reason = "minutes in ticks")]
        let ticks = ticks as i64;
        let low = u32::try_from(ticks & i64::from(u32::MAX)).unwrap();
        self.first_timestamp.wrapping_add(low).wrapping_add(jump)
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Unit(TrackId, f64),
    Report(TrackId, f64, f64),
}

fn instant(ms: f64) -> Instant {
    start() + Duration::from_secs_f64(ms / SECOND)
}

/// What came out: capture time and media time of each unit, in milliseconds.
#[derive(Default)]
struct Played {
    video: Vec<(f64, f64)>,
    audio: Vec<(f64, f64)>,
    resets: Vec<(TrackId, ClockReset)>,
    health: [TrackHealth; 2],
}

impl Played {
    /// How much earlier than the sound a picture captured at `at` is shown.
    fn offset(&self, at: f64) -> f64 {
        let nearest = |track: &[(f64, f64)]| {
            let next = track.partition_point(|unit| unit.0 < at).min(track.len() - 1);
            track[next]
        };
        let (video, audio) = (nearest(&self.video), nearest(&self.audio));
        (audio.1 - audio.0) - (video.1 - video.0)
    }

    fn worst(&self, from: f64, to: f64) -> f64 {
        let within = self.video.iter().filter(|(at, _)| (from..to).contains(at));
        within.map(|(at, _)| self.offset(*at).abs()).fold(0.0, f64::max)
    }
}

/// Runs a sender for `seconds`; its wall clock says `wall(at)` seconds since 1900 at `at` milliseconds.
fn play(video: &Source, audio: &Source, seconds: f64, wall: impl Fn(f64) -> f64) -> Played {
    let mut events = Vec::new();
    let seed = Cell::new(7_u64);
    let random = || {
        seed.set(
            seed.get()
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        );
        f64::from(u32::try_from(seed.get() >> 33).unwrap()) / f64::from(1_u32 << 31)
    };
    for (track, source) in [(VIDEO, video), (AUDIO, audio)] {
        let mut at = 3.0;
        let mut arrival = 0.0_f64;
        while at < seconds * SECOND {
            // In order: the path is a queue.
            arrival = arrival.max(at + source.delay + source.spread * random());
            events.push((arrival, Event::Unit(track, at)));
            at += source.interval;
        }
        for (at, error) in source.reports.iter().filter(|(at, _)| *at < seconds * SECOND) {
            events.push((at + source.delay, Event::Report(track, *at, *error)));
        }
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    run(video, audio, &events, wall)
}

fn run(
    video: &Source,
    audio: &Source,
    events: &[(f64, Event)],
    wall: impl Fn(f64) -> f64,
) -> Played {
    let mut receiver = Receiver::new(ReceiverConfig::default(), start());
    let sets = [SPS, PPS].map(Bytes::from_static);
    for (track, source) in [(VIDEO, video), (AUDIO, audio)] {
        if source.is_sound() {
            receiver.add_opus(track);
        } else {
            receiver.add_h264(track, &sets);
        }
    }
    let (mut played, mut sequence) = (Played::default(), [65_530_u16; 2]);
    let mut captured: [VecDeque<f64>; 2] = Default::default();
    for (arrival, event) in events {
        match event {
            Event::Unit(track, at) => {
                let own = usize::from(*track == AUDIO);
                let source = if *track == AUDIO { audio } else { video };
                sequence[own] = sequence[own].wrapping_add(1);
                captured[own].push_back(*at);
                receiver.handle_packet(
                    *track,
                    Packet {
                        ssrc: source.ssrc,
                        sequence: sequence[own],
                        timestamp: source.timestamp(*at),
                        marker: true,
                        payload: Bytes::from_static(if source.is_sound() { FRAME } else { IDR }),
                        arrived: instant(*arrival),
                    },
                );
            }
            Event::Report(track, at, error) => {
                let source = if *track == AUDIO { audio } else { video };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive, and within 64 bits"
                )]
                let ntp = (wall(at + error) * 4_294_967_296.0) as u64;
                let rtp = source.timestamp(*at);
                let report =
                    SenderReport { ssrc: source.ssrc, ntp, rtp, arrived: instant(*arrival) };
                receiver.handle_sender_report(*track, report);
            }
        }
        while let Some(output) = receiver.poll_output() {
            match output {
                Output::AccessUnit(unit) => {
                    let own = usize::from(unit.track == AUDIO);
                    let at = captured[own].pop_front().unwrap();
                    let out = if own == 0 { &mut played.video } else { &mut played.audio };
                    out.push((at, millis(unit.pts, 90.0)));
                }
                Output::Opus(packet) => {
                    let at = captured[1].pop_front().unwrap();
                    played.audio.push((at, millis(packet.pts, 48.0)));
                }
                Output::ClockReset { track, reason } => played.resets.push((track, reason)),
                Output::Track(_) | Output::KeyFrameWanted(_) => {}
            }
        }
    }
    played.health = [VIDEO, AUDIO].map(|track| receiver.health(track).unwrap());
    played
}

fn millis(ticks: i64, rate: f64) -> f64 {
    f64::from(i32::try_from(ticks).unwrap()) / rate
}

/// A wall clock that starts in 2026.
fn steady(at: f64) -> f64 {
    3_993_000_000.0 + at / SECOND
}

/// Steps between pictures stay within 5 % of what was captured, and go on.
fn assert_smooth(played: &Played, pictures: &Source) {
    for pair in played.video.windows(2) {
        let (captured, shown) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let drift = captured * pictures.ppm.abs() / 1e6;
        let limit = captured * 0.05 + drift + 0.1;
        assert!(shown > 0.0 && (shown - captured).abs() <= limit, "{pair:?}");
    }
}

#[test]
fn reports_bring_sound_and_picture_together_despite_drift() {
    let (video, audio) = (Source::video(), Source::audio());
    let played = play(&video, &audio, 90.0, steady);
    // By arrival, they are apart by what the path delays them differently: 90 ms.
    assert!((60.0..130.0).contains(&played.worst(0.0, 2_000.0)), "{}", played.worst(0.0, 2_000.0));
    let late = played.worst(15_000.0, 90_000.0);
    assert!(late < 8.0, "{late} ms apart");
    assert_smooth(&played, &video);
    assert_eq!((played.resets.len(), played.health[1].reports_ignored), (0, 0));
    // Sound is never stretched.
    for pair in played.audio.windows(2) {
        assert!((pair[1].1 - pair[0].1 - 20.0).abs() < 0.03, "{pair:?}");
    }
}

/// What aiortc sent on a busy machine: its coder is set up while the first picture waits, and its sender
/// reports say when something left, not when it was captured, so that the first one was 152 ms late.
#[test]
fn a_busy_sender_is_in_step_after_three_seconds() {
    let late = [0.152, -0.007, -0.008, 0.004, -0.007, -0.003, 0.004];
    let made = [0.8, 1.5, 2.2, 2.9, 3.9, 4.9, 6.0];
    let reports = made.into_iter().zip(late).map(|(at, late)| (at * SECOND, late * SECOND));
    let video = Source {
        ppm: 0.0,
        interval: 1_000.0 / 30.0,
        delay: 3.0,
        spread: 30.0,
        reports: reports.collect(),
        ..Source::video()
    };
    let audio = Source {
        ppm: 0.0,
        delay: 1.0,
        spread: 5.0,
        reports: (0..12).map(|n| (500.0 + f64::from(n) * 600.0, -11.0)).collect(),
        ..Source::audio()
    };
    let played = play(&video, &audio, 10.0, steady);
    let (at_first, then) = (played.worst(0.0, 3_000.0), played.worst(4_000.0, 10_000.0));
    assert!(at_first < 70.0 && then < 20.0, "{at_first} ms, then {then} ms apart");
}

#[test]
fn half_a_second_apart_is_made_good_in_five() {
    for (delay, behind) in [(530.0, 30.0), (30.0, 530.0)] {
        let reports = |source: Source| Source { reports: vec![(40.0, 0.0)], ppm: 0.0, ..source };
        let video = Source { delay, ..reports(Source::video()) };
        let audio = Source { delay: behind, ..reports(Source::audio()) };
        let played = play(&video, &audio, 20.0, steady);
        assert!(played.worst(0.0, 1_000.0) > 400.0);
        let then = played.worst(6_000.0, 20_000.0);
        assert!(then < 10.0, "{then} ms apart");
        assert_eq!(played.resets, []);
        for pair in played.video.windows(2) {
            let (captured, shown) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            assert!((shown - captured).abs() <= captured * 0.25 + 0.1, "{pair:?}");
        }
    }
}

#[test]
fn one_bad_report_moves_nothing_by_more_than_half_of_what_it_is_off() {
    let played = play(&Source::video(), &Source::audio(), 20.0, steady);
    let worst = played.worst(6_000.0, 20_000.0);
    assert!(worst < 20.0, "{worst} ms apart");
}

#[test]
fn pictures_that_come_first_make_way_for_sound() {
    let video = Source { delay: 20.0, ..Source::video() };
    let audio = Source { delay: 220.0, ..Source::audio() };
    let played = play(&video, &audio, 60.0, steady);
    assert!(played.worst(0.0, 1_000.0) > 150.0);
    let worst = played.worst(15_000.0, 60_000.0);
    assert!(worst < 8.0, "{worst} ms apart");
    for pair in played.audio.windows(2) {
        assert!((pair[1].1 - pair[0].1 - 20.0).abs() < 0.03, "{pair:?}");
    }
}

#[test]
fn without_reports_arrivals_keep_them_together_despite_drift() {
    let silent = |source: Source| Source { reports: Vec::new(), delay: 50.0, ..source };
    let (video, audio) = (silent(Source::video()), silent(Source::audio()));
    let played = play(&video, &audio, 300.0, steady);
    let worst = played.worst(15_000.0, 300_000.0);
    assert!(worst < 25.0, "{worst} ms apart");
    assert_smooth(&played, &video);
}

#[test]
fn reports_of_one_track_alone_tell_nothing() {
    let video = Source { delay: 50.0, ..Source::video() };
    let audio = Source { reports: Vec::new(), delay: 50.0, ..Source::audio() };
    let worst = play(&video, &audio, 60.0, steady).worst(15_000.0, 60_000.0);
    assert!(worst < 25.0, "{worst} ms apart");
}

#[test]
fn reports_that_put_a_track_elsewhere_are_not_believed() {
    // Pictures' reports are made with another clock, three seconds off.
    let off = |reports: Vec<(f64, f64)>| reports.iter().map(|(at, _)| (*at, 3_000.0)).collect();
    let video = Source { delay: 50.0, reports: off(Source::video().reports), ..Source::video() };
    let audio = Source { delay: 50.0, ..Source::audio() };
    let worst = play(&video, &audio, 60.0, steady).worst(15_000.0, 60_000.0);
    assert!(worst < 25.0, "{worst} ms apart");
}

#[test]
fn a_step_of_the_senders_wall_clock_moves_nothing() {
    let (video, audio) = (Source::video(), Source::audio());
    for step in [-3_600.0, -1.0, 1.0, 86_400.0] {
        let stepped = |at: f64| steady(at) + if at < 38_000.0 { 0.0 } else { step };
        let played = play(&video, &audio, 90.0, stepped);
        let during = played.worst(15_000.0, 90_000.0);
        assert!(during < 20.0, "{step}: {during} ms apart");
        let after = played.worst(75_000.0, 90_000.0);
        assert!(after < 8.0, "{step}: {after} ms apart");
        assert_eq!(played.resets, []);
        assert_smooth(&played, &video);
    }
}

#[test]
fn a_clock_that_jumps_is_laid_anew_where_it_was() {
    for jump in [0x8000_0000, 90_000 * 3_600, 0_u32.wrapping_sub(90_000 * 3_600), 90_000 * 2] {
        let video = Source { jump: (40_000.0, jump), ..Source::video() };
        let played = play(&video, &Source::audio(), 90.0, steady);
        assert_eq!(played.resets, [(VIDEO, ClockReset::Jump)], "{jump}");
        let during = played.worst(41_000.0, 90_000.0);
        assert!(during < 60.0, "{jump}: {during} ms apart");
        let after = played.worst(60_000.0, 90_000.0);
        assert!(after < 8.0, "{jump}: {after} ms apart");
        assert!(played.video.windows(2).all(|pair| pair[1].1 > pair[0].1));
        assert_eq!(played.health[0].handed_out, played.health[0].received);
    }
    let audio = Source { jump: (40_000.0, 48_000 * 1_000), ..Source::audio() };
    let played = play(&Source::video(), &audio, 90.0, steady);
    assert_eq!(played.resets, [(AUDIO, ClockReset::Jump)]);
    let after = played.worst(60_000.0, 90_000.0);
    assert!(after < 8.0, "{after} ms apart");
}

#[test]
fn reports_ahead_of_the_first_packet_count() {
    let reports = |source: Source| Source { reports: vec![(-20.0, 0.0)], ..source };
    let (video, audio) = (reports(Source::video()), reports(Source::audio()));
    let played = play(&video, &audio, 20.0, steady);
    assert_eq!(played.health.map(|health| health.reports), [1, 1]);
    let worst = played.worst(4_000.0, 20_000.0);
    assert!(worst < 10.0, "{worst} ms apart");
}

#[test]
fn layers_of_a_simulcast_are_laid_upon_each_other() {
    let layer = Source {
        ssrc: 3,
        ppm: 0.0,
        first_timestamp: 77,
        delay: 40.0,
        reports: Source::video().reports.iter().map(|(at, _)| (at + 250.0, -0.5)).collect(),
        ..Source::video()
    };
    let video = Source { ppm: 0.0, ..Source::video() };
    let played = play(&video, &layer, 60.0, steady);
    // Half a picture apart would already be another one.
    let worst = played.worst(10_000.0, 60_000.0);
    assert!(worst < 2.0, "{worst} ms apart");
}
