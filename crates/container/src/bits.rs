//! Bits of a byte slice, most significant first.

/// Reads fields of up to 32 bits; `None` past the end, for good.
#[derive(Clone, Debug)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Bits that are left.
    pub(crate) const fn remaining(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.position)
    }

    /// The next bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        let byte = self.data.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// The next `count` bits, at most 32, as a number.
    pub(crate) fn number(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32, "fields have at most 32 bits");
        let mut value = 0_u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// The next `count` bits, at most 8, as a number.
    pub(crate) fn byte(&mut self, count: u32) -> Option<u8> {
        self.number(count).and_then(|value| u8::try_from(value).ok())
    }

    /// Passes over `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        if count > self.remaining() {
            return None;
        }
        self.position += count;
        Some(())
    }

    /// Passes over the rest of a byte that was begun.
    pub(crate) const fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cross_bytes_and_end_with_the_data() {
        let mut bits = Bits::new(&[0b1010_0101, 0xFF, 0x00]);
        assert_eq!(bits.number(3), Some(0b101));
        assert_eq!(bits.number(9), Some(0b0_0101_1111));
        bits.align();
        assert_eq!(bits.remaining(), 8);
        assert_eq!(bits.skip(9), None);
        assert_eq!(bits.byte(8), Some(0));
        assert_eq!(bits.flag(), None);
    }
}
