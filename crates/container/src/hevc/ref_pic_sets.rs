//! Short-term reference picture sets (ISO/IEC 23008-2 §7.3.7), passed over.

use h264_reader::rbsp::{BitRead, BitReaderError};

/// Most sets in a sequence parameter set.
const MAX_SETS: u32 = 64;
/// Most pictures in a set, of each direction.
const MAX_PICTURES: u32 = 16;

/// Passes over the sets of a sequence parameter set. A set may be told by its distance to the one
/// before, so their sizes are kept.
pub(super) fn skip(bits: &mut impl BitRead) -> Result<(), BitReaderError> {
    let count = bits.read_ue("num_short_term_ref_pic_sets")?;
    if count > MAX_SETS {
        return Err(BitReaderError::ExpGolombTooLarge("num_short_term_ref_pic_sets"));
    }
    let mut before = None;
    for _ in 0..count {
        before = Some(skip_one(bits, before)?);
    }
    Ok(())
}

/// Passes over one set; answers how many pictures it has.
fn skip_one(bits: &mut impl BitRead, before: Option<u32>) -> Result<u32, BitReaderError> {
    let before = match before {
        Some(size) if bits.read_bit("inter_ref_pic_set_prediction_flag")? => size,
        Some(_) | None => return skip_listed(bits),
    };
    bits.skip(1, "delta_rps_sign")?;
    bits.read_ue("abs_delta_rps_minus1")?;
    let mut size = 0;
    for _ in 0..=before {
        let used = bits.read_bit("used_by_curr_pic_flag")?;
        size += u32::from(used || bits.read_bit("use_delta_flag")?);
    }
    check(size, 2 * MAX_PICTURES)
}

fn skip_listed(bits: &mut impl BitRead) -> Result<u32, BitReaderError> {
    let negative = check(bits.read_ue("num_negative_pics")?, MAX_PICTURES)?;
    let positive = check(bits.read_ue("num_positive_pics")?, MAX_PICTURES)?;
    for _ in 0..negative + positive {
        bits.read_ue("delta_poc_minus1")?;
        bits.skip(1, "used_by_curr_pic_flag")?;
    }
    Ok(negative + positive)
}

const fn check(size: u32, most: u32) -> Result<u32, BitReaderError> {
    if size > most {
        return Err(BitReaderError::ExpGolombTooLarge("short-term reference picture set"));
    }
    Ok(size)
}
