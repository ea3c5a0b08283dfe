//! Small numbers at the front of slices and parameter sets.

/// The first eight bytes as bits, zeros where there are fewer.
pub(super) fn leading_bits(bytes: &[u8]) -> u64 {
    let mut head = [0_u8; 8];
    for (slot, byte) in head.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    u64::from_be_bytes(head)
}

/// An unsigned Exp-Golomb number of at most 17 bits (ISO/IEC 14496-10 §9.1) at the front, and the bits
/// after it. Ids end at 255, so that no emulation prevention byte is in their way.
pub(super) fn exp_golomb(bits: u64) -> Option<(u32, u64)> {
    let zeros = bits.leading_zeros();
    if zeros > 8 {
        return None;
    }
    let number = (bits >> (63 - 2 * zeros)) - 1;
    Some((u32::try_from(number).ok()?, bits << (2 * zeros + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_code_words() {
        let number = |bytes: &[u8]| exp_golomb(leading_bits(bytes)).map(|(number, _)| number);
        let numbers = [&[0x80][..], &[0x40], &[0x60], &[0x20], &[0x00, 0x80]].map(number);
        assert_eq!(numbers, [0, 1, 2, 3, 255].map(Some));
        assert_eq!((number(&[]), number(&[0, 0x7F])), (None, None));
    }
}
