//! Files packed in other ways than our writer and FFmpeg pack them.

use super::{
    packet::{AdaptationField, UnitWriter},
    pes::PesHeader,
    psi::{self, ProgramEntry, StreamEntry},
    *,
};

/// A PES packet to be packed: PTS (and DTS where it differs), payload.
struct Unit {
    pts: Option<u64>,
    dts: Option<u64>,
    payload: Vec<u8>,
}

fn unit(pts: Option<u64>, payload: Vec<u8>) -> Unit {
    Unit { pts, dts: None, payload }
}

/// A program of video on PID 0x100 and audio on PID 0x101, all of the one before the other.
fn file(video: &[Unit], audio: &[Unit]) -> Bytes {
    let mut out = Vec::new();
    let mut put = |pid, continuity: &mut u8, unit: &[u8]| {
        let field = AdaptationField::default();
        UnitWriter::new(&mut out, pid, continuity, field, unit.len()).write(unit);
    };
    let streams = [
        StreamEntry { stream_type: psi::STREAM_TYPE_H264, pid: 0x100 },
        StreamEntry { stream_type: psi::STREAM_TYPE_ADTS, pid: 0x101 },
    ];
    // Neither the program number nor the PMT's PID is ours or FFmpeg's.
    put(0, &mut 0, &psi::write_pat(ProgramEntry { program_number: 3, pmt_pid: 0x20 }));
    put(0x20, &mut 0, &psi::write_pmt(3, 0, 0x100, &streams));
    for (pid, stream_id, units) in
        [(0x100, pes::STREAM_ID_VIDEO, video), (0x101, pes::STREAM_ID_AUDIO, audio)]
    {
        let mut continuity = 9;
        for unit in units {
            let mut packet = Vec::new();
            let header = PesHeader { stream_id, pts: unit.pts, dts: unit.dts };
            header.write(&mut packet, unit.payload.len());
            packet.extend_from_slice(&unit.payload);
            put(pid, &mut continuity, &packet);
        }
    }
    Bytes::from(out)
}

/// NAL units with start codes of three and four bytes by turns, and zeros after the last.
fn annex_b(nalus: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (index, nalu) in nalus.iter().enumerate() {
        payload.extend_from_slice(if index % 2 == 0 { &[0, 0, 0, 1] } else { &[0, 0, 1] });
        payload.extend_from_slice(nalu);
    }
    payload.extend_from_slice(&[0, 0]);
    payload
}

fn adts(frames: &[Vec<u8>]) -> Vec<u8> {
    let CodecParameters::Aac(parameters) = audio_track().parameters else { panic!("not AAC") };
    let mut data = Vec::new();
    for frame in frames {
        data.extend_from_slice(&crate::aac::adts_header(&parameters, frame.len()).unwrap());
        data.extend_from_slice(frame);
    }
    data
}

const DELIMITER: &[u8] = &[0x09, 0x10];
const IDR: &[u8] = &[0x65, 0x88, 0x11];
const SLICE: &[u8] = &[0x41, 0x9A, 0x22];

#[test]
fn delimiters_split_a_packet_of_several_pictures() {
    let filler: &[u8] = &[0x0C, 0xFF, 0x80];
    let video = [
        unit(
            Some(9_000),
            annex_b(&[
                DELIMITER, &SPS, &PPS, IDR, filler, DELIMITER, SLICE, DELIMITER, SLICE, SLICE,
            ]),
        ),
        unit(Some(18_000), annex_b(&[DELIMITER, SLICE, DELIMITER, SLICE])),
    ];
    let track = read(&file(&video, &[])).unwrap().video.unwrap();
    assert_eq!(pts(&track), [9_000, 12_000, 15_000, 18_000, 21_000]);
    assert_eq!(dts(&track), pts(&track));
    let payloads: Vec<_> =
        track.samples.iter().map(|sample| sample.payload.to_contiguous()).collect();
    assert_eq!(payloads[0], avcc(&[IDR.to_vec()]));
    assert_eq!(payloads[2], avcc(&[SLICE.to_vec(), SLICE.to_vec()]));
    assert_eq!(track.samples.iter().filter(|sample| sample.random_access).count(), 1);
}

#[test]
fn sets_in_a_packet_of_their_own_are_found() {
    let video = [
        unit(None, annex_b(&[&SPS, &PPS])),
        unit(Some(3_000), annex_b(&[IDR])),
        unit(Some(6_000), annex_b(&[SLICE])),
    ];
    let track = read(&file(&video, &[])).unwrap().video.unwrap();
    assert_eq!(track.parameters, video_track().parameters);
    assert_eq!(pts(&track), [3_000, 6_000]);
}

#[test]
fn pictures_without_sets_or_times_are_errors() {
    let no_sets = [unit(Some(0), annex_b(&[&SPS, IDR]))];
    assert!(matches!(read(&file(&no_sets, &[])), Err(TsError::NoParameterSets)));
    let no_time = [unit(None, annex_b(&[&SPS, &PPS, IDR]))];
    let error = read(&file(&no_time, &[])).unwrap_err();
    assert!(matches!(error, TsError::MissingTimestamp { position: 376 }), "{error}");
    let no_start_code = [unit(Some(0), vec![0x65; 30])];
    let error = read(&file(&no_start_code, &[])).unwrap_err();
    assert!(matches!(error, TsError::Pes { position: 376, .. }), "{error}");
}

#[test]
fn decoding_times_that_go_back_are_an_error() {
    let video = [
        unit(Some(6_000), annex_b(&[&SPS, &PPS, IDR])),
        Unit { pts: Some(9_000), dts: Some(5_999), payload: annex_b(&[SLICE]) },
    ];
    let error = read(&file(&video, &[])).unwrap_err();
    assert!(
        matches!(error, TsError::DecodingTimeWentBack { position: 564, from: 6_000, to: 5_999 }),
        "{error}"
    );
}

#[test]
fn audio_frames_may_cross_packets() {
    let frames: Vec<_> = (0_u8..6).map(|index| vec![index; 100 + usize::from(index)]).collect();
    let data = adts(&frames);
    // The second packet starts inside the third frame, so its time is the fourth frame's; the third
    // packet has no time.
    let (first, rest) = data.split_at(250);
    let (second, third) = rest.split_at(220);
    let audio = [
        unit(Some(90_000), first.to_vec()),
        unit(Some(90_000 + 3 * 1_920 + 15), second.to_vec()),
        unit(None, third.to_vec()),
    ];
    let track = read(&file(&[], &audio)).unwrap().audio.unwrap();
    let payloads: Vec<_> =
        track.samples.iter().map(|sample| sample.payload.to_contiguous()).collect();
    assert_eq!(payloads, frames);
    let expected = [0, 1024, 2048, 3080, 4104, 5128].map(|ticks| 48_000 + ticks);
    assert_eq!(pts(&track), expected);
}

#[test]
fn broken_audio_is_an_error_with_its_position() {
    let whole = adts(&[vec![1; 100], vec![2; 100]]);
    let cut = [unit(Some(0), whole[..150].to_vec())];
    let error = read(&file(&[], &cut)).unwrap_err();
    assert!(matches!(error, TsError::TruncatedAudioFrame { position: 376 }), "{error}");
    let mut junk = whole;
    junk[107] = 0;
    let error = read(&file(&[], &[unit(Some(0), junk)])).unwrap_err();
    assert!(matches!(error, TsError::Audio { position: 376, .. }), "{error}");
}

#[test]
fn times_are_near_the_first_of_the_file() {
    let period = 1 << 33;
    let video = [
        unit(Some(period - 1_500), annex_b(&[&SPS, &PPS, IDR])),
        unit(Some(1_500), annex_b(&[SLICE])),
    ];
    let audio = [unit(Some(750), adts(&[vec![1; 50]]))];
    let demuxed = read(&file(&video, &audio)).unwrap();
    let (video, audio) = (demuxed.video.unwrap(), demuxed.audio.unwrap());
    assert_eq!(dts(&video), [clock::PERIOD - 1_500, clock::PERIOD + 1_500]);
    assert_eq!(dts(&audio), [clock::from_90k(clock::PERIOD + 750, audio.timescale)]);
}
