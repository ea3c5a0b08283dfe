//! H.265, which orchestrators are sent.

use super::*;
use crate::{avc::annex_b_nalus, hevc};

/// Pictures of libx265 as samples of 3 000 ticks, without the sets, and the track they belong to.
fn encoded() -> (Track, Vec<Sample>) {
    let arguments = "-v error -f lavfi -i testsrc=s=128x72:r=30:d=2 -pix_fmt yuv420p -c:v libx265 \
        -preset ultrafast -x265-params log-level=none:keyint=30:scenecut=0:bframes=0:open-gop=0 \
        -f hevc pipe:1";
    let (stream, complaints) = run("ffmpeg", arguments, &[]);
    assert_eq!(complaints, "");
    let (mut sets, mut samples) = ([Vec::new(), Vec::new(), Vec::new()], Vec::new());
    for nalu in annex_b_nalus(&Bytes::from(stream)) {
        match nalu[0] >> 1 {
            kind @ 32..=34 => {
                let list = &mut sets[usize::from(kind) - 32];
                if !list.contains(&nalu) {
                    list.push(nalu);
                }
            }
            kind @ 0..=31 => {
                samples.push(sample(3_000, 0, (16..=21).contains(&kind), avcc(&[nalu.to_vec()])));
            }
            _ => {}
        }
    }
    let [vps, sps, pps] = sets;
    let parameters = hevc::parameters_from_sets(vps, sps, pps).unwrap();
    let parameters = CodecParameters::Hevc(Arc::new(parameters));
    (Track { parameters, ..video_track() }, samples)
}

#[test]
fn ffmpeg_decodes_what_is_written() {
    let (track, samples) = encoded();
    assert_eq!(samples.len(), 60);
    let mut writer = TsWriter::new();
    let mut file = Vec::new();
    for (index, half) in (0..).zip(samples.chunks(30)) {
        let segment = segment_of(track.clone(), index * 90_000, half.to_vec());
        let written = writer.segment(Some(&segment), None).unwrap();
        // Each segment is decodable by itself.
        let probe = "-v error -show_entries stream=codec_name,width,height -of csv=p=0 pipe:0";
        let (said, complaints) = run("ffprobe", probe, &written);
        assert_eq!(complaints, "");
        assert!(String::from_utf8(said).unwrap().contains("hevc,128,72"));
        file.extend_from_slice(&written);
    }
    let packets = "-v error -show_entries packet=flags -of csv=p=0 pipe:0";
    let (flags, _) = run("ffprobe", packets, &file);
    let flags = String::from_utf8(flags).unwrap();
    let lines = flags.lines().filter(|line| !line.is_empty());
    let keys: Vec<_> = lines.map(|line| line.starts_with('K')).collect();
    assert_eq!(keys, samples.iter().map(|sample| sample.sync).collect::<Vec<_>>(), "{flags}");
    assert_eq!(keys.iter().filter(|key| **key).count(), 2);
    let (_, complaints) = run("ffmpeg", "-v error -xerror -i pipe:0 -f null -", &file);
    assert_eq!(complaints, "");
}

#[test]
fn sets_go_in_front_unless_all_are_there() {
    let parameters = hevc::parse_decoder_configuration(&hevc::hex(hevc::HDR)).unwrap().parameters;
    let sets = [&parameters.vps, &parameters.sps, &parameters.pps].map(|list| list[0].to_vec());
    let track = Track { parameters: CodecParameters::Hevc(Arc::new(parameters)), ..video_track() };
    let idr = vec![0x26, 1, 0xAA];
    let all = [sets.to_vec(), vec![idr.clone()]].concat();
    for nalus in [vec![idr.clone()], vec![sets[1].clone(), idr], all] {
        let whole = nalus.len() == 4;
        let segment = segment_of(track.clone(), 0, vec![sample(3_000, 0, true, avcc(&nalus))]);
        let file = TsWriter::new().segment(Some(&segment), None).unwrap();
        let video = file.chunks(188).filter(|packet| packet[1] & 0x1F == 1 && packet[2] == 0);
        let bytes: Vec<u8> = video.flatten().copied().collect();
        let count = |set: &[u8]| bytes.windows(set.len()).filter(|found| *found == set).count();
        let [vps, sps, pps] = [0, 1, 2]
            .map(|at| count(&[&[0, 0, 1][..], &sets[at][..12.min(sets[at].len())]].concat()));
        assert_eq!((vps, pps), (1, 1));
        assert_eq!(sps, if whole || nalus.len() == 1 { 1 } else { 2 });
        assert_eq!(count(&[0, 0, 0, 1, 0x46, 1, 0x50]), 1, "one delimiter, at the front");
    }
}

#[test]
fn av1_has_no_place_in_it() {
    let record = hevc::hex(crate::av1::SVT);
    let parameters = crate::av1::parse_codec_configuration(&record).unwrap().unwrap();
    let track = Track { parameters: CodecParameters::Av1(Arc::new(parameters)), ..video_track() };
    let segment = segment_of(track, 0, vec![sample(3_000, 0, true, vec![0x32, 1, 0x10])]);
    let refused = TsWriter::new().segment(Some(&segment), None).unwrap_err();
    assert!(matches!(refused, TsError::WrongCodec("video")), "{refused}");
}
