use proptest::prelude::*;

use super::*;

/// A header of any format, without payload.
fn header(format: u8, csid: u8, stamp: u32, length: usize, kind: u8) -> Vec<u8> {
    let mut bytes = vec![format << 6 | csid];
    if format < 3 {
        bytes.extend_from_slice(&stamp.min(EXTENDED).to_be_bytes()[1..]);
    }
    if format < 2 {
        bytes.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes()[1..]);
        bytes.push(kind);
    }
    if format == 0 {
        bytes.extend_from_slice(&1_u32.to_le_bytes());
    }
    if format < 3 && stamp >= EXTENDED {
        bytes.extend_from_slice(&stamp.to_be_bytes());
    }
    bytes
}

/// A message in chunks of 128 bytes; `repeat` puts the extended timestamp on format 3 chunks.
fn message(csid: u8, stamp: u32, kind: u8, payload: &[u8], repeat: bool) -> Vec<u8> {
    let mut bytes = header(0, csid, stamp, payload.len(), kind);
    for (n, piece) in payload.chunks(128).enumerate() {
        if n > 0 {
            bytes.push(0xc0 | csid);
            if stamp >= EXTENDED && repeat {
                bytes.extend_from_slice(&stamp.to_be_bytes());
            }
        }
        bytes.extend_from_slice(piece);
    }
    bytes
}

fn read_pieces<'a>(
    reader: &mut ChunkReader,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Message>, ChunkError> {
    let mut messages = Vec::new();
    for mut piece in pieces {
        while let Some(message) = reader.read(&mut piece)? {
            messages.push(message);
        }
        assert!(piece.is_empty());
    }
    Ok(messages)
}

fn read(bytes: &[u8]) -> Result<Vec<Message>, ChunkError> {
    read_pieces(&mut ChunkReader::new(ChunkLimits::default(), 0), [bytes])
}

fn body(length: usize) -> Vec<u8> {
    (0_u8..251).cycle().take(length).collect()
}

#[test]
fn interleaved_messages_stay_apart() {
    let (video, audio) = (body(300), vec![7; 100]);
    let mut bytes = header(0, 4, 40, 300, 9);
    bytes.extend_from_slice(&video[..128]);
    bytes.extend(message(5, 41, 8, &audio, false));
    bytes.push(0xc4);
    bytes.extend_from_slice(&video[128..256]);
    bytes.push(0xc4);
    bytes.extend_from_slice(&video[256..]);
    let messages = read(&bytes).unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].kind, &messages[0].payload[..]), (8, &audio[..]));
    assert_eq!((messages[1].kind, &messages[1].payload[..]), (9, &video[..]));
}

#[test]
fn buffers_have_exactly_the_message_size() {
    let payload = body(300_000);
    let mut bytes = message(2, 0, SET_CHUNK_SIZE, &65_536_u32.to_be_bytes(), false);
    bytes.extend(header(0, 4, 0, payload.len(), 9));
    for (n, piece) in payload.chunks(65_536).enumerate() {
        if n > 0 {
            bytes.push(0xc4);
        }
        bytes.extend_from_slice(piece);
    }
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let mut messages = read_pieces(&mut reader, bytes.chunks(1_000)).unwrap();
    assert_eq!(reader.pending, 0);
    let whole: Vec<u8> = messages.remove(0).payload.into();
    assert_eq!((whole.capacity(), whole), (300_000, payload));
}

#[test]
fn extended_timestamps_repeated_or_left_out() {
    for stamp in [EXTENDED, 0x0100_0000, 0xffff_fff0] {
        for repeat in [true, false] {
            // Tails of every length, so that the four bytes reach into the next header.
            for length in 129..140 {
                let payload = body(length);
                let mut bytes = message(4, stamp, 9, &payload, repeat);
                bytes.extend(message(5, 3, 8, &[1, 2], true));
                for cut in 0..=bytes.len() {
                    let (front, back) = bytes.split_at(cut);
                    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
                    let messages = read_pieces(&mut reader, [front, back]).unwrap();
                    assert_eq!(messages.len(), 2, "{stamp:#x} {repeat} {length} {cut}");
                    assert_eq!(messages[0].timestamp, stamp);
                    assert_eq!(messages[0].payload, payload);
                    assert_eq!(messages[1].payload[..], [1, 2]);
                    assert_eq!(reader.position(), len64(&bytes));
                }
                let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
                assert_eq!(read_pieces(&mut reader, bytes.chunks(1)).unwrap().len(), 2);
            }
        }
    }
}

#[test]
fn deltas_add_up_and_wrap() {
    let mut bytes = message(4, 0xffff_fff0, 9, &[1], false);
    for _ in 0..2 {
        bytes.extend(header(1, 4, 0x20, 1, 9));
        bytes.push(2);
    }
    bytes.extend(header(2, 4, 5, 0, 0));
    bytes.push(3);
    // A new message of format 3 repeats the last delta.
    bytes.extend_from_slice(&[0xc4, 4]);
    let stamps: Vec<_> = read(&bytes).unwrap().iter().map(|message| message.timestamp).collect();
    assert_eq!(stamps, [0xffff_fff0, 0x10, 0x30, 0x35, 0x3a]);
}

#[test]
fn format_3_after_format_0_repeats_small_stamps_only() {
    let second = |stamp| {
        let mut bytes = message(4, stamp, 9, &[1], false);
        bytes.extend_from_slice(&[0xc4, 1]);
        read(&bytes).unwrap()[1].timestamp
    };
    // FFmpeg writes by the text; librtmp means "same stamp".
    assert_eq!([second(0), second(23), second(5_000_000)], [0, 46, 5_000_000]);
}

#[test]
fn first_header_of_format_1_counts_from_zero_and_2_and_3_are_refused() {
    let mut bytes = header(1, 6, 40, 1, 8);
    bytes.push(1);
    let messages = read(&bytes).unwrap();
    assert_eq!((messages[0].timestamp, messages[0].stream_id), (40, 0));
    for format in [2, 3] {
        let error = read(&header(format, 6, 0, 0, 0)).unwrap_err();
        assert_eq!(error.kind, ChunkErrorKind::NoPreviousHeader { format });
    }
}

#[test]
fn full_headers_in_the_middle_continue_or_replace() {
    let payload = body(200);
    let mut bytes = header(0, 4, 7, 200, 9);
    bytes.extend_from_slice(&payload[..128]);
    bytes.extend(header(0, 4, 7, 200, 9));
    bytes.extend_from_slice(&payload[128..]);
    assert_eq!(read(&bytes).unwrap()[0].payload, payload);

    let mut bytes = header(0, 4, 7, 200, 9);
    bytes.extend_from_slice(&payload[..128]);
    bytes.extend(message(4, 9, 8, &[5], false));
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let messages = read_pieces(&mut reader, [&bytes[..]]).unwrap();
    assert_eq!((messages.len(), messages[0].kind), (1, 8));
    assert_eq!((reader.abandoned(), reader.pending), (1, 0));
}

#[test]
fn abort_drops_one_half_message() {
    let mut bytes = header(0, 4, 0, 200, 9);
    bytes.extend(body(128));
    bytes.extend(message(2, 0, ABORT, &4_u32.to_be_bytes(), false));
    bytes.extend(message(4, 1, 9, &[1], false));
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let messages = read_pieces(&mut reader, [&bytes[..]]).unwrap();
    assert_eq!((messages.len(), messages[0].timestamp), (1, 1));
    assert_eq!((reader.abandoned(), reader.pending), (1, 0));
}

#[test]
fn chunk_size_changes_in_the_middle_of_a_message() {
    let payload = body(300);
    let mut bytes = header(0, 4, 0, 300, 9);
    bytes.extend_from_slice(&payload[..128]);
    bytes.extend(message(2, 0, SET_CHUNK_SIZE, &1_000_u32.to_be_bytes(), false));
    bytes.push(0xc4);
    bytes.extend_from_slice(&payload[128..]);
    assert_eq!(read(&bytes).unwrap()[0].payload, payload);
    for size in [0, 0x8000_0000] {
        let bytes = message(2, 0, SET_CHUNK_SIZE, &u32::to_be_bytes(size), false);
        assert_eq!(read(&bytes).unwrap_err().kind, ChunkErrorKind::ChunkSize(size));
    }
}

#[test]
fn sixteen_mebibytes_are_refused_at_the_announcement() {
    let mut bytes = message(3, 0, 20, &body(130), false);
    let position = len64(&bytes);
    bytes.extend(header(0, 4, 0, 0x00ff_ffff, 9));
    let error = read(&bytes).unwrap_err();
    assert_eq!((error.csid, error.position), (4, position));
    assert_eq!(
        error.to_string(),
        "announces a message of 16777215 bytes, at most 8388608 are taken (chunk stream 4, byte 143)"
    );
}

#[test]
fn a_header_reserves_little_and_the_sum_is_bounded() {
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let mut bytes = header(0, 4, 0, 8 << 20, 9);
    bytes.push(1);
    assert!(read_pieces(&mut reader, [&bytes[..]]).unwrap().is_empty());
    assert!(reader.pending <= FIRST_ALLOCATION);

    let limits = ChunkLimits { pending: 300_000, ..ChunkLimits::default() };
    let mut reader = ChunkReader::new(limits, 0);
    let mut bytes = Vec::new();
    for csid in 4..8 {
        bytes.extend(header(0, csid, 0, 8 << 20, 9));
        bytes.extend(body(128));
    }
    let error = read_pieces(&mut reader, [&bytes[..]]).unwrap_err();
    assert_eq!((error.csid, error.kind), (6, ChunkErrorKind::TooMuchPending { limit: 300_000 }));
}

#[test]
fn every_chunk_stream_id_at_once_is_refused() {
    let mut bytes = Vec::new();
    for csid in 64_u32..65_599 {
        let [low, high, ..] = (csid - 64).to_le_bytes();
        bytes.extend_from_slice(&[1, low, high, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 1]);
    }
    let error = read(&bytes).unwrap_err();
    assert_eq!(error.csid, 64 + 64);
    assert_eq!(error.kind, ChunkErrorKind::TooManyChunkStreams { limit: 64 });
}

#[test]
fn aggregates_are_split_by_slices_and_rebased() {
    let mut payload = Vec::new();
    // Stamps of 0x0100_005a and 0x0100_0050: the fourth byte is the highest (`rtmp` §7.1.6).
    for (kind, stamp) in [(9_u8, 90), (8, 80)] {
        payload.extend_from_slice(&[kind, 0, 0, 2, 0, 0, stamp, 1, 0, 0, 0, kind, kind]);
        payload.extend_from_slice(&[0, 0, 0, 13]);
    }
    let aggregate =
        Message { kind: 22, stream_id: 1, timestamp: 500, payload: Bytes::from(payload) };
    let parts: Vec<_> = split_aggregate(&aggregate).collect();
    assert_eq!(parts.len(), 2);
    assert_eq!((parts[0].timestamp, parts[1].timestamp), (500, 490));
    assert_eq!(parts[1].payload[..], [8, 8]);
    assert_eq!(parts[0].payload.as_ptr(), aggregate.payload[11..].as_ptr());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        crate::fuzzing::chunk_reader(&bytes);
    }

    #[test]
    fn what_rml_rtmp_writes_comes_back_however_it_is_cut(
        messages in proptest::collection::vec(
            (8_u8..=9, 0_u32..0x0200_0000, proptest::collection::vec(any::<u8>(), 1..400)), 1..8
        ),
        piece in 1_usize..200,
    ) {
        use rml_rtmp::{chunk_io::ChunkSerializer, messages::MessagePayload, time::RtmpTimestamp};
        let mut serializer = ChunkSerializer::new();
        let mut bytes = Vec::new();
        let mut stamp = 0;
        let mut expected = Vec::new();
        for (type_id, step, data) in messages {
            stamp += step;
            let payload = MessagePayload {
                timestamp: RtmpTimestamp::new(stamp),
                type_id,
                message_stream_id: 1,
                data: data.clone().into(),
            };
            bytes.extend(serializer.serialize(&payload, false, false).unwrap().bytes);
            expected.push((type_id, stamp, Bytes::from(data)));
        }
        let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
        let read = read_pieces(&mut reader, bytes.chunks(piece)).unwrap();
        let read: Vec<_> =
            read.into_iter().map(|m| (m.kind, m.timestamp, m.payload)).collect();
        prop_assert_eq!(read, expected);
    }
}
