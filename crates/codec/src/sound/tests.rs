use ffmpeg_next::{ChannelLayout, Packet, Rational, codec, encoder, format::Sample, frame};

use super::*;
use crate::library;

/// Opus packets of a tone of 1 kHz, 20 ms each, from `from` on.
fn tone(from: i64, packets: usize) -> Vec<SoundUnit> {
    let opus = encoder::find_by_name("libopus").expect("libopus");
    let mut context = codec::Context::new_with_codec(opus).encoder().audio().unwrap();
    context.set_rate(48_000);
    context.set_channel_layout(ChannelLayout::STEREO);
    context.set_format(Sample::F32(ffmpeg_next::format::sample::Type::Packed));
    context.set_time_base(Rational(1, 48_000));
    let mut encoder = context.open().unwrap();
    let mut units = Vec::new();
    for index in 0_i16..=i16::try_from(packets).unwrap() {
        let format = Sample::F32(ffmpeg_next::format::sample::Type::Packed);
        let mut frame = frame::Audio::new(format, 960, ChannelLayout::STEREO);
        frame.set_rate(48_000);
        let samples = frame.plane_mut::<(f32, f32)>(0);
        for (at, sample) in (0_i16..).zip(samples.iter_mut()) {
            let turn = f32::from(index).mul_add(20.0, f32::from(at) / 48.0);
            let value = (turn * std::f32::consts::TAU).sin() * 0.5;
            *sample = (value, value);
        }
        frame.set_pts(Some(i64::from(index) * 960));
        encoder.send_frame(&frame).unwrap();
        let mut packet = Packet::empty();
        while encoder.receive_packet(&mut packet).is_ok() {
            let payload = packet.data().unwrap().to_vec().into();
            let before = i64::try_from(units.len()).unwrap();
            units.push(SoundUnit { pts: from + before * 960, payload });
        }
    }
    units.truncate(packets);
    units
}

#[test]
fn frames_follow_one_another_on_the_times_of_the_packets() {
    library::initialize().unwrap();
    let mut encoder = SoundEncoder::open().unwrap();
    let mut frames = Vec::new();
    for unit in tone(7_000, 100) {
        frames.extend(encoder.encode(&unit).unwrap());
    }
    // Two seconds are 93 frames; the encoder holds back one or two.
    assert!((90..=93).contains(&frames.len()), "{} frames", frames.len());
    for (index, frame) in (0_i64..).zip(&frames) {
        assert_eq!(frame.pts, 7_000 + index * 1_024);
        assert!(frame.payload.len() > 64, "frame {index} has {} bytes", frame.payload.len());
    }
}

#[test]
fn lost_and_broken_packets_are_silence() {
    library::initialize().unwrap();
    let mut encoder = SoundEncoder::open().unwrap();
    let mut frames = Vec::new();
    for (index, mut unit) in tone(0, 100).into_iter().enumerate() {
        if (20..30).contains(&index) {
            continue;
        }
        if index == 50 {
            unit.payload = Bytes::from_static(&[0xFF, 0xFF, 0xFF]);
        }
        frames.extend(encoder.encode(&unit).unwrap());
    }
    assert!((90..=93).contains(&frames.len()), "{} frames", frames.len());
    assert!(frames.windows(2).all(|pair| pair[1].pts - pair[0].pts == 1_024));
}

#[test]
fn headers_are_read_as_written_and_bounded() {
    let header = write_header(-5, &[0; 300]).unwrap();
    assert_eq!(read_header(header), Some((300, -5)));
    assert!(write_header(0, &vec![0; SOUND_BYTES_MAX + 1]).is_none());
    assert!(read_header([0xFF; SOUND_HEADER]).is_none());
}
