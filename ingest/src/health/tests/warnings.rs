use super::rig::{Rig, Second, video};
use crate::health::{
    Arrival, Cause,
    WarningKind::{self, *},
    WarningLevel,
};

fn second() -> Second {
    Second::default()
}

#[test]
fn a_long_key_frame_interval_begins_a_warning_and_a_short_one_ends_it() {
    let mut rig = Rig::new();
    rig.meter.set_encoder("obs-output module (libobs version 30.2.3)");
    rig.run(14, Second { gop: 250, ..second() });
    assert_eq!(
        rig.says(KeyFramesFar),
        "Keyframe every 8.3 s: set it to 2 s in OBS (Settings > Output > Keyframe Interval)"
    );
    rig.run(60, Second { gop: 60, ..second() });
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
    let told: Vec<_> =
        rig.changes.iter().map(|(_, it)| (it.finding.kind, it.lasted.is_some())).collect();
    assert_eq!(told, [(KeyFramesFar, false), (KeyFramesFar, true)]);
}

#[test]
fn advice_fits_what_it_is_sent_with() {
    let says = |encoder: &str| {
        let mut rig = Rig::new();
        rig.meter.set_encoder(encoder);
        rig.run(14, Second { gop: 250, ..second() }).says(KeyFramesFar)
    };
    assert_eq!(says("Lavf61.7.100"), "Keyframe every 8.3 s: set it to 2 s in ffmpeg (-g 60)");
    assert_eq!(says("Larix/1.3"), "Keyframe every 8.3 s: set it to 2 s in the encoder");
    assert!(says("Mozilla/5.0 (X11) Firefox/140.0").contains("start the stream anew"));
}

#[test]
fn a_stream_that_has_no_second_key_frame_is_warned_before_it_has_one() {
    let mut rig = Rig::new();
    rig.run(9, Second { gop: 100_000, ..second() });
    assert!(
        rig.says(KeyFramesFar).starts_with("No keyframe for 9.0 s"),
        "{}",
        rig.says(KeyFramesFar)
    );
}

#[test]
fn an_interval_at_the_limit_does_not_flap() {
    let mut rig = Rig::new();
    // Four seconds are the limit: some are above it, some below.
    for turn in 0..20 {
        rig.run(4, Second { gop: if turn % 2 == 0 { 116 } else { 124 }, ..second() });
    }
    let begun = rig.changes.iter().filter(|(_, it)| it.lasted.is_none()).count();
    assert!(begun <= 1, "{:?}", rig.changes);
}

#[test]
fn key_frames_that_are_too_close_or_uneven_are_noted() {
    let mut rig = Rig::new();
    rig.run(12, Second { gop: 10, ..second() });
    assert_eq!(rig.kinds(), [KeyFramesClose]);
    assert_eq!(rig.meter.warnings()[0].finding.level, WarningLevel::Note);
    let mut rig = Rig::new();
    for _ in 0..12 {
        rig.run(2, Second { gop: 20, ..second() });
        rig.run(3, Second { gop: 100_000, ..second() });
    }
    assert!(
        rig.says(KeyFramesUneven).starts_with("Keyframes come 0.7 s to 3."),
        "{}",
        rig.says(KeyFramesUneven)
    );
}

#[test]
fn missing_sound_and_missing_pictures_are_told_apart() {
    let mut rig = Rig::new();
    rig.run(20, Second { sound: false, ..second() });
    assert!(rig.says(NoSound).starts_with("There is a picture, and no sound"));
    assert_eq!(rig.kinds(), [NoSound]);
    let mut rig = Rig::new();
    rig.run(20, Second { pictures: 0, ..second() });
    assert_eq!(rig.kinds(), [NoPicture]);
    // A picture that was there and is gone is worse.
    let mut rig = Rig::new();
    rig.run(10, second()).run(9, Second { pictures: 0, ..second() });
    assert!(rig.says(NoPicture).starts_with("No picture for 9.0 s"), "{}", rig.says(NoPicture));
    assert_eq!(rig.meter.warnings()[0].finding.level, WarningLevel::Bad);
    rig.run(12, second());
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
}

#[test]
fn silence_is_the_only_thing_that_is_said_of_it() {
    let mut rig = Rig::new();
    rig.run(10, second()).run(8, Second { pictures: 0, sound: false, ..second() });
    assert_eq!(rig.kinds(), [Silent]);
    assert!(rig.says(Silent).starts_with("Nothing has arrived for 8.0 s"), "{}", rig.says(Silent));
    // Who leaves takes it along.
    let now = rig.now();
    assert_eq!(rig.meter.conclude(now).len(), 1);
}

#[test]
fn a_line_that_cannot_keep_up_is_told_with_a_bitrate_that_fits() {
    let mut rig = Rig::new();
    rig.meter.set_encoder("obs-output module");
    rig.run(15, second());
    for turn in 1..=10 {
        rig.run(1, Second { late_ms: turn * 200, ..second() });
    }
    let says = rig.says(Uplink);
    assert!(says.contains("late, as the upload can't keep up: lower the bitrate, to 1."), "{says}");
    // It comes back to the best of the last minute.
    rig.run(12, Second { late_ms: 0, ..second() });
    assert!(!rig.kinds().contains(&Uplink), "{:?}", rig.kinds());
}

#[test]
fn bursts_are_no_queue() {
    let mut rig = Rig::new();
    for turn in 0..15 {
        rig.run(1, Second { late_ms: if turn % 3 == 0 { 1_500 } else { 0 }, ..second() });
    }
    assert!(rig.says(Bursts).contains("in bursts, up to 1."), "{}", rig.says(Bursts));
    assert!(!rig.kinds().contains(&Uplink), "{:?}", rig.kinds());
}

#[test]
fn a_bitrate_that_collapses_is_noted_and_worse_with_a_bad_line() {
    let mut rig = Rig::new();
    rig.run(30, second()).run(8, Second { bitrate: 150_000, ..second() });
    assert!(
        rig.says(BitrateDrop).starts_with("The bitrate fell from 2.1 Mbit/s to 278 kbit/s"),
        "{}",
        rig.says(BitrateDrop)
    );
    assert_eq!(rig.meter.warnings()[0].finding.level, WarningLevel::Note);
    let mut rig = Rig::new();
    rig.run(30, second()).run(12, Second { bitrate: 150_000, pictures: 10, ..second() });
    let level = |kind| {
        rig.meter.warnings().into_iter().find(|it| it.finding.kind == kind).unwrap().finding.level
    };
    assert_eq!((level(BitrateDrop), level(FrameRate)), (WarningLevel::Bad, WarningLevel::Fair));
}

#[test]
fn a_bitrate_that_goes_up_and_down_is_noted() {
    let mut rig = Rig::new();
    for turn in 0..15 {
        rig.run(4, Second { bitrate: if turn % 2 == 0 { 5_000_000 } else { 900_000 }, ..second() });
    }
    assert!(
        rig.says(BitrateVaries).starts_with("The bitrate varies between"),
        "{}",
        rig.says(BitrateVaries)
    );
}

#[test]
fn fewer_pictures_than_announced_are_told() {
    let mut rig = Rig::new();
    rig.run(20, Second { pictures: 22, ..second() });
    assert!(
        rig.says(FrameRate).starts_with("22 pictures a second come of 30 announced"),
        "{}",
        rig.says(FrameRate)
    );
    // 28 are enough to begin with, and enough to end it.
    rig.run(30, Second { pictures: 28, ..second() });
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
}

#[test]
fn pictures_at_uneven_intervals_are_noted() {
    let mut rig = Rig::new();
    for turn in 0..60 {
        // A third of a second at 30, and one at 12.
        let pictures = if turn % 2 == 0 { 30 } else { 12 };
        rig.run(1, Second { pictures, ..second() });
    }
    assert!(rig.kinds().contains(&FrameIntervals), "{:?}", rig.kinds());
    // A frame that is left out now and then is not variable.
    let mut rig = Rig::new();
    rig.run(30, second());
    assert!(!rig.kinds().contains(&FrameIntervals));
}

#[test]
fn lost_packets_count_by_their_share() {
    let mut rig = Rig::new();
    rig.meter.set_transport(Arrival::Whip);
    let (mut received, mut lost) = (0, 0);
    let mut run = |rig: &mut Rig, seconds: i64, of_thousand: u64| {
        for _ in 0..seconds {
            received += 1_000 - of_thousand;
            lost += of_thousand;
            let now = rig.now();
            rig.meter.reach(now, Cause::PacketReceived, received);
            rig.meter.reach(now, Cause::PacketLost, lost);
            rig.run(1, second());
        }
    };
    run(&mut rig, 10, 2);
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
    run(&mut rig, 20, 24);
    assert!(
        rig.says(PacketLoss).starts_with("2.4 % of the packets are lost"),
        "{}",
        rig.says(PacketLoss)
    );
    run(&mut rig, 40, 0);
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
}

/// What stands after a cause was counted once a second for a while.
fn counting(transport: Arrival, cause: Cause) -> Vec<WarningKind> {
    let mut rig = Rig::new();
    rig.meter.set_transport(transport);
    rig.run(30, second());
    for count in 1..=10 {
        let now = rig.now();
        rig.meter.reach(now, cause, count);
        rig.run(1, second());
    }
    rig.kinds()
}

#[test]
fn what_is_dropped_and_repaired_is_told_by_cause() {
    assert_eq!(counting(Arrival::Rtmp, Cause::QueueFull), [GatewayDrops]);
    assert_eq!(counting(Arrival::Rtmps, Cause::VideoUnreadable), [Unreadable]);
    assert_eq!(counting(Arrival::Rtmp, Cause::StampRepaired), [Timestamps]);
    assert_eq!(counting(Arrival::Rtmp, Cause::ClockJump), [Timestamps]);
    assert_eq!(counting(Arrival::Whip, Cause::OutOfOrder), [BFrames]);
    assert_eq!(counting(Arrival::Whip, Cause::AfterLoss), []);
}

#[test]
fn sound_that_comes_far_from_its_picture_is_told() {
    let mut rig = Rig::new();
    rig.run(20, Second { sound_late_ms: 1_800, ..second() });
    assert!(
        rig.says(Skew).starts_with("Sound arrives 1.8 s after its picture"),
        "{}",
        rig.says(Skew)
    );
    let mut rig = Rig::new();
    rig.run(20, second());
    for turn in 1..=30 {
        rig.run(1, Second { sound_late_ms: turn * 20, ..second() });
    }
    assert!(
        rig.says(Skew).starts_with("Sound and picture drift apart, by 0."),
        "{}",
        rig.says(Skew)
    );
}

#[test]
fn a_clock_that_is_off_and_a_file_that_is_sent_too_fast_are_not_the_same() {
    let mut rig = Rig::new();
    rig.run(150, Second { media_ms: 1_005, ..second() });
    assert!(
        rig.says(ClockDrift).starts_with("The publisher's clock runs 0.4"),
        "{}",
        rig.says(ClockDrift)
    );
    assert!(rig.says(ClockDrift).contains(" % fast, 0."), "{}", rig.says(ClockDrift));
    let mut rig = Rig::new();
    rig.meter.set_encoder("Lavf61");
    rig.run(90, Second { media_ms: 1_500, pictures: 45, gop: 60, ..second() });
    let says = rig.says(ClockDrift);
    assert!(says.contains("% of the speed it plays at") && says.contains("-re"), "{says}");
}

#[test]
fn changes_of_size_are_noted_for_a_minute() {
    let mut rig = Rig::new();
    rig.run(10, second());
    for turn in 0..3 {
        let now = rig.now();
        rig.meter.set_track(now, &video(640 + turn, 360));
        rig.run(4, second());
    }
    assert!(
        rig.says(SizeChanges).starts_with("The picture's size changed 3 times"),
        "{}",
        rig.says(SizeChanges)
    );
    rig.run(90, second());
    assert!(rig.kinds().is_empty(), "{:?}", rig.kinds());
}

#[test]
fn facts_that_the_gateway_knows_are_told() {
    let mut rig = Rig::new();
    rig.meter.set_sound_dropped();
    rig.meter.set_no_decoder(true);
    rig.run(10, Second { sound: false, ..second() });
    assert_eq!(rig.kinds(), [SoundDropped, NoDecoder]);
    assert!(rig.says(NoDecoder).contains("avc1.64001f"));
}
