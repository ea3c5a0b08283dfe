//! Program-specific information: PAT and PMT sections (ISO/IEC 13818-1 §2.4.4).

use super::TsError;

/// PID of the program association table.
pub(super) const PAT_PID: u16 = 0x0000;
const PAT_TABLE: u8 = 0x00;
const PMT_TABLE: u8 = 0x02;
const STUFFING_TABLE: u8 = 0xFF;
/// Bytes of a section before its body in the long form: table id to last section number.
const HEADER_LEN: usize = 8;
const CRC_LEN: usize = 4;
/// The longest `section_length` of a PAT or PMT.
const MAX_SECTION_LENGTH: usize = 1021;

/// `stream_type` of H.264 video.
pub(super) const STREAM_TYPE_H264: u8 = 0x1B;
pub(super) const STREAM_TYPE_HEVC: u8 = 0x24;
/// `stream_type` of AAC with ADTS headers.
pub(super) const STREAM_TYPE_ADTS: u8 = 0x0F;

/// An elementary stream as a PMT lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamEntry {
    pub(super) stream_type: u8,
    pub(super) pid: u16,
}

/// A program as a PAT lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProgramEntry {
    pub(super) program_number: u16,
    pub(super) pmt_pid: u16,
}

/// CRC-32/MPEG-2: polynomial 0x04C11DB7, not reflected, all ones at the start (Annex A). Over a
/// section with its own CRC it is 0.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04C1_1DB7 }
        })
    })
}

/// A PAT that lists one program, `pointer_field` included.
pub(super) fn write_pat(program: ProgramEntry) -> Vec<u8> {
    let [number_high, number_low] = program.program_number.to_be_bytes();
    let [pid_high, pid_low] = (0xE000 | program.pmt_pid).to_be_bytes();
    write_section(PAT_TABLE, 1, 0, &[number_high, number_low, pid_high, pid_low])
}

/// A PMT of `streams`, `pointer_field` included. `version` is taken modulo 32.
pub(super) fn write_pmt(
    program_number: u16,
    version: u8,
    pcr_pid: u16,
    streams: &[StreamEntry],
) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + streams.len() * 5);
    body.extend_from_slice(&(0xE000 | pcr_pid).to_be_bytes());
    body.extend_from_slice(&[0xF0, 0x00]);
    for stream in streams {
        body.push(stream.stream_type);
        body.extend_from_slice(&(0xE000 | stream.pid).to_be_bytes());
        body.extend_from_slice(&[0xF0, 0x00]);
    }
    write_section(PMT_TABLE, program_number, version, &body)
}

fn write_section(table_id: u8, extension: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let section_length = HEADER_LEN - 3 + body.len() + CRC_LEN;
    debug_assert!(section_length <= MAX_SECTION_LENGTH, "one section holds the table");
    let [length_high, length_low] =
        u16::try_from(section_length).map_or([0; 2], |length| (0xB000 | length).to_be_bytes());
    let [extension_high, extension_low] = extension.to_be_bytes();
    let mut section = Vec::with_capacity(1 + 3 + section_length);
    section.push(0); // pointer_field
    section.extend_from_slice(&[table_id, length_high, length_low, extension_high, extension_low]);
    section.extend_from_slice(&[0xC1 | ((version & 0x1F) << 1), 0, 0]);
    section.extend_from_slice(body);
    let crc = crc32(section.get(1..).unwrap_or_default());
    section.extend_from_slice(&crc.to_be_bytes());
    section
}

/// A whole, checked section that is in force now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    table_id: u8,
    /// `transport_stream_id` of a PAT, `program_number` of a PMT.
    pub(super) extension: u16,
    body: &'a [u8],
}

impl Section<'_> {
    /// The programs of a PAT, without the network PID; empty for another table.
    pub(super) fn programs(&self) -> impl Iterator<Item = ProgramEntry> + '_ {
        let body = if self.table_id == PAT_TABLE { self.body } else { &[] };
        body.as_chunks::<4>().0.iter().filter_map(|[number_high, number_low, high, low]| {
            let program_number = u16::from_be_bytes([*number_high, *number_low]);
            let pmt_pid = u16::from_be_bytes([high & 0x1F, *low]);
            (program_number != 0).then_some(ProgramEntry { program_number, pmt_pid })
        })
    }

    /// The elementary streams of a PMT; `None` for another table or where a length does not fit.
    pub(super) fn streams(&self) -> Option<Vec<StreamEntry>> {
        if self.table_id != PMT_TABLE {
            return None;
        }
        let (&[_, _, high, low], rest) = self.body.split_first_chunk::<4>()?;
        let mut rest = rest.get(usize::from(u16::from_be_bytes([high & 0x0F, low]))..)?;
        let mut streams = Vec::new();
        while let Some((&[stream_type, pid_high, pid_low, high, low], after)) =
            rest.split_first_chunk::<5>()
        {
            let pid = u16::from_be_bytes([pid_high & 0x1F, pid_low]);
            streams.push(StreamEntry { stream_type, pid });
            rest = after.get(usize::from(u16::from_be_bytes([high & 0x0F, low]))..)?;
        }
        rest.is_empty().then_some(streams)
    }

    pub(super) const fn is_pmt(&self) -> bool {
        self.table_id == PMT_TABLE
    }
}

/// Collects the sections of one PID from packet payloads.
///
/// Holds at most one section, so at most 1024 bytes.
#[derive(Debug, Default)]
pub(super) struct SectionAssembler {
    partial: Vec<u8>,
    /// A section was begun and its rest is awaited.
    open: bool,
}

impl SectionAssembler {
    /// Takes the payload of the packet at `position` and shows each section that it completes.
    ///
    /// # Errors
    ///
    /// `TsError::Section` for an impossible length, `TsError::SectionChecksum` for a wrong CRC, and
    /// what `each` returns.
    pub(super) fn push(
        &mut self,
        payload: &[u8],
        unit_start: bool,
        position: usize,
        mut each: impl FnMut(&Section<'_>) -> Result<(), TsError>,
    ) -> Result<(), TsError> {
        if !unit_start {
            return self.extend(payload, position, &mut each).map(|_| ());
        }
        let error = TsError::Section { position, reason: "pointer_field points past the packet" };
        let Some((&pointer, after)) = payload.split_first() else { return Err(error) };
        let Some((tail, mut rest)) = after.split_at_checked(usize::from(pointer)) else {
            return Err(error);
        };
        self.extend(tail, position, &mut each)?;
        self.partial.clear();
        self.open = false;
        // Sections may follow one another in a packet, up to stuffing or an unfinished last one.
        while rest.first().is_some_and(|table_id| *table_id != STUFFING_TABLE) {
            self.open = true;
            let taken = self.extend(rest, position, &mut each)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Adds bytes to the open section; says how many belonged to it.
    fn extend(
        &mut self,
        bytes: &[u8],
        position: usize,
        each: &mut impl FnMut(&Section<'_>) -> Result<(), TsError>,
    ) -> Result<usize, TsError> {
        if !self.open {
            return Ok(0);
        }
        let before = self.partial.len();
        let head = bytes.get(..3_usize.saturating_sub(before).min(bytes.len())).unwrap_or_default();
        self.partial.extend_from_slice(head);
        let Some(&[_, high, low]) = self.partial.first_chunk::<3>() else { return Ok(head.len()) };
        let length = usize::from(u16::from_be_bytes([high & 0x0F, low]));
        if length > MAX_SECTION_LENGTH {
            return Err(TsError::Section { position, reason: "section_length is above 1021" });
        }
        let missing = (3 + length).saturating_sub(self.partial.len());
        let body = bytes.get(head.len()..).unwrap_or_default();
        let body = body.get(..missing.min(body.len())).unwrap_or_default();
        self.partial.extend_from_slice(body);
        if self.partial.len() == 3 + length {
            self.open = false;
            if let Some(section) = check(&self.partial, position)? {
                each(&section)?;
            }
            self.partial.clear();
        }
        Ok(head.len() + body.len())
    }
}

/// The section of `bytes` when it is a PAT or PMT in force; `None` for other tables.
fn check(bytes: &[u8], position: usize) -> Result<Option<Section<'_>>, TsError> {
    let Some((&[table_id, syntax, _, extension_high, extension_low, version, _, _], rest)) =
        bytes.split_first_chunk::<HEADER_LEN>()
    else {
        return Ok(None);
    };
    if !matches!(table_id, PAT_TABLE | PMT_TABLE) || syntax & 0x80 == 0 {
        return Ok(None);
    }
    let Some((body, _)) = rest.split_last_chunk::<CRC_LEN>() else {
        return Err(TsError::Section { position, reason: "section has no room for its CRC" });
    };
    if crc32(bytes) != 0 {
        return Err(TsError::SectionChecksum { position });
    }
    let current = version & 0x01 != 0;
    let extension = u16::from_be_bytes([extension_high, extension_low]);
    Ok(current.then_some(Section { table_id, extension, body }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROGRAM: ProgramEntry = ProgramEntry { program_number: 1, pmt_pid: 0x1000 };

    fn collect(payloads: &[(&[u8], bool)]) -> Vec<(Vec<ProgramEntry>, Option<Vec<StreamEntry>>)> {
        let mut assembler = SectionAssembler::default();
        let mut found = Vec::new();
        for (payload, unit_start) in payloads {
            assembler
                .push(payload, *unit_start, 0, |section| {
                    found.push((section.programs().collect(), section.streams()));
                    Ok(())
                })
                .unwrap();
        }
        found
    }

    #[test]
    fn crc_has_the_catalogued_check_value() {
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn pat_is_the_one_every_ffmpeg_file_starts_with() {
        // Taken from the first packet of a file by FFmpeg's muxer.
        let expected = [0, 0, 0xB0, 0x0D, 0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0, 0x2A, 0xB1, 0x04, 0xB2];
        assert_eq!(write_pat(PROGRAM), expected);
    }

    #[test]
    fn sections_follow_one_another_and_span_packets() {
        let streams: Vec<_> =
            (0..90).map(|index| StreamEntry { stream_type: 0x0F, pid: 0x100 + index }).collect();
        let pmt = write_pmt(7, 3, 0x100, &streams);
        let mut payload = write_pat(PROGRAM);
        payload.extend_from_slice(&pmt[1..]);
        let pieces: Vec<_> =
            payload.chunks(100).enumerate().map(|(index, piece)| (piece, index == 0)).collect();
        let found = collect(&pieces);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, [PROGRAM]);
        assert_eq!(found[1].1.as_deref(), Some(&streams[..]));
    }

    #[test]
    fn a_section_ends_where_the_pointer_says_the_next_begins() {
        let pat = write_pat(PROGRAM);
        let (first, second) = pat.split_at(9);
        let mut next = vec![u8::try_from(second.len()).unwrap()];
        next.extend_from_slice(second);
        next.extend_from_slice(&pat[1..]);
        next.extend_from_slice(&[0xFF; 20]);
        assert_eq!(collect(&[(first, true), (&next, true)]).len(), 2);
    }

    #[test]
    fn a_flipped_bit_is_a_checksum_error() {
        let mut pat = write_pat(PROGRAM);
        pat[9] ^= 4;
        let result = SectionAssembler::default().push(&pat, true, 376, |_| Ok(()));
        assert!(matches!(result, Err(TsError::SectionChecksum { position: 376 })));
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(
            payloads in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..184), any::<bool>()), 0..20),
        ) {
            let mut assembler = SectionAssembler::default();
            for (payload, unit_start) in &payloads {
                // An error is an answer here.
                drop(assembler.push(payload, *unit_start, 0, |section| {
                    section.programs().count();
                    section.streams();
                    Ok(())
                }));
                prop_assert!(assembler.partial.len() <= 3 + MAX_SECTION_LENGTH);
            }
        }
    }
}
