//! Fragments of ours, and ones that leave out more than ours do.

use mp4_atom::{Encode, Mfhd, Moof, Tfhd, Traf, Trun, TrunEntry, TrunSamples};
use proptest::prelude::*;

use super::*;

#[test]
fn our_fragments_come_back() {
    let track = video();
    let first = vec![
        sample(3000, 0, true, picture(true, 9)),
        sample(3000, 6000, false, picture(false, 5)),
        sample(3000, -3000, false, picture(false, 6)),
    ];
    let second = vec![sample(3003, 0, true, picture(true, 7))];
    let file = cmaf_file(&track, 1 << 33, &[first, second]);
    let demuxed = read(&file).unwrap();
    assert!(demuxed.audio.is_none());
    let read = demuxed.video.unwrap();
    assert_eq!(read.parameters, track.parameters);
    assert_eq!(read.timescale, Timescale::VIDEO);
    let base = 1 << 33;
    assert_eq!(
        times(&read.samples),
        [
            (base, base),
            (base + 3000, base + 9000),
            (base + 6000, base + 3000),
            (base + 9000, base + 9000)
        ]
    );
    let flags: Vec<_> = read.samples.iter().map(|sample| sample.random_access).collect();
    assert_eq!(flags, [true, false, false, true]);
    let within = file.as_ptr_range();
    assert!(
        read.samples
            .iter()
            .flat_map(|sample| sample.payload.pieces())
            .all(|piece| within.contains(&piece.as_ptr()))
    );
}

/// A `moof` and its `mdat` of `data`, after the header of `track`.
fn file_of(track: &Track, traf: Vec<Traf>, data: &[u8]) -> Bytes {
    let mut file = cmaf::init_segment(track).unwrap().bytes.to_vec();
    Moof { mfhd: Mfhd { sequence_number: 1 }, traf }.encode(&mut file).unwrap();
    file.extend_from_slice(&u32::try_from(data.len() + 8).unwrap().to_be_bytes());
    file.extend_from_slice(b"mdat");
    file.extend_from_slice(data);
    Bytes::from(file)
}

/// What `moof` of these tracks takes, so that data offsets can be found.
fn moof_len(traf: &[Traf]) -> usize {
    let mut bytes = Vec::new();
    Moof { mfhd: Mfhd { sequence_number: 1 }, traf: traf.to_vec() }.encode(&mut bytes).unwrap();
    bytes.len()
}

fn traf(tfhd: Tfhd, samples: TrunSamples) -> Traf {
    let trun = Trun { data_offset: Some(0), samples };
    Traf { tfhd, trun: vec![trun], ..Traf::default() }
}

fn tfhd(duration: u32, size: u32) -> Tfhd {
    Tfhd {
        track_id: 1,
        default_sample_duration: Some(duration),
        default_sample_size: Some(size),
        default_base_is_moof: true,
        ..Tfhd::default()
    }
}

#[test]
fn runs_may_leave_everything_to_the_defaults() {
    let mut trafs =
        vec![traf(tfhd(512, 7), TrunSamples::Inherited { count: 3, first_flags: None })];
    trafs[0].trun[0].data_offset = Some(i32::try_from(moof_len(&trafs) + 8).unwrap());
    let data = [picture(true, 3), picture(false, 3), picture(false, 3)].concat();
    let video = read(&file_of(&video(), trafs, &data)).unwrap().video.unwrap();
    assert_eq!(times(&video.samples), [(0, 0), (512, 512), (1024, 1024)]);
    assert_eq!(video.samples[2].payload.to_contiguous(), picture(false, 3));
}

#[test]
fn without_a_base_a_track_follows_the_one_before() {
    // Data of a track that is passed over, then ours, without data offset of its own.
    let other = Tfhd { track_id: 9, default_base_is_moof: false, ..tfhd(1, 10) };
    let ours = Tfhd { default_base_is_moof: false, ..tfhd(512, 7) };
    let run = |count| TrunSamples::Inherited { count, first_flags: None };
    let mut trafs = vec![traf(other, run(2)), traf(ours, run(1))];
    trafs[1].trun[0].data_offset = None;
    trafs[0].trun[0].data_offset = Some(i32::try_from(moof_len(&trafs) + 8).unwrap());
    let data = [&[0xEE; 20][..], &picture(true, 3)].concat();
    let video = read(&file_of(&video(), trafs, &data)).unwrap().video.unwrap();
    assert_eq!(video.samples[0].payload.to_contiguous(), picture(true, 3));
}

#[test]
fn counts_and_sizes_beyond_the_file_are_refused() {
    let run = |count| TrunSamples::Inherited { count, first_flags: None };
    let read = |traf: Traf| read(&file_of(&video(), vec![traf], &[0; 64]));
    let many = read(traf(tfhd(1, 0), run(u32::MAX)));
    assert!(matches!(many, Err(Mp4Error::TooManySamples { .. })), "{many:?}");
    let large = read(traf(tfhd(1, u32::MAX), run(1)));
    assert!(matches!(large, Err(Mp4Error::SamplesOverlap { track: 1 })), "{large:?}");
    // The same bytes over and over.
    let entry = TrunEntry { size: Some(60), ..TrunEntry::default() };
    let runs = vec![Trun { data_offset: Some(0), samples: vec![entry].into() }; 1000];
    let overlap = read(Traf { trun: runs, ..traf(tfhd(1, 0), run(0)) });
    assert!(matches!(overlap, Err(Mp4Error::SamplesOverlap { track: 1 })), "{overlap:?}");
    let mut outside = traf(tfhd(1, 10), run(1));
    outside.trun[0].data_offset = Some(i32::MAX);
    let outside = read(outside);
    assert!(matches!(outside, Err(Mp4Error::SampleOutside { track: 1, sample: 0 })), "{outside:?}");
    let mut before = traf(tfhd(1, 10), run(1));
    before.trun[0].data_offset = Some(i32::MIN);
    let before = read(before);
    assert!(matches!(before, Err(Mp4Error::SampleTable { track: 1, .. })), "{before:?}");
}

#[test]
fn another_sample_entry_is_refused() {
    let tfhd = Tfhd { sample_description_index: Some(2), ..tfhd(1, 7) };
    let run = TrunSamples::Inherited { count: 1, first_flags: None };
    let result = read(&file_of(&video(), vec![traf(tfhd, run)], &picture(true, 3)));
    assert!(
        matches!(result, Err(Mp4Error::ParametersChanged { track: 1, index: 2 })),
        "{result:?}"
    );
}

#[test]
fn decoding_times_that_go_back_are_refused() {
    let fragment = |base| {
        let samples = [sample(3000, 0, true, picture(true, 9))];
        cmaf::fragment(&video(), 1, base, &samples).unwrap().to_contiguous()
    };
    let init = cmaf::init_segment(&video()).unwrap().bytes;
    let file = |bases: [u64; 2]| {
        Bytes::from([init.clone(), fragment(bases[0]), fragment(bases[1])].concat())
    };
    assert!(read(&file([9000, 9000])).is_ok(), "equal is not back");
    let result = read(&file([9000, 8999]));
    assert!(matches!(result, Err(Mp4Error::DecodingTime { track: 1, sample: 1 })), "{result:?}");
    let result = read(&file([0, u64::MAX]));
    assert!(matches!(result, Err(Mp4Error::DecodingTime { track: 1, sample: 1 })), "{result:?}");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        base in 0_u64..1 << 40,
        rows in proptest::collection::vec((1_u32..9000, -9000_i32..9000, any::<bool>(), 1_u8..50), 1..40),
        cut in 1_usize..40,
    ) {
        let samples: Vec<_> = rows
            .iter()
            .map(|(duration, offset, idr, len)| sample(*duration, *offset, *idr, picture(*idr, *len)))
            .collect();
        let fragments: Vec<_> = samples.chunks(cut).map(<[Sample]>::to_vec).collect();
        let read = read(&cmaf_file(&video(), base, &fragments)).unwrap().video.unwrap();
        let mut dts = i64::try_from(base).unwrap();
        prop_assert_eq!(read.samples.len(), samples.len());
        for (read, sample) in read.samples.iter().zip(&samples) {
            let pts = dts + i64::from(sample.composition_offset);
            prop_assert_eq!((read.dts, read.pts, read.random_access), (dts, pts, sample.sync));
            prop_assert_eq!(read.payload.to_contiguous(), sample.payload.to_contiguous());
            dts += i64::from(sample.duration);
        }
    }

    #[test]
    fn audio_that_is_written_is_read(
        base in 0_u64..1 << 40,
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..40),
    ) {
        let track = audio();
        let samples: Vec<_> =
            frames.iter().map(|frame| sample(1024, 0, true, Bytes::from(frame.clone()))).collect();
        let read = read(&cmaf_file(&track, base, &[samples])).unwrap().audio.unwrap();
        prop_assert_eq!(&read.parameters, &track.parameters);
        prop_assert_eq!(read.timescale, track.timescale);
        let payloads: Vec<_> = read.samples.iter().map(|s| s.payload.to_contiguous().to_vec()).collect();
        prop_assert_eq!(payloads, frames);
    }
}

/// What our own writer made of parameters comes back, the packets' length from the first packet.
#[test]
fn hevc_av1_and_opus_come_back() {
    let hevc = hevc::parse_decoder_configuration(&hevc::hex(hevc::HDR)).unwrap();
    let av1 = av1::parse_codec_configuration(&hevc::hex(av1::SVT)).unwrap().unwrap();
    let opus = OpusParameters {
        channels: 2,
        pre_skip: 312,
        input_sample_rate: 44_100,
        output_gain: -3,
        packet_samples: 480,
    };
    let idr = Bytes::from_static(&[0, 0, 0, 3, 0x26, 0x01, 0xAF]);
    let key_frame = Bytes::from_static(&[0x32, 0x02, 0x10, 0x00]);
    let packet = Bytes::from_static(&[0xF4, 0x01, 0x02]);
    for (parameters, payload) in [
        (CodecParameters::Hevc(Arc::new(hevc.parameters)), idr),
        (CodecParameters::Av1(Arc::new(av1)), key_frame),
        (CodecParameters::Opus(Arc::new(opus)), packet),
    ] {
        let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
        let file = cmaf_file(&track, 700, &[vec![sample(3_000, 0, true, payload.clone())]]);
        let read = read(&file).unwrap();
        let found = read.video.or(read.audio).unwrap();
        assert_eq!(found.parameters, track.parameters);
        assert_eq!((found.samples[0].dts, found.samples[0].random_access), (700, true));
        assert_eq!(found.samples[0].payload.to_contiguous(), payload);
    }
}
