//! Files cut short, and files with wrong bytes.

use super::*;

/// What was read of a damaged file is the beginning of what was read of the whole, its last sample
/// aside, which may be cut.
fn assert_prefix(damaged: Option<DemuxedTrack>, whole: Option<&DemuxedTrack>, cut: usize) {
    let (Some(damaged), Some(whole)) = (damaged, whole) else { return };
    let complete = damaged.samples.len().saturating_sub(1);
    for (damaged, whole) in damaged.samples.iter().zip(&whole.samples).take(complete) {
        assert_eq!((damaged.dts, damaged.pts), (whole.dts, whole.pts), "cut at {cut}");
        assert_eq!(damaged.payload.to_contiguous(), whole.payload.to_contiguous(), "cut at {cut}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_a_beginning() {
    let file = ffmpeg_file("-t 0.5");
    let whole = read(&file).unwrap();
    for cut in (0..file.len()).step_by(61).chain((0..file.len()).step_by(188)) {
        match read(&file.slice(..cut)) {
            Ok(damaged) => {
                assert_eq!(cut % 188, 0, "a part of a packet went unseen");
                assert_prefix(damaged.video, whole.video.as_ref(), cut);
                assert_prefix(damaged.audio, whole.audio.as_ref(), cut);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_packet_missing_anywhere_in_the_media_is_an_error() {
    let file = ffmpeg_file("-t 0.5");
    let media: Vec<_> = packet::Packets::new(&file)
        .map(Result::unwrap)
        .filter(|packet| matches!(packet.pid, 0x100 | 0x101))
        .map(|packet| packet.position)
        .collect();
    for position in &media[1..media.len() - 20] {
        let mut damaged = file.to_vec();
        damaged.drain(*position..position + packet::PACKET_LEN);
        assert!(read(&Bytes::from(damaged)).is_err(), "packet at {position}");
    }
}

#[test]
fn wrong_bytes_never_panic() {
    let file = ffmpeg_file("-t 0.3");
    for position in (0..file.len()).step_by(3) {
        let mut damaged = file.to_vec();
        damaged[position] ^= 1 << (position % 8);
        fuzz(&damaged);
    }
}

#[test]
fn junk_between_packets_is_skipped() {
    let file = ffmpeg_file("-t 0.5");
    let mut junk = vec![0xEE; 100];
    junk.extend_from_slice(&file[..10 * packet::PACKET_LEN]);
    junk.extend_from_slice(&[0x12; 333]);
    junk.extend_from_slice(&file[10 * packet::PACKET_LEN..]);
    let (whole, read) = (read(&file).unwrap(), read(&Bytes::from(junk)).unwrap());
    assert_eq!(dts(&whole.video.unwrap()), dts(&read.video.unwrap()));
}

#[test]
fn other_files_are_refused_by_name() {
    let mp4 = Bytes::from_static(b"\0\0\0\x18ftypisom\0\0\0\0isomavc1");
    assert!(matches!(read(&mp4), Err(TsError::SyncLost { position: 0 })));
    assert!(matches!(read(&Bytes::new()), Err(TsError::NoProgram)));

    let mut file = Vec::new();
    let pat = psi::write_pat(psi::ProgramEntry { program_number: 1, pmt_pid: 0x1000 });
    let entry = psi::StreamEntry { stream_type: 0x24, pid: 0x100 };
    let pmt = psi::write_pmt(1, 0, 0x100, &[entry]);
    for (pid, section) in [(0, pat), (0x1000, pmt)] {
        let field = packet::AdaptationField::default();
        packet::UnitWriter::new(&mut file, pid, &mut 0, field, section.len()).write(&section);
    }
    let error = read(&Bytes::from(file)).unwrap_err();
    assert!(matches!(error, TsError::UnsupportedVideo { stream_type: 0x24 }), "{error}");
}

#[test]
fn a_second_configuration_in_the_file_is_an_error() {
    let (first, second) = (ffmpeg_file("-an -t 0.2"), ffmpeg_file("-an -t 0.2 -s 64x64"));
    // Packets go on counting, so that nothing but the parameter sets differs.
    let last = packet::Packets::new(&first).map(Result::unwrap).filter(|p| p.pid == 0x100).last();
    let mut counter = last.unwrap().continuity;
    let mut joined = first.to_vec();
    for packet in packet::Packets::new(&second).map(Result::unwrap) {
        let from = joined.len();
        joined.extend_from_slice(&second[packet.position..packet.position + packet::PACKET_LEN]);
        if packet.pid == 0x100 && !packet.payload.is_empty() {
            counter = (counter + 1) & 0x0F;
            joined[from + 3] = joined[from + 3] & 0xF0 | counter;
        }
    }
    let error = read(&Bytes::from(joined)).unwrap_err();
    assert!(matches!(error, TsError::ParametersChanged { .. }), "{error}");
}
