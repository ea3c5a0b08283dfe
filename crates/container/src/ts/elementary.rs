//! Elementary streams put together from transport packets.

use std::ops::Range;

use bytes::Bytes;

use super::{TsError, clock, packet::Packet, pes};

/// Collects the PES packets of one PID, one after another in one buffer.
#[derive(Debug)]
pub(super) struct StreamAssembler {
    pid: u16,
    data: Vec<u8>,
    /// Where each PES packet starts in `data`, and its first transport packet in the file.
    starts: Vec<(usize, usize)>,
    /// Continuity counter and payload of the packet before.
    last: Option<(u8, Range<usize>)>,
}

/// A stream's PES packets in file order.
#[derive(Debug)]
pub(super) struct ElementaryStream {
    pub(super) units: Vec<PesUnit>,
}

/// The payload of one PES packet.
#[derive(Debug)]
pub(super) struct PesUnit {
    /// Where its first transport packet starts in the file.
    pub(super) position: usize,
    /// 33-bit DTS and PTS, where it has them.
    times: Option<(u64, u64)>,
    pub(super) payload: Bytes,
}

/// Times of an access unit in unwrapped 90 kHz ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) dts: i64,
    pub(super) pts: i64,
}

impl StreamAssembler {
    /// An assembler with room for `capacity` bytes.
    pub(super) fn new(pid: u16, capacity: usize) -> Self {
        Self { pid, data: Vec::with_capacity(capacity), starts: Vec::new(), last: None }
    }

    pub(super) const fn pid(&self) -> u16 {
        self.pid
    }

    /// Adds a packet of `file`. One that repeats the packet before is dropped (§2.4.3.3).
    ///
    /// # Errors
    ///
    /// `Scrambled`, `Continuity`, `MissingUnitStart`.
    pub(super) fn push(&mut self, file: &[u8], packet: &Packet) -> Result<(), TsError> {
        let (position, pid) = (packet.position, self.pid);
        let payload = file.get(packet.payload.clone()).unwrap_or_default();
        if payload.is_empty() {
            return Ok(());
        }
        if packet.scrambled {
            return Err(TsError::Scrambled { position, pid });
        }
        if let Some((last, last_payload)) =
            self.last.replace((packet.continuity, packet.payload.clone()))
        {
            let expected = last.wrapping_add(1) & 0x0F;
            let found = packet.continuity;
            if found == last && file.get(last_payload) == Some(payload) {
                return Ok(());
            }
            if found != expected && !packet.discontinuity {
                return Err(TsError::Continuity { position, pid, expected, found });
            }
        }
        if packet.unit_start {
            self.starts.push((self.data.len(), position));
        } else if self.starts.is_empty() {
            return Err(TsError::MissingUnitStart { position, pid });
        }
        self.data.extend_from_slice(payload);
        Ok(())
    }

    /// The PES packets, parsed.
    ///
    /// # Errors
    ///
    /// `Pes`, `TruncatedPes`.
    pub(super) fn finish(self) -> Result<ElementaryStream, TsError> {
        let data = Bytes::from(self.data);
        let ends = self.starts.iter().skip(1).map(|(start, _)| *start).chain([data.len()]);
        let mut units = Vec::with_capacity(self.starts.len());
        for (&(start, position), end) in self.starts.iter().zip(ends) {
            let packet = data.get(start..end).unwrap_or_default();
            let Some(parsed) = pes::parse(packet, position)? else { continue };
            let payload = start + parsed.payload_offset;
            units.push(PesUnit {
                position,
                times: parsed.header.pts.map(|pts| (parsed.header.dts.unwrap_or(pts), pts)),
                payload: data.slice(payload..payload + parsed.payload.len()),
            });
        }
        Ok(ElementaryStream { units })
    }
}

impl ElementaryStream {
    /// Position and decoding time of the first PES packet that has one.
    pub(super) fn first_reading(&self) -> Option<(usize, i64)> {
        let (position, dts) =
            self.units.iter().find_map(|unit| unit.times.map(|(dts, _)| (unit.position, dts)))?;
        i64::try_from(dts).ok().map(|dts| (position, dts))
    }

    /// Each unit with its times unwrapped, the first near `reference`.
    pub(super) fn timed(&self, reference: i64) -> impl Iterator<Item = (&PesUnit, Option<Times>)> {
        let mut reference = reference;
        self.units.iter().map(move |unit| {
            let times = unit.times.map(|(dts, pts)| {
                let dts = clock::unwrap_near(dts, reference);
                reference = dts;
                Times { dts, pts: clock::unwrap_near(pts, dts) }
            });
            (unit, times)
        })
    }
}

/// Refuses a decoding time before the one of the sample before.
pub(super) fn check_order(last: Option<i64>, dts: i64, position: usize) -> Result<(), TsError> {
    match last {
        Some(from) if dts < from => Err(TsError::DecodingTimeWentBack { position, from, to: dts }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::packet::{AdaptationField, PACKET_LEN, Packets, UnitWriter};

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        let (mut out, mut continuity) = (Vec::new(), 0);
        for unit in units {
            let field = AdaptationField::default();
            UnitWriter::new(&mut out, 0x100, &mut continuity, field, unit.len()).write(unit);
        }
        out
    }

    fn assemble(file: &[u8]) -> Result<ElementaryStream, TsError> {
        let mut assembler = StreamAssembler::new(0x100, 0);
        for packet in Packets::new(file) {
            assembler.push(file, &packet?)?;
        }
        assembler.finish()
    }

    fn unit(len: usize) -> Vec<u8> {
        let mut unit = vec![0, 0, 1, 0xE0, 0, 0, 0x80, 0x00, 0];
        unit.resize(len, 0x77);
        unit
    }

    #[test]
    fn a_lost_packet_is_reported_with_both_counters() {
        let mut file = stream(&[&unit(1000)]);
        file.drain(2 * PACKET_LEN..3 * PACKET_LEN);
        let error = assemble(&file).unwrap_err();
        assert!(
            matches!(
                error,
                TsError::Continuity { position: 376, pid: 0x100, expected: 2, found: 3 }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_repeated_packet_counts_once() {
        let mut file = stream(&[&unit(1000), &unit(500)]);
        let repeated = file[PACKET_LEN..2 * PACKET_LEN].to_vec();
        file.splice(PACKET_LEN..PACKET_LEN, repeated);
        let stream = assemble(&file).unwrap();
        assert_eq!(
            stream.units.iter().map(|unit| unit.payload.len()).collect::<Vec<_>>(),
            [991, 491]
        );
    }

    #[test]
    fn media_before_the_first_start_is_an_error() {
        let file = stream(&[&unit(1000)]);
        let error = assemble(&file[PACKET_LEN..]).unwrap_err();
        assert!(matches!(error, TsError::MissingUnitStart { position: 0, pid: 0x100 }), "{error}");
    }

    #[test]
    fn a_scrambled_packet_is_an_error() {
        let mut file = stream(&[&unit(1000)]);
        file[PACKET_LEN + 3] |= 0x80;
        let error = assemble(&file).unwrap_err();
        assert!(matches!(error, TsError::Scrambled { position: 188, pid: 0x100 }), "{error}");
    }
}
