//! Transport packets: headers and adaptation fields, synchronisation (ISO/IEC 13818-1 §2.4.3.2-5).

use std::ops::Range;

use super::TsError;

/// Bytes in a transport packet.
pub(super) const PACKET_LEN: usize = 188;
/// What remains of a packet after its header.
pub(super) const PAYLOAD_LEN: usize = PACKET_LEN - 4;
const SYNC_BYTE: u8 = 0x47;
/// Packets that must follow in step before a lost synchronisation counts as found again: with three
/// sync bytes in step, one resynchronisation in 16 million over random bytes is a false one.
const RESYNC_PACKETS: usize = 2;

/// A packet as read.
#[derive(Debug)]
pub(super) struct Packet {
    /// Where it starts in the file.
    pub(super) position: usize,
    pub(super) pid: u16,
    pub(super) continuity: u8,
    /// A PES packet or a section starts in the payload.
    pub(super) unit_start: bool,
    /// The multiplexer announces that the continuity counter may jump here.
    pub(super) discontinuity: bool,
    pub(super) scrambled: bool,
    /// Where the payload lies in the file; empty for a packet that has none.
    pub(super) payload: Range<usize>,
}

/// The packets of a file, in order, across stretches that are not packets.
#[derive(Debug)]
pub(super) struct Packets<'a> {
    file: &'a [u8],
    position: usize,
}

impl<'a> Packets<'a> {
    pub(super) const fn new(file: &'a [u8]) -> Self {
        Self { file, position: 0 }
    }

    /// The first position from here on where sync bytes stand in step, up to the end of the file.
    fn resynchronise(&self) -> Option<usize> {
        let last = self.file.len().checked_sub(PACKET_LEN)?;
        (self.position..=last).find(|start| {
            (0..=RESYNC_PACKETS).all(|packet| {
                self.file.get(start + packet * PACKET_LEN).is_none_or(|byte| *byte == SYNC_BYTE)
            })
        })
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, TsError> {
        let rest = self.file.get(self.position..).unwrap_or_default();
        match rest.first() {
            None => return Ok(None),
            Some(&SYNC_BYTE) if rest.len() < PACKET_LEN => {
                return Err(TsError::TruncatedPacket { position: self.position });
            }
            Some(&SYNC_BYTE) => {}
            Some(_) => {
                self.position =
                    self.resynchronise().ok_or(TsError::SyncLost { position: self.position })?;
            }
        }
        let start = self.position;
        let packet = self.file.get(start..).and_then(<[u8]>::first_chunk::<PACKET_LEN>);
        let packet = packet.ok_or(TsError::TruncatedPacket { position: start })?;
        self.position += PACKET_LEN;
        parse(packet, start).map(Some)
    }
}

impl Iterator for Packets<'_> {
    type Item = Result<Packet, TsError>;

    /// After an error the iterator is at its end.
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_packet().transpose();
        if matches!(next, Some(Err(_))) {
            self.position = self.file.len();
        }
        next
    }
}

fn parse(packet: &[u8; PACKET_LEN], position: usize) -> Result<Packet, TsError> {
    let [_, high, low, control, field_len, field_flags, ..] = *packet;
    let pid = u16::from_be_bytes([high & 0x1F, low]);
    if high & 0x80 != 0 {
        return Err(TsError::TransportError { position, pid });
    }
    let has_field = control & 0x20 != 0;
    let has_payload = control & 0x10 != 0;
    let mut payload_offset = 4;
    if has_field {
        payload_offset += 1 + usize::from(field_len);
    }
    if payload_offset > PACKET_LEN {
        return Err(TsError::AdaptationField { position, pid });
    }
    let payload = if has_payload { payload_offset..PACKET_LEN } else { 0..0 };
    Ok(Packet {
        position,
        pid,
        continuity: control & 0x0F,
        unit_start: high & 0x40 != 0,
        discontinuity: has_field && field_len > 0 && field_flags & 0x80 != 0,
        scrambled: control & 0xC0 != 0,
        payload: position + payload.start..position + payload.end,
    })
}

/// The adaptation field of a packet to be written, stuffing aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AdaptationField {
    pub(super) discontinuity: bool,
    pub(super) random_access: bool,
    /// 33-bit PCR base; the extension is always 0, since every time here is a multiple of 1/90 000 s.
    pub(super) pcr: Option<u64>,
}

impl AdaptationField {
    const fn is_empty(self) -> bool {
        !self.discontinuity && !self.random_access && self.pcr.is_none()
    }

    /// Bytes it takes in a packet, its length byte included.
    const fn len(self) -> usize {
        if self.is_empty() {
            0
        } else if self.pcr.is_some() {
            8
        } else {
            2
        }
    }

    /// Writes it stretched to exactly `len` bytes, length byte included. `len` is at least
    /// `self.len()` and at most 184.
    fn write(self, out: &mut Vec<u8>, len: usize) {
        let Some(after_length) = len.checked_sub(1) else { return };
        let end = out.len() + len;
        out.push(u8::try_from(after_length).unwrap_or(u8::MAX));
        if after_length > 0 {
            let mut flags = 0;
            flags |= if self.discontinuity { 0x80 } else { 0 };
            flags |= if self.random_access { 0x40 } else { 0 };
            flags |= if self.pcr.is_some() { 0x10 } else { 0 };
            out.push(flags);
        }
        if let Some(base) = self.pcr {
            // 33 bits of base, 6 reserved bits set, 9 bits of extension.
            let field = (base & 0x1_FFFF_FFFF) << 15 | 0x7E00;
            let [_, _, field @ ..] = field.to_be_bytes();
            out.extend_from_slice(&field);
        }
        out.resize(end, 0xFF);
    }
}

/// Writes one packet without payload: only its adaptation field. It repeats the continuity counter
/// of the packet before.
pub(super) fn write_bare(out: &mut Vec<u8>, pid: u16, continuity: u8, field: AdaptationField) {
    let [high, low] = (pid & 0x1FFF).to_be_bytes();
    out.extend_from_slice(&[SYNC_BYTE, high, low, 0x20 | (continuity.wrapping_sub(1) & 0x0F)]);
    field.write(out, PAYLOAD_LEN);
}

/// Cuts one unit (a PES packet or a section) of known length into packets while it is written.
///
/// The caller writes exactly `len` bytes; the packet that holds the last of them is filled up by
/// its adaptation field.
#[derive(Debug)]
pub(super) struct UnitWriter<'a> {
    out: &'a mut Vec<u8>,
    continuity: &'a mut u8,
    pid: u16,
    field: AdaptationField,
    /// Bytes of the unit not yet written.
    remaining: usize,
    /// Payload bytes free in the open packet.
    room: usize,
    started: bool,
}

impl<'a> UnitWriter<'a> {
    /// Starts a unit of `len` bytes; `field` goes into its first packet, and `continuity` is the
    /// counter of that packet.
    pub(super) const fn new(
        out: &'a mut Vec<u8>,
        pid: u16,
        continuity: &'a mut u8,
        field: AdaptationField,
        len: usize,
    ) -> Self {
        Self { out, continuity, pid, field, remaining: len, room: 0, started: false }
    }

    /// Appends bytes of the unit.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.remaining, "the unit is longer than announced");
        while !bytes.is_empty() {
            if self.room == 0 {
                self.start_packet();
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.room));
            self.out.extend_from_slice(now);
            self.room -= now.len();
            self.remaining = self.remaining.saturating_sub(now.len());
            bytes = later;
        }
    }

    fn start_packet(&mut self) {
        let field = std::mem::take(&mut self.field);
        let payload = self.remaining.min(PAYLOAD_LEN - field.len());
        let field_len = PAYLOAD_LEN - payload;
        let [high, low] = (self.pid & 0x1FFF).to_be_bytes();
        let unit_start = if self.started { 0 } else { 0x40 };
        let control = if field_len == 0 { 0x10 } else { 0x30 };
        self.out.extend_from_slice(&[
            SYNC_BYTE,
            unit_start | high,
            low,
            control | (*self.continuity & 0x0F),
        ]);
        field.write(self.out, field_len);
        *self.continuity = self.continuity.wrapping_add(1) & 0x0F;
        self.started = true;
        self.room = payload;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet_of(pid: u16, fill: u8) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let mut packet = vec![SYNC_BYTE, high, low, 0x10];
        packet.resize(PACKET_LEN, fill);
        packet
    }

    #[test]
    fn bytes_between_packets_are_skipped() {
        let mut file = vec![0x00, 0x47, 0x12];
        for _ in 0..3 {
            file.extend(packet_of(0x100, 0x55));
        }
        let packets: Vec<_> = Packets::new(&file).map(Result::unwrap).collect();
        assert_eq!(packets.iter().map(|packet| packet.position).collect::<Vec<_>>(), [3, 191, 379]);
    }

    #[test]
    fn a_file_without_sync_is_an_error_at_its_start() {
        let error = Packets::new(&[0x11; 2000]).next().unwrap().unwrap_err();
        assert!(matches!(error, TsError::SyncLost { position: 0 }), "{error}");
    }

    #[test]
    fn a_cut_packet_is_an_error_at_its_position() {
        let mut file = packet_of(0x100, 0);
        file.extend_from_slice(&packet_of(0x100, 0)[..100]);
        let mut packets = Packets::new(&file);
        packets.next().unwrap().unwrap();
        let error = packets.next().unwrap().unwrap_err();
        assert!(matches!(error, TsError::TruncatedPacket { position: 188 }), "{error}");
        assert!(packets.next().is_none());
    }

    #[test]
    fn an_adaptation_field_past_the_packet_is_an_error() {
        let mut file = packet_of(0x100, 0);
        file[3] = 0x30;
        file[4] = 184;
        let error = Packets::new(&file).next().unwrap().unwrap_err();
        assert!(matches!(error, TsError::AdaptationField { position: 0, pid: 0x100 }), "{error}");
    }

    #[test]
    fn pcr_bits_are_where_the_standard_puts_them() {
        let mut out = Vec::new();
        let field = AdaptationField {
            pcr: Some(0x1_2345_6789),
            random_access: true,
            ..AdaptationField::default()
        };
        write_bare(&mut out, 0x100, 4, field);
        assert_eq!(out.len(), PACKET_LEN);
        assert_eq!(
            out[..12],
            [0x47, 0x01, 0x00, 0x23, 183, 0x50, 0x91, 0xA2, 0xB3, 0xC4, 0xFE, 0x00]
        );
    }

    proptest! {
        #[test]
        fn units_come_back_whole(
            unit in proptest::collection::vec(any::<u8>(), 1..1000),
            pcr in proptest::option::of(0_u64..1 << 33),
            random_access: bool,
            first in 0_u8..16,
        ) {
            let (mut out, mut continuity) = (Vec::new(), first);
            let field = AdaptationField { discontinuity: false, random_access, pcr };
            let mut writer = UnitWriter::new(&mut out, 0x1ABC, &mut continuity, field, unit.len());
            for piece in unit.chunks(77) {
                writer.write(piece);
            }
            prop_assert_eq!(out.len() % PACKET_LEN, 0);
            let mut read = Vec::new();
            for (index, packet) in Packets::new(&out).enumerate() {
                let packet = packet.unwrap();
                prop_assert_eq!(packet.pid, 0x1ABC);
                prop_assert_eq!(packet.unit_start, index == 0);
                prop_assert_eq!(usize::from(packet.continuity), (usize::from(first) + index) % 16);
                read.extend_from_slice(&out[packet.payload]);
            }
            prop_assert_eq!(usize::from(continuity), (usize::from(first) + out.len() / PACKET_LEN) % 16);
            prop_assert_eq!(read, unit);
        }

        #[test]
        fn arbitrary_bytes_never_panic(file in proptest::collection::vec(any::<u8>(), 0..2000)) {
            for packet in Packets::new(&file).flatten() {
                prop_assert!(file.get(packet.payload).is_some());
            }
        }
    }
}
