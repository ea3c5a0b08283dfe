//! The shape of a sample, as H.264 (§E.1.1) and H.265 (§E.2.1) tell it.

use h264_reader::rbsp::{BitRead, BitReaderError};

/// `Extended_SAR` of Table E-1.
const EXTENDED_SAR: u8 = 255;
/// Table E-1, from `aspect_ratio_idc` 1 on; H.265 has the same.
const SAMPLE_ASPECT_RATIOS: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// Reads `aspect_ratio_info_present_flag` and what follows from it: width and height of a sample, relative
/// to each other. `None` where it is not told, or told to be unspecified.
///
/// # Errors
///
/// Where the bits end.
pub(crate) fn read_aspect_ratio(
    bits: &mut impl BitRead,
) -> Result<Option<(u16, u16)>, BitReaderError> {
    if !bits.read_bit("aspect_ratio_info_present_flag")? {
        return Ok(None);
    }
    let idc = bits.read::<8, u8>("aspect_ratio_idc")?;
    if idc == EXTENDED_SAR {
        let ratio = (bits.read::<16, u16>("sar_width")?, bits.read::<16, u16>("sar_height")?);
        // A zero in it means unspecified.
        return Ok(Some(ratio).filter(|(width, height)| *width > 0 && *height > 0));
    }
    let row = usize::from(idc).checked_sub(1);
    Ok(row.and_then(|row| SAMPLE_ASPECT_RATIOS.get(row)).copied())
}
