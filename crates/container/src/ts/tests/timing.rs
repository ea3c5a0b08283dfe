//! Structure and clocks of written segments, seen by another implementation's packet reader.

use std::collections::BTreeMap;

use mpeg2ts::{
    es::StreamType,
    pes::{PesPacketReader, ReadPesPacket},
    ts::{ReadTsPacket, TsPacket, TsPacketReader, TsPayload},
};

use super::*;

const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;

fn packets(file: &[u8]) -> Vec<TsPacket> {
    let mut reader = TsPacketReader::new(file);
    std::iter::from_fn(|| reader.read_ts_packet().unwrap()).collect()
}

/// Every PCR of `pid`, in 90 kHz ticks, and whether it starts a new time base.
fn pcrs(packets: &[TsPacket], pid: u16) -> Vec<(u64, bool)> {
    let fields = packets.iter().filter(|packet| packet.header.pid.as_u16() == pid);
    fields
        .filter_map(|packet| packet.adaptation_field.as_ref())
        .filter_map(|field| Some((field.pcr?.as_u64() / 300, field.discontinuity_indicator)))
        .collect()
}

fn two_segments(writer: &mut TsWriter, duration: u32, offsets: &[i32]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut base = 0;
    for _ in 0..2 {
        let video = segment_of(video_track(), base, pictures(12, duration, offsets));
        let length = 12 * u64::from(duration);
        let count = usize::try_from(length * 48 / 90 / 1024).unwrap();
        let audio = segment_of(audio_track(), base * 8 / 15, frames(count));
        file.extend_from_slice(&writer.segment(Some(&video), Some(&audio)).unwrap());
        base += length;
    }
    file
}

#[test]
fn tables_come_first_and_counters_go_on() {
    let mut writer = TsWriter::new();
    let first = two_segments(&mut writer, 3_000, &[]);
    assert_eq!(first.len() % TsPacket::SIZE, 0);
    let packets = packets(&first);
    let Some(TsPayload::Pat(pat)) = &packets[0].payload else { panic!("no PAT first") };
    assert_eq!(pat.table.len(), 1);
    let Some(TsPayload::Pmt(pmt)) = &packets[1].payload else { panic!("no PMT second") };
    assert_eq!(pmt.pcr_pid.map(|pid| pid.as_u16()), Some(VIDEO_PID));
    let streams: Vec<_> =
        pmt.es_info.iter().map(|es| (es.stream_type, es.elementary_pid.as_u16())).collect();
    assert_eq!(streams, [(StreamType::H264, VIDEO_PID), (StreamType::AdtsAac, AUDIO_PID)]);
    let Some(TsPayload::PesStart(pes)) = &packets[2].payload else { panic!("no picture third") };
    assert_eq!(pes.pes_packet_len, 0);
    assert!(packets[2].adaptation_field.as_ref().unwrap().random_access_indicator);

    let mut counters = BTreeMap::new();
    for packet in packets.iter().filter(|packet| packet.payload.is_some()) {
        let counter = packet.header.continuity_counter.as_u8();
        if let Some(last) = counters.insert(packet.header.pid.as_u16(), counter) {
            assert_eq!(counter, (last + 1) & 0x0F, "PID {:?}", packet.header.pid);
        }
    }
}

#[test]
fn only_idr_pictures_are_random_access_points() {
    let file = two_segments(&mut TsWriter::new(), 3_000, &[]);
    let flags: Vec<_> = packets(&file)
        .iter()
        .filter(|packet| packet.header.pid.as_u16() == VIDEO_PID)
        .filter(|packet| matches!(packet.payload, Some(TsPayload::PesStart(_))))
        .map(|packet| packet.adaptation_field.as_ref().is_some_and(|f| f.random_access_indicator))
        .collect();
    assert_eq!(flags, (0..24).map(|index| index % 12 == 0).collect::<Vec<_>>());
}

#[test]
fn pcr_comes_every_100_ms_and_never_after_a_decoding_time() {
    for duration in [1_500, 3_003, 9_000, 90_000, 450_000] {
        let file = two_segments(&mut TsWriter::new(), duration, &[0, 6_000, -1_500]);
        let packets = packets(&file);
        let pcrs = pcrs(&packets, VIDEO_PID);
        for pair in pcrs.windows(2) {
            assert!((0..=9_000).contains(&(pair[1].0 - pair[0].0)), "{pair:?} at {duration}");
        }
        let mut latest = 0;
        for packet in &packets {
            if let Some(pcr) = packet.adaptation_field.as_ref().and_then(|field| field.pcr) {
                latest = pcr.as_u64() / 300;
            }
            if let Some(TsPayload::PesStart(pes)) = &packet.payload {
                let due = pes.header.dts.or(pes.header.pts).unwrap().as_u64();
                assert!(due > latest, "due at {due}, PCR {latest}");
            }
        }
    }
}

#[test]
fn audio_only_has_its_pcr_on_the_audio() {
    let audio = segment_of(audio_track(), 0, frames(200));
    let packets = packets(&TsWriter::new().segment(None, Some(&audio)).unwrap());
    let Some(TsPayload::Pmt(pmt)) = &packets[1].payload else { panic!("no PMT second") };
    assert_eq!(pmt.pcr_pid.map(|pid| pid.as_u16()), Some(AUDIO_PID));
    let pcrs = pcrs(&packets, AUDIO_PID);
    assert!(pcrs.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 9_000), "{pcrs:?}");
}

#[test]
fn a_new_time_base_is_announced_and_a_small_hole_is_not() {
    let mut writer = TsWriter::new();
    let mut segment = |base| {
        let video = segment_of(video_track(), base, pictures(3, 3_000, &[]));
        pcrs(&packets(&writer.segment(Some(&video), None).unwrap()), VIDEO_PID)
    };
    let flags = |pcrs: Vec<(u64, bool)>| pcrs.iter().map(|pcr| pcr.1).collect::<Vec<_>>();
    assert_eq!(flags(segment(900_000)), [false; 3]);
    assert!(flags(segment(909_000 + 45_000)).iter().all(|flag| !flag));
    assert_eq!(flags(segment(0)), [true, false, false]);
}

#[test]
fn the_pmt_version_changes_with_the_streams() {
    let mut writer = TsWriter::new();
    let video = segment_of(video_track(), 0, pictures(3, 3_000, &[]));
    let audio = segment_of(audio_track(), 0, frames(10));
    let mut version = |audio: Option<&TrackSegment>| {
        let file = writer.segment(Some(&video), audio).unwrap();
        let Some(TsPayload::Pmt(pmt)) = &packets(&file)[1].payload else { panic!("no PMT") };
        (pmt.version_number.as_u8(), pmt.es_info.len())
    };
    let versions = [version(Some(&audio)), version(Some(&audio)), version(None), version(None)];
    assert_eq!(versions, [(0, 2), (0, 2), (1, 1), (1, 1)]);
}

#[test]
fn decoding_times_stay_in_order_when_reordering_starts_late() {
    // The source shifts decoding times by two pictures; the first segment does not show it.
    let offsets = [0, 6_000, -3_000, -3_000, 6_000, -3_000, -6_000];
    let mut writer = TsWriter::new();
    let first = segment_of(video_track(), 0, pictures(7, 3_000, &[]));
    let second = segment_of(video_track(), 21_000, pictures(7, 3_000, &offsets));
    let mut file = writer.segment(Some(&first), None).unwrap().to_vec();
    file.extend_from_slice(&writer.segment(Some(&second), None).unwrap());
    let track = read(&Bytes::from(file)).unwrap().video.unwrap();
    assert!(dts(&track).windows(2).all(|pair| pair[0] < pair[1]), "{:?}", dts(&track));
    assert!(track.samples.iter().all(|sample| sample.dts <= sample.pts));
    let expected = (0_i64..).zip([0; 7].into_iter().chain(offsets));
    let expected = expected.map(|(n, offset)| TIMESTAMP_MARGIN + n * 3_000 + i64::from(offset));
    assert_eq!(pts(&track), expected.collect::<Vec<_>>());
}

#[test]
fn dts_is_left_out_where_it_equals_pts() {
    let video = segment_of(video_track(), 0, pictures(3, 3_000, &[0, 3_000, 0]));
    let file = TsWriter::new().segment(Some(&video), None).unwrap();
    let mut reader = PesPacketReader::new(TsPacketReader::new(&file[..]));
    let mut there = Vec::new();
    while let Some(packet) = reader.read_pes_packet().unwrap() {
        assert!(packet.data.starts_with(&[0, 0, 0, 1, 9]), "no delimiter first");
        there.push(packet.header.dts.is_some());
    }
    assert_eq!(there, [false, true, false]);
}

#[test]
fn audio_shares_pes_packets() {
    let audio = segment_of(audio_track(), 0, frames(40));
    let video = segment_of(video_track(), 0, pictures(20, 3_000, &[]));
    let file = TsWriter::new().segment(Some(&video), Some(&audio)).unwrap();
    let audio = packets(&file)
        .iter()
        .filter(|packet| packet.header.pid.as_u16() == AUDIO_PID)
        .filter(|packet| matches!(packet.payload, Some(TsPayload::PesStart(_))))
        .count();
    assert_eq!(audio, 10);
}
