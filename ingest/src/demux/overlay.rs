//! Which parameter sets hold.

use bytes::Bytes;

/// Puts the sets found in the stream over those in force: a set with the same id is replaced, a new
/// id is added. Answers whether anything changed (ISO/IEC 14496-10 §7.4.1.2.1, ISO/IEC 23008-2
/// §7.4.2.4.2).
///
/// Sets that repeat byte for byte change nothing: many encoders send them with every IDR picture.
pub(super) fn overlay(
    in_force: &mut Vec<Bytes>,
    found: &[Bytes],
    id: fn(&[u8]) -> Option<u32>,
) -> bool {
    let mut changed = false;
    for set in found {
        if in_force.contains(set) {
            continue;
        }
        let same_id = in_force.iter_mut().find(|old| id(old) == id(set));
        match same_id {
            // A copy, so that a picture's whole buffer does not live as long as the parameters.
            Some(old) => *old = Bytes::copy_from_slice(set),
            None => in_force.push(Bytes::copy_from_slice(set)),
        }
        changed = true;
    }
    changed
}

/// `seq_parameter_set_id` of H.264: after NAL header, profile, constraints and level (§7.3.2.1.1).
pub(super) fn sps_id(nalu: &[u8]) -> Option<u32> {
    exp_golomb(nalu.get(4..)?)
}

/// `pic_parameter_set_id` of H.264: right after the NAL header (§7.3.2.2).
pub(super) fn pps_id(nalu: &[u8]) -> Option<u32> {
    exp_golomb(nalu.get(1..)?)
}

/// An unsigned Exp-Golomb number of at most 17 bits at the front (§9.1). Ids end at 255, so their
/// bytes hold no run of zeros that would need an emulation prevention byte.
fn exp_golomb(bytes: &[u8]) -> Option<u32> {
    let mut head = [0_u8; 4];
    for (slot, byte) in head.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    let bits = u32::from_be_bytes(head);
    let zeros = bits.leading_zeros();
    if zeros > 8 {
        return None;
    }
    Some((bits >> (31 - 2 * zeros)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids() {
        assert_eq!(sps_id(&[0x67, 66, 0, 30, 0x80]), Some(0));
        assert_eq!(sps_id(&[0x67, 66, 0, 30, 0b0100_0000]), Some(1));
        assert_eq!(pps_id(&[0x68, 0b0000_0000, 0b1000_0000, 0]), Some(255));
        assert_eq!(pps_id(&[0x68]), None);
        assert_eq!(sps_id(&[0x67]), None);
    }

    #[test]
    fn replaces_by_id_and_ignores_repeats() {
        let old = Bytes::from_static(&[0x68, 0x80, 1]);
        let other = Bytes::from_static(&[0x68, 0x40, 1]);
        let new = Bytes::from_static(&[0x68, 0x80, 2]);
        let mut sets = vec![old.clone()];
        assert!(!overlay(&mut sets, std::slice::from_ref(&old), pps_id));
        assert!(overlay(&mut sets, &[other.clone(), new.clone()], pps_id));
        assert_eq!(sets, [new, other]);
    }
}
