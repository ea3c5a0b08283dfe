//! Sequence parameter sets (ISO/IEC 23008-2 §7.3.2.2), as far as a gateway needs them.
//!
//! Bits and emulation prevention are `h264-reader`'s; both are the same in H.265. What follows the bit
//! depths is only walked to reach the VUI, which counts as far as it can be read: encoders are careless
//! there, and decoders don't mind.

use std::num::NonZeroUsize;

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError, ByteReader};
use media::{HevcProfile, PictureFormat};

use super::{HevcError, nalu::HEADER_LEN, ref_pic_sets, vui::Vui};

/// The longest picture side any level allows: the root of 8 times the 142 606 336 luma samples of
/// levels 6.3 and up (§A.4.1).
const MAX_SIDE: u64 = 33_776;
/// Most temporal layers below the highest.
const MAX_SUB_LAYERS_MINUS1: u8 = 6;
/// `sps_seq_parameter_set_id` is below this.
const MAX_ID: u32 = 16;

/// What a sequence parameter set says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) head: Head,
    pub(super) chroma_format: u8,
    pub(super) luma_depth: u8,
    pub(super) chroma_depth: u8,
    pub(super) picture: PictureFormat,
}

/// The fields up to the set's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sub_layers_minus1: u8,
    pub(super) temporal_id_nested: bool,
    pub(super) profile: HevcProfile,
    pub(super) id: u32,
}

/// The payload of a NAL unit: without its header and its emulation prevention bytes.
pub(super) fn rbsp(nalu: &[u8]) -> ByteReader<&[u8]> {
    NonZeroUsize::new(HEADER_LEN).map_or_else(
        || ByteReader::without_skip(nalu),
        |header| ByteReader::skipping_bytes(nalu, header),
    )
}

/// Reads a whole NAL unit.
///
/// # Errors
///
/// `Sps`, `PictureSize`.
pub(super) fn parse(nalu: &[u8]) -> Result<Sps, HevcError> {
    let mut bits = BitReader::new(rbsp(nalu));
    let bits = &mut bits;
    let head = head(bits)?;
    let chroma_format = small(bits, "chroma_format_idc", 3)?;
    let separate_planes =
        chroma_format == 3 && bits.read_bit("separate_colour_plane_flag").map_err(fault)?;
    let (width, height) = picture_size(bits, chroma_format, separate_planes)?;
    let luma_depth = small(bits, "bit_depth_luma_minus8", 7)?;
    let chroma_depth = small(bits, "bit_depth_chroma_minus8", 7)?;
    let mut vui = Vui::default();
    // An error ends the walk, and leaves what was read of the VUI.
    if skip_to_vui(bits, head.sub_layers_minus1).unwrap_or(false) {
        drop(vui.read(bits));
    }
    let picture = PictureFormat {
        width,
        height,
        sample_aspect_ratio: vui.sample_aspect_ratio.unwrap_or((1, 1)),
        frame_rate: vui.frame_rate,
        colour: vui.colour,
    };
    Ok(Sps { head, chroma_format, luma_depth, chroma_depth, picture })
}

/// Reads up to the set's number.
///
/// # Errors
///
/// `Sps`.
pub(super) fn head(bits: &mut impl BitRead) -> Result<Head, HevcError> {
    bits.skip(4, "sps_video_parameter_set_id").map_err(fault)?;
    let sub_layers_minus1 = bits.read::<3, u8>("sps_max_sub_layers_minus1").map_err(fault)?;
    if sub_layers_minus1 > MAX_SUB_LAYERS_MINUS1 {
        return Err(HevcError::Sps("sps_max_sub_layers_minus1"));
    }
    let temporal_id_nested = bits.read_bit("sps_temporal_id_nesting_flag").map_err(fault)?;
    let profile = profile(bits, sub_layers_minus1).map_err(fault)?;
    let id = bits.read_ue("sps_seq_parameter_set_id").map_err(fault)?;
    if id >= MAX_ID {
        return Err(HevcError::Sps("sps_seq_parameter_set_id"));
    }
    Ok(Head { sub_layers_minus1, temporal_id_nested, profile, id })
}

/// `profile_tier_level` (§7.3.3); those of lower layers are passed over.
fn profile(bits: &mut impl BitRead, sub_layers_minus1: u8) -> Result<HevcProfile, BitReaderError> {
    let space = bits.read::<2, u8>("general_profile_space")?;
    let high_tier = bits.read_bit("general_tier_flag")?;
    let idc = bits.read::<5, u8>("general_profile_idc")?;
    let compatibility = bits.read::<32, u32>("general_profile_compatibility_flag")?;
    let mut constraints = [0; 6];
    for byte in &mut constraints {
        *byte = bits.read::<8, u8>("general constraint flags")?;
    }
    let level = bits.read::<8, u8>("general_level_idc")?;
    let mut present = Vec::with_capacity(usize::from(sub_layers_minus1));
    for _ in 0..sub_layers_minus1 {
        let profile = bits.read_bit("sub_layer_profile_present_flag")?;
        present.push((profile, bits.read_bit("sub_layer_level_present_flag")?));
    }
    if sub_layers_minus1 > 0 {
        bits.skip(2 * (8 - u32::from(sub_layers_minus1)), "reserved_zero_2bits")?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 }, "sub_layer profile")?;
        bits.skip(if level { 8 } else { 0 }, "sub_layer_level_idc")?;
    }
    Ok(HevcProfile { space, high_tier, idc, compatibility, constraints, level })
}

/// Width and height inside the conformance window.
fn picture_size(
    bits: &mut impl BitRead,
    chroma_format: u8,
    separate_planes: bool,
) -> Result<(u32, u32), HevcError> {
    let mut number = |name| bits.read_ue(name).map(u64::from).map_err(fault);
    let mut width = number("pic_width_in_luma_samples")?;
    let mut height = number("pic_height_in_luma_samples")?;
    if bits.read_bit("conformance_window_flag").map_err(fault)? {
        let (unit_x, unit_y) = match chroma_format {
            _ if separate_planes => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let mut number = |name| bits.read_ue(name).map(u64::from).map_err(fault);
        let columns = number("conf_win_left_offset")? + number("conf_win_right_offset")?;
        let rows = number("conf_win_top_offset")? + number("conf_win_bottom_offset")?;
        width = width.saturating_sub(columns * unit_x);
        height = height.saturating_sub(rows * unit_y);
    }
    let side = |side: u64| u32::try_from(side).ok().filter(|_| (1..=MAX_SIDE).contains(&side));
    match (side(width), side(height)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(HevcError::PictureSize { width, height }),
    }
}

/// Passes over what lies between the bit depths and the VUI; answers whether there is one.
fn skip_to_vui(bits: &mut impl BitRead, sub_layers_minus1: u8) -> Result<bool, BitReaderError> {
    let order_count_bits = bits.read_ue("log2_max_pic_order_cnt_lsb_minus4")?;
    if order_count_bits > 12 {
        return Err(BitReaderError::ExpGolombTooLarge("log2_max_pic_order_cnt_lsb_minus4"));
    }
    let each = bits.read_bit("sps_sub_layer_ordering_info_present_flag")?;
    for _ in 0..=(if each { sub_layers_minus1 } else { 0 }) {
        bits.read_ue("sps_max_dec_pic_buffering_minus1")?;
        bits.read_ue("sps_max_num_reorder_pics")?;
        bits.read_ue("sps_max_latency_increase_plus1")?;
    }
    for name in [
        "log2_min_luma_coding_block_size_minus3",
        "log2_diff_max_min_luma_coding_block_size",
        "log2_min_luma_transform_block_size_minus2",
        "log2_diff_max_min_luma_transform_block_size",
        "max_transform_hierarchy_depth_inter",
        "max_transform_hierarchy_depth_intra",
    ] {
        bits.read_ue(name)?;
    }
    if bits.read_bit("scaling_list_enabled_flag")?
        && bits.read_bit("sps_scaling_list_data_present_flag")?
    {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2, "amp_enabled_flag and sample_adaptive_offset_enabled_flag")?;
    if bits.read_bit("pcm_enabled_flag")? {
        bits.skip(8, "pcm bit depths")?;
        bits.read_ue("log2_min_pcm_luma_coding_block_size_minus3")?;
        bits.read_ue("log2_diff_max_min_pcm_luma_coding_block_size")?;
        bits.skip(1, "pcm_loop_filter_disabled_flag")?;
    }
    ref_pic_sets::skip(bits)?;
    if bits.read_bit("long_term_ref_pics_present_flag")? {
        let count = bits.read_ue("num_long_term_ref_pics_sps")?;
        if count > 32 {
            return Err(BitReaderError::ExpGolombTooLarge("num_long_term_ref_pics_sps"));
        }
        bits.skip(count * (order_count_bits + 4 + 1), "long-term reference pictures")?;
    }
    bits.skip(2, "sps_temporal_mvp_enabled_flag and strong_intra_smoothing_enabled_flag")?;
    bits.read_bit("vui_parameters_present_flag")
}

/// Passes over `scaling_list_data` (§7.3.4).
fn skip_scaling_lists(bits: &mut impl BitRead) -> Result<(), BitReaderError> {
    for (coefficients, matrices, has_dc) in
        [(16, 6, false), (64, 6, false), (64, 6, true), (64, 2, true)]
    {
        for _ in 0..matrices {
            if !bits.read_bit("scaling_list_pred_mode_flag")? {
                bits.read_ue("scaling_list_pred_matrix_id_delta")?;
                continue;
            }
            if has_dc {
                bits.read_se("scaling_list_dc_coef_minus8")?;
            }
            for _ in 0..coefficients {
                bits.read_se("scaling_list_delta_coef")?;
            }
        }
    }
    Ok(())
}

fn small(bits: &mut impl BitRead, name: &'static str, most: u8) -> Result<u8, HevcError> {
    let value = bits.read_ue(name).map_err(fault)?;
    u8::try_from(value).ok().filter(|value| *value <= most).ok_or(HevcError::Sps(name))
}

fn fault(error: BitReaderError) -> HevcError {
    HevcError::Sps(match error {
        BitReaderError::ReaderError(name, _) | BitReaderError::ExpGolombTooLarge(name) => name,
        BitReaderError::RemainingData => "trailing bits",
    })
}
