//! What is written is what is read back.

use proptest::{collection::vec, prelude::*};

use super::*;

/// A NAL unit with a body that needs no emulation prevention.
fn nalu(kinds: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(kinds), vec(1_u8.., 1..700)).prop_map(|(kind, mut body)| {
        body.insert(0, 0x60 | kind);
        body
    })
}

#[derive(Clone, Debug)]
struct Drawn {
    duration: u32,
    composition_offset: i32,
    /// NAL units in front: SEI, delimiter, the track's own parameter sets.
    extra: Vec<Vec<u8>>,
    idr: bool,
    slices: Vec<Vec<u8>>,
    /// Where the payload is cut into pieces.
    cuts: Vec<prop::sample::Index>,
}

prop_compose! {
    fn drawn()(
        duration in 1_u32..20_000,
        composition_offset in -20_000_i32..20_000,
        extra in vec(prop_oneof![
            nalu(&[6]),
            Just(vec![0x09, 0xF0]),
            Just(SPS.to_vec()),
            Just(PPS.to_vec()),
        ], 0..3),
        idr in prop::bool::weighted(0.2),
        mut slices in vec(nalu(&[1]), 1..3),
        cuts in vec(any::<prop::sample::Index>(), 0..4),
    ) -> Drawn {
        for slice in &mut slices {
            slice[0] = if idr { 0x65 } else { 0x41 };
        }
        Drawn { duration, composition_offset, extra, idr, slices, cuts }
    }
}

impl Drawn {
    fn sample(&self) -> Sample {
        let nalus: Vec<_> = self.extra.iter().chain(&self.slices).cloned().collect();
        let whole = Bytes::from(avcc(&nalus));
        let mut cuts: Vec<_> = self.cuts.iter().map(|cut| cut.index(whole.len())).collect();
        cuts.sort_unstable();
        cuts.push(whole.len());
        let mut from = 0;
        let mut payload = Chain::new();
        for to in cuts {
            payload.push(whole.slice(from..to));
            from = to;
        }
        Sample {
            duration: self.duration,
            composition_offset: self.composition_offset,
            sync: self.idr,
            payload,
        }
    }

    /// The payload as a reader gives it back: delimiters and parameter sets taken out.
    fn expected(&self) -> Vec<u8> {
        let kept = self.extra.iter().filter(|nalu| nalu[0] & 0x1F == 6);
        avcc(&kept.chain(&self.slices).cloned().collect::<Vec<_>>())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn samples_come_back_with_their_times(
        mut drawn in vec(drawn(), 1..40),
        audio in vec(vec(any::<u8>(), 1..600), 0..60),
        video_base in 0_u64..1 << 32,
        audio_lead in 0_u64..20_000,
    ) {
        drawn[0].idr = true;
        drawn[0].slices.iter_mut().for_each(|slice| slice[0] = 0x65);
        let samples: Vec<_> = drawn.iter().map(Drawn::sample).collect();
        let video = segment_of(video_track(), video_base, samples);
        let audio_base = (video_base * 8 / 15).saturating_sub(audio_lead);
        let samples: Vec<_> = audio.iter().map(|frame| sample(1024, 0, true, frame.clone())).collect();
        let sound = segment_of(audio_track(), audio_base, samples);

        let file = TsWriter::new().segment(Some(&video), Some(&sound)).unwrap();
        let read = read(&file).unwrap();

        let track = read.video.unwrap();
        prop_assert_eq!(&track.parameters, &video_track().parameters);
        prop_assert_eq!(track.samples.len(), drawn.len());
        let delay = drawn.iter().map(|drawn| -drawn.composition_offset).max().unwrap().max(0);
        let mut time = i64::try_from(video_base).unwrap() + TIMESTAMP_MARGIN;
        for (sample, drawn) in track.samples.iter().zip(&drawn) {
            prop_assert_eq!(sample.pts, time + i64::from(drawn.composition_offset));
            prop_assert_eq!(sample.dts, time - i64::from(delay));
            prop_assert_eq!(sample.random_access, drawn.idr);
            prop_assert_eq!(sample.payload.to_contiguous(), drawn.expected());
            time += i64::from(drawn.duration);
        }
        let Some(track) = read.audio else {
            prop_assert!(audio.is_empty());
            return Ok(());
        };
        let margin = TIMESTAMP_MARGIN * 48 / 90;
        let base = i64::try_from(audio_base).unwrap() + margin;
        prop_assert_eq!(pts(&track), (0_i64..).take(audio.len()).map(|n| base + n * 1024).collect::<Vec<_>>());
        for (sample, frame) in track.samples.iter().zip(&audio) {
            prop_assert_eq!(&sample.payload.to_contiguous(), frame);
        }
    }

    #[test]
    fn times_wrap_at_33_bits(before in 0_u64..2_000_000, count in 2_usize..200) {
        let base = (1 << 33) - before;
        let video = segment_of(video_track(), base, pictures(count, 9_000, &[]));
        let audio = segment_of(audio_track(), base * 8 / 15, frames(count * 4));
        let read = read(&TsWriter::new().segment(Some(&video), Some(&audio)).unwrap()).unwrap();
        let (video, audio) = (read.video.unwrap(), read.audio.unwrap());
        prop_assert!(dts(&video).windows(2).all(|pair| pair[1] - pair[0] == 9_000));
        // A frame that starts a PES packet is off by its rounding to 90 kHz at most.
        prop_assert!(dts(&audio).windows(2).all(|pair| (1023..=1025).contains(&(pair[1] - pair[0]))));
        let skew = clock::to_90k(dts(&audio)[0], audio.timescale) - dts(&video)[0];
        prop_assert!(skew.abs() <= 4, "tracks {skew} ticks apart");
    }

    #[test]
    fn arbitrary_bytes_never_panic(file in vec(any::<u8>(), 0..4000)) {
        fuzz(&file);
    }

    #[test]
    fn arbitrary_packets_never_panic(
        packets in vec((prop::sample::select(&[0_u16, 0x1000, 0x100, 0x101][..]), any::<u8>(), vec(any::<u8>(), 0..60)), 0..20),
    ) {
        let video = segment_of(video_track(), 0, pictures(2, 3_000, &[]));
        let mut file = TsWriter::new().segment(Some(&video), None).unwrap().to_vec();
        for (pid, control, payload) in packets {
            let [high, low] = pid.to_be_bytes();
            let mut packet = vec![0x47, high | 0x40, low, control & 0x3F];
            packet.extend(payload);
            packet.resize(packet::PACKET_LEN, 0);
            file.extend(packet);
        }
        fuzz(&file);
    }
}

#[test]
fn parameter_sets_go_before_an_idr_picture_once() {
    let plain = sample(3_000, 0, true, picture(true, 50));
    let mut with_sets = SPS.to_vec();
    with_sets = avcc(&[with_sets, PPS.to_vec(), vec![0x65; 50]]);
    let in_band = sample(3_000, 0, true, with_sets);
    for sample in [plain, in_band] {
        let video = segment_of(video_track(), 0, vec![sample]);
        let file = TsWriter::new().segment(Some(&video), None).unwrap();
        let count = file.windows(SPS.len()).filter(|window| *window == SPS).count();
        assert_eq!(count, 1);
    }
}

#[test]
fn an_audio_only_segment_has_a_program_without_video() {
    let audio = segment_of(audio_track(), 0, frames(100));
    let demuxed = read(&TsWriter::new().segment(None, Some(&audio)).unwrap()).unwrap();
    assert!(demuxed.video.is_none());
    assert_eq!(demuxed.audio.unwrap().samples.len(), 100);
}

#[test]
fn a_broken_sample_leaves_the_writer_as_it_was() {
    let mut writer = TsWriter::new();
    let good = segment_of(video_track(), 0, pictures(3, 3_000, &[]));
    let bad = segment_of(video_track(), 9_000, vec![sample(1, 0, true, vec![0, 0, 0, 9, 0x65])]);
    let first = writer.segment(Some(&good), None).unwrap();
    let error = writer.segment(Some(&bad), None).unwrap_err();
    assert!(matches!(error, TsError::MalformedSample { sample: 0 }), "{error}");
    let next = segment_of(video_track(), 9_000, pictures(3, 3_000, &[]));
    let second = writer.segment(Some(&next), None).unwrap();
    let joined = Bytes::from([first, second].concat());
    assert_eq!(read(&joined).unwrap().video.unwrap().samples.len(), 6);
}

#[test]
fn nothing_to_write_and_swapped_tracks_are_errors() {
    let (video, audio) = (
        segment_of(video_track(), 0, pictures(1, 1, &[])),
        segment_of(audio_track(), 0, frames(1)),
    );
    let empty = segment_of(audio_track(), 0, Vec::new());
    assert!(matches!(TsWriter::new().segment(None, Some(&empty)), Err(TsError::NothingToWrite)));
    assert!(matches!(
        TsWriter::new().segment(Some(&audio), None),
        Err(TsError::WrongCodec("video"))
    ));
    assert!(matches!(
        TsWriter::new().segment(None, Some(&video)),
        Err(TsError::WrongCodec("audio"))
    ));
}
