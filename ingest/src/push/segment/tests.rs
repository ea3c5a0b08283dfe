use media::Chain;
use proptest::prelude::*;

use super::*;
use crate::push::fixture::{audio, file, one_second, start, video};

const CONTAINERS: [PushContainer; 2] = [PushContainer::MpegTs, PushContainer::Mp4];

fn read(container: PushContainer, body: Bytes) -> Result<PushedSegment, SegmentError> {
    PushedSegment::read(container, body, Duration::from_secs(1), start())
}

fn kinds(segment: &PushedSegment) -> Vec<TrackKind> {
    segment.tracks.iter().map(Track::kind).collect()
}

#[test]
fn both_containers_become_the_same_units() {
    for container in CONTAINERS {
        let body = file(container, Some(&video(900_000, 25, true)), Some(&audio(480_000, 46)));
        let segment = read(container, body).unwrap();
        assert_eq!(kinds(&segment), [TrackKind::Video, TrackKind::Audio]);
        assert_eq!(segment.units.len(), 25 + 46);
        let of = |id| segment.units.iter().filter(move |unit| unit.track == id);
        assert!(of(TrackId::VIDEO).next().unwrap().random_access);
        let first = of(TrackId::VIDEO).next().unwrap().dts;
        let steps = of(TrackId::VIDEO).map(|unit| unit.dts - first);
        assert!(steps.eq((0..25).map(|index| index * 3_600)), "{container:?}");
        let first = of(TrackId::AUDIO).next().unwrap().dts;
        let steps = of(TrackId::AUDIO).map(|unit| unit.dts - first);
        assert!(steps.eq((0..46).map(|index| index * 1_024)), "{container:?}");
        assert_eq!(segment.duration, MediaDuration::new(90_000, Timescale::VIDEO));
        assert!(!segment.declared_is_off());
    }
}

#[test]
fn units_come_in_the_order_of_their_times_and_arrive_as_if_sent_live() {
    let segment = read(PushContainer::MpegTs, one_second()).unwrap();
    let rate = Timescale::new(48_000).unwrap();
    let times: Vec<_> = segment
        .units
        .iter()
        .map(|unit| {
            let timescale = if unit.track == TrackId::VIDEO { Timescale::VIDEO } else { rate };
            (Timestamp::new(unit.dts, timescale), unit.arrived)
        })
        .collect();
    assert!(times.is_sorted_by_key(|(dts, _)| *dts));
    assert!(times.is_sorted_by_key(|(_, arrived)| *arrived));
    let first = start().duration_since(times[0].1).as_millis();
    let last = start().duration_since(times[70].1).as_millis();
    assert!((1_000..=1_002).contains(&first) && last <= 41, "{first} {last}");
}

#[test]
fn a_lying_duration_is_noted_and_the_media_holds() {
    let declared = |millis| {
        let declared = Duration::from_millis(millis);
        PushedSegment::read(PushContainer::MpegTs, one_second(), declared, start()).unwrap()
    };
    for (millis, off) in [(1_000, false), (800, false), (1_250, false), (1_300, true), (2, true)] {
        let segment = declared(millis);
        assert_eq!(segment.declared_is_off(), off, "{millis}");
        assert_eq!(segment.duration.to_std(), Duration::from_secs(1));
    }
}

#[test]
fn bodies_without_video_keep_their_bytes_and_what_sound_they_have() {
    for container in CONTAINERS {
        let body = file(container, None, Some(&audio(480_000, 46)));
        let segment = read(container, body.clone()).unwrap();
        assert_eq!(kinds(&segment), [TrackKind::Audio], "{container:?}");
        assert!(!segment.has_video());
        assert_eq!(segment.body.as_ptr(), body.as_ptr());
        assert_eq!(segment.duration.to_std().as_millis(), 46 * 1_024 / 48);
    }
}

#[test]
fn units_of_mp4_share_the_body() {
    let body = file(PushContainer::Mp4, Some(&video(0, 2, true)), None);
    let segment = read(PushContainer::Mp4, body.clone()).unwrap();
    let within = body.as_ptr_range();
    let mut pieces = segment.units.iter().flat_map(|unit| unit.payload.pieces());
    assert!(pieces.all(|piece| within.contains(&piece.as_ptr())));
}

#[test]
fn what_cannot_be_worked_with_says_why() {
    assert_eq!(read(PushContainer::MpegTs, Bytes::new()).unwrap_err(), SegmentError::Empty);
    let late = file(PushContainer::MpegTs, Some(&video(0, 5, true)), None);
    assert!(matches!(read(PushContainer::Mp4, late), Err(SegmentError::Unreadable(_))));
    let no_key = file(PushContainer::Mp4, Some(&video(0, 5, false)), None);
    assert_eq!(read(PushContainer::Mp4, no_key).unwrap_err(), SegmentError::NoKeyFrame);
    let mut cut = one_second();
    cut.truncate(cut.len() - 100);
    assert!(matches!(read(PushContainer::MpegTs, cut), Err(SegmentError::Unreadable(_))));
    let mut long = video(0, 2, true);
    long.samples[0].duration = 301 * 90_000;
    let long = file(PushContainer::Mp4, Some(&long), None);
    assert!(matches!(read(PushContainer::Mp4, long), Err(SegmentError::TooLong { .. })));
}

#[test]
fn a_turn_of_the_clock_of_transport_streams_is_made_up_for() {
    let mut segment = read(PushContainer::MpegTs, one_second()).unwrap();
    let (start, first, sound) =
        (segment.start.unwrap(), segment.units[0].dts, segment.units[1].dts);
    let turns = 3 * TS_CLOCK_PERIOD;
    segment.continue_from(Timestamp::new(start.ticks() + turns - 90_000, Timescale::VIDEO));
    assert_eq!(segment.start.unwrap().ticks(), start.ticks() + turns);
    assert_eq!(segment.units[0].dts, first + turns);
    assert_eq!(segment.units[0].pts, first + turns);
    assert_eq!(segment.units[1].dts, sound + (turns * 8 + 7) / 15, "48 kHz");
    segment.continue_from(Timestamp::new(start.ticks() + 600 * 90_000, Timescale::VIDEO));
    assert_eq!(segment.start.unwrap(), start, "back to the turn that is nearest");
}

#[test]
fn mp4_files_with_a_clock_of_their_own_follow_one_another() {
    let read_at = |base| {
        let sound = audio(base * 8 / 15, 46);
        let body = file(PushContainer::Mp4, Some(&video(base, 25, true)), Some(&sound));
        read(PushContainer::Mp4, body).unwrap()
    };
    let before = Timestamp::new(123_456, Timescale::VIDEO);
    let mut own = read_at(7_200);
    let sound = own.units.iter().find(|unit| unit.track == TrackId::AUDIO).unwrap().pts;
    own.continue_from(before);
    assert_eq!(own.start, Some(before));
    assert_eq!(own.units[0].pts, 123_456);
    let moved = own.units.iter().find(|unit| unit.track == TrackId::AUDIO).unwrap().pts;
    assert_eq!(moved - sound, (123_456 - 7_200) * 8 / 15, "sound moves with the pictures");
    let mut shared = read_at(180_000);
    shared.continue_from(before);
    assert_eq!(shared.start.unwrap().ticks(), 180_000, "a hole in a clock that goes on stays");
    let mut misplaced = read_at(7_200);
    misplaced.out_of_order = true;
    misplaced.continue_from(before);
    assert_eq!(misplaced.start.unwrap().ticks(), 7_200);
}

#[test]
fn events_tell_a_stream_everything_once() {
    let mut segment = read(PushContainer::MpegTs, one_second()).unwrap();
    let events: Vec<_> = segment.clone().into_events().collect();
    assert!(matches!(events[..2], [PublisherEvent::Track(_), PublisherEvent::Track(_)]));
    assert_eq!(events.len(), 2 + 71);
    segment.out_of_order = true;
    let first = segment.into_events().next();
    assert!(matches!(first, Some(PublisherEvent::Discontinuity(DiscontinuityReason::OutOfOrder))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bodies_are_read_or_refused(
        mp4 in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let container = CONTAINERS[usize::from(mp4)];
        let body = file(container, Some(&video(900_000, 5, true)), Some(&audio(480_000, 9)));
        let mut body = body.to_vec();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if cut {
            body.truncate(keep.index(body.len()));
        }
        if let Ok(segment) = read(container, Bytes::from(body)) {
            prop_assert!(segment.duration.to_std() <= DURATION_MAX);
            prop_assert!(segment.units.iter().all(|unit| unit.arrived <= start()));
            prop_assert!(segment.units.iter().all(|unit| unit.payload != Chain::new()));
            prop_assert_eq!(segment.tracks.is_empty(), segment.units.is_empty());
        }
    }
}
