//! PES packet headers and their 33-bit timestamps (ISO/IEC 13818-1 §2.4.3.6).

use super::TsError;

/// `stream_id` of the first video stream.
pub(super) const STREAM_ID_VIDEO: u8 = 0xE0;
/// `stream_id` of the first audio stream.
pub(super) const STREAM_ID_AUDIO: u8 = 0xC0;
/// The longest header that [`PesHeader::write`] makes.
pub(super) const MAX_HEADER_LEN: usize = FIXED_LEN + 10;
/// Start code, `stream_id`, `PES_packet_length`, two bytes of flags, `PES_header_data_length`.
const FIXED_LEN: usize = 9;
/// Bytes before those that `PES_packet_length` counts.
const UNCOUNTED_LEN: usize = 6;

/// A PES header of a stream that carries timestamps. Times are 33-bit readings of the 90 kHz clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PesHeader {
    pub(super) stream_id: u8,
    pub(super) pts: Option<u64>,
    /// Decoding time where it differs from `pts`.
    pub(super) dts: Option<u64>,
}

/// A parsed PES packet: its header and where its payload lies in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PesPacket<'a> {
    pub(super) header: PesHeader,
    pub(super) payload_offset: usize,
    pub(super) payload: &'a [u8],
}

impl PesHeader {
    /// Bytes it takes.
    pub(super) const fn len(&self) -> usize {
        FIXED_LEN + self.fields_len()
    }

    const fn fields_len(&self) -> usize {
        match (self.pts, self.dts) {
            (None, _) => 0,
            (Some(_), None) => 5,
            (Some(_), Some(_)) => 10,
        }
    }

    /// The header of a packet of `payload_len` bytes, `data_alignment_indicator` set. A length that
    /// does not fit the 16-bit field, and that of any video, is left open as 0.
    pub(super) fn write(&self, out: &mut Vec<u8>, payload_len: usize) {
        let counted = self.len() - UNCOUNTED_LEN + payload_len;
        let packet_length = if self.stream_id == STREAM_ID_VIDEO { 0 } else { counted };
        let [length_high, length_low] = u16::try_from(packet_length).unwrap_or(0).to_be_bytes();
        let flags = match (self.pts, self.dts) {
            (None, _) => 0x00,
            (Some(_), None) => 0x80,
            (Some(_), Some(_)) => 0xC0,
        };
        let fields_len = u8::try_from(self.fields_len()).unwrap_or(0);
        out.extend_from_slice(&[0x00, 0x00, 0x01, self.stream_id, length_high, length_low]);
        out.extend_from_slice(&[0x84, flags, fields_len]);
        match (self.pts, self.dts) {
            (None, _) => {}
            (Some(pts), None) => out.extend_from_slice(&write_timestamp(0b0010, pts)),
            (Some(pts), Some(dts)) => {
                out.extend_from_slice(&write_timestamp(0b0011, pts));
                out.extend_from_slice(&write_timestamp(0b0001, dts));
            }
        }
    }
}

/// 4 bits of prefix, then 3 + 15 + 15 bits of time, each followed by a marker bit.
fn write_timestamp(prefix: u64, time: u64) -> [u8; 5] {
    let field = prefix << 36
        | (time >> 30 & 0x7) << 33
        | 1 << 32
        | (time >> 15 & 0x7FFF) << 17
        | 1 << 16
        | (time & 0x7FFF) << 1
        | 1;
    let [_, _, _, field @ ..] = field.to_be_bytes();
    field
}

/// Prefix and marker bits are not looked at: hardware multiplexers get them wrong, and no decoder
/// minds.
fn read_timestamp(field: [u8; 5]) -> u64 {
    let [a, b, c, d, e] = field.map(u64::from);
    (a >> 1 & 0x7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

/// Parses a reassembled PES packet whose first transport packet is at `position` of the file.
///
/// `None` for a stream without timestamps, such as padding.
///
/// # Errors
///
/// `TsError::Pes` for a malformed header, `TsError::TruncatedPes` when fewer bytes came than
/// `PES_packet_length` says. Bytes beyond that length are not part of the payload.
pub(super) fn parse(packet: &[u8], position: usize) -> Result<Option<PesPacket<'_>>, TsError> {
    let malformed = |reason| TsError::Pes { position, reason };
    let Some((&[0, 0, 1, stream_id, length_high, length_low], counted)) =
        packet.split_first_chunk::<UNCOUNTED_LEN>()
    else {
        return Err(malformed("no packet start code"));
    };
    // Stream ids whose packets have no optional header (Table 2-21).
    if matches!(stream_id, 0xBC | 0xBE | 0xBF | 0xF0 | 0xF1 | 0xF2 | 0xF8 | 0xFF) {
        return Ok(None);
    }
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let counted = match length {
        0 => counted,
        length => counted.get(..length).ok_or(TsError::TruncatedPes {
            position,
            expected: length,
            found: counted.len(),
        })?,
    };
    let Some((&[marker, flags, fields_len], rest)) = counted.split_first_chunk::<3>() else {
        return Err(malformed("header is cut short"));
    };
    if marker & 0xC0 != 0x80 {
        return Err(malformed("not an MPEG-2 PES header"));
    }
    let Some((fields, payload)) = rest.split_at_checked(usize::from(fields_len)) else {
        return Err(malformed("header is longer than the packet"));
    };
    let (pts, dts) = match flags >> 6 {
        0b00 => (None, None),
        0b10 => (Some(fields.first_chunk::<5>()), None),
        0b11 => (
            Some(fields.first_chunk::<5>()),
            Some(fields.get(5..).and_then(<[u8]>::first_chunk::<5>)),
        ),
        _ => return Err(malformed("a DTS without a PTS")),
    };
    let timestamp = |field: Option<Option<&[u8; 5]>>| {
        field.map(|field| field.map(|field| read_timestamp(*field))).map_or(Ok(None), |time| {
            time.map(Some).ok_or_else(|| malformed("timestamps are cut short"))
        })
    };
    let header = PesHeader { stream_id, pts: timestamp(pts)?, dts: timestamp(dts)? };
    Ok(Some(PesPacket {
        header,
        payload_offset: UNCOUNTED_LEN + 3 + usize::from(fields_len),
        payload,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamp_bits_are_where_the_standard_puts_them() {
        assert_eq!(write_timestamp(0b0010, 0), [0x21, 0x00, 0x01, 0x00, 0x01]);
        assert_eq!(write_timestamp(0b0011, 0x1_FFFF_FFFF), [0x3F, 0xFF, 0xFF, 0xFF, 0xFF]);
        // 1.4 s, the first PTS of FFmpeg's muxer by default.
        assert_eq!(write_timestamp(0b0010, 126_000), [0x21, 0x00, 0x07, 0xD8, 0x61]);
    }

    #[test]
    fn a_short_packet_is_reported_with_its_lengths() {
        let mut packet = Vec::new();
        let header = PesHeader { stream_id: STREAM_ID_AUDIO, pts: Some(1), dts: None };
        header.write(&mut packet, 100);
        packet.extend_from_slice(&[0; 60]);
        let error = parse(&packet, 564).unwrap_err();
        assert!(
            matches!(error, TsError::TruncatedPes { position: 564, expected: 108, found: 68 }),
            "{error}"
        );
    }

    #[test]
    fn bytes_past_the_packet_length_are_not_payload() {
        let mut packet = Vec::new();
        let header = PesHeader { stream_id: STREAM_ID_AUDIO, pts: Some(1), dts: None };
        header.write(&mut packet, 2);
        packet.extend_from_slice(&[7, 8, 0xFF, 0xFF]);
        assert_eq!(parse(&packet, 0).unwrap().unwrap().payload, [7, 8]);
    }

    proptest! {
        #[test]
        fn headers_come_back(
            pts in proptest::option::of(0_u64..1 << 33),
            dts in proptest::option::of(0_u64..1 << 33),
            video: bool,
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let dts = dts.filter(|_| pts.is_some());
            let stream_id = if video { STREAM_ID_VIDEO } else { STREAM_ID_AUDIO };
            let header = PesHeader { stream_id, pts, dts };
            let mut packet = Vec::new();
            header.write(&mut packet, payload.len());
            prop_assert_eq!(packet.len(), header.len());
            packet.extend_from_slice(&payload);
            let read = parse(&packet, 0).unwrap().unwrap();
            prop_assert_eq!(read.header, header);
            prop_assert_eq!(read.payload, payload);
            prop_assert_eq!(read.payload_offset, header.len());
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut packet in proptest::collection::vec(any::<u8>(), 0..64), start: bool) {
            if start {
                packet.splice(..0, [0, 0, 1]);
            }
            drop(parse(&packet, 0));
        }
    }
}
