//! Byte streams with start codes (ISO/IEC 14496-10 annex B).

use bytes::Bytes;

/// The NAL units of a byte stream; see [`annex_b_nalus`].
#[derive(Clone, Debug)]
pub struct AnnexBNalus<'a> {
    data: &'a Bytes,
    /// Where the next NAL unit's first byte is; `None` at the end.
    next: Option<usize>,
}

/// The NAL units between the start codes of `data`, as slices. Start codes have 3 bytes, or 4 with a
/// leading zero; zeros before one belong to no NAL unit. Bytes before the first start code and empty
/// NAL units are left out.
pub fn annex_b_nalus(data: &Bytes) -> AnnexBNalus<'_> {
    let next = find_start_code(data, 0).map(|at| at + 3);
    AnnexBNalus { data, next }
}

impl Iterator for AnnexBNalus<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            let begin = self.next?;
            let code = find_start_code(self.data, begin);
            self.next = code.map(|at| at + 3);
            let nalu = self.data.get(begin..code.unwrap_or(self.data.len()))?;
            // A NAL unit never ends with a zero (§7.4.1): those are padding, or the 4-byte code's.
            let padding = nalu.iter().rev().take_while(|byte| **byte == 0).count();
            let end = begin + nalu.len() - padding;
            if end > begin {
                return Some(self.data.slice(begin..end));
            }
        }
    }
}

/// Where the next `00 00 01` at or after `from` starts.
fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // The third byte tells how far the next code can be: most bytes are above 1, and skip three.
    while let Some(&[first, second, third]) = data.get(at..).and_then(<[u8]>::first_chunk) {
        match third {
            2.. => at += 3,
            1 if first == 0 && second == 0 => return Some(at),
            1 => at += 3,
            0 => at += 1,
        }
    }
    None
}
