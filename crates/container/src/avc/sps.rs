//! Sequence parameter sets (ISO/IEC 14496-10 §7.3.2.1.1), as far as a gateway needs them.
//!
//! Bits, emulation prevention and the chroma part are `h264-reader`'s. The walk is ours, because its
//! own refuses a whole set over any field of the VUI, and encoders are careless there; here a VUI
//! counts as far as it can be read.

use h264_reader::{
    nal::sps::{ChromaFormat, ChromaInfo, ProfileIdc},
    rbsp::{BitRead, BitReader, BitReaderError, ByteReader},
};
use media::FrameRate;

use super::AvcError;
use crate::aspect_ratio::read_aspect_ratio;

/// The longest picture side any level allows: the root of 8 times the 139 264 macroblocks of level
/// 6.2 (§A.3.1), in samples.
const MAX_SIDE: u64 = 1055 * 16;
/// What a sequence parameter set says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) profile_level: [u8; 3],
    pub(super) chroma: Chroma,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sample_aspect_ratio: (u16, u16),
    pub(super) frame_rate: Option<FrameRate>,
    pub(super) may_reorder: bool,
}

/// The fields that `avcC` repeats for the High profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chroma {
    /// The profile has these fields in its sequence parameter sets.
    pub(super) stated: bool,
    /// `chroma_format_idc`, 0 to 3.
    pub(super) format: u8,
    /// Luma bits above 8, 0 to 6.
    pub(super) luma_depth: u8,
    /// Chroma bits above 8, 0 to 6.
    pub(super) chroma_depth: u8,
}

/// Reads a whole NAL unit.
///
/// # Errors
///
/// `Sps`, `PictureSize`.
pub(super) fn parse(nalu: &[u8]) -> Result<Sps, AvcError> {
    let mut bits = BitReader::new(ByteReader::skipping_h264_header(nalu));
    let bits = &mut bits;
    let mut profile_level = [0; 3];
    for byte in &mut profile_level {
        *byte = bits.read::<8, u8>("profile_idc and level_idc").map_err(fault)?;
    }
    let [profile, constraints, _] = profile_level;
    bits.read_ue("seq_parameter_set_id").map_err(fault)?;
    let info = ChromaInfo::read(bits, ProfileIdc::from(profile))
        .map_err(|_| AvcError::Sps("chroma format, bit depth or scaling matrix"))?;
    bits.read_ue("log2_max_frame_num_minus4").map_err(fault)?;
    let order_count_type = skip_order_count(bits)?;
    bits.read_ue("max_num_ref_frames").map_err(fault)?;
    bits.read_bit("gaps_in_frame_num_value_allowed_flag").map_err(fault)?;
    let (width, height) = picture_size(bits, &info)?;
    let mut vui = Vui::default();
    // An error ends the VUI, and leaves what was read of it.
    if bits.read_bit("vui_parameters_present_flag").unwrap_or(false) {
        drop(vui.read(bits));
    }
    let reorders = || order_count_type != 2 && !has_display_order(profile, constraints);
    Ok(Sps {
        profile_level,
        chroma: chroma(&info, ProfileIdc::from(profile))?,
        width,
        height,
        sample_aspect_ratio: vui.sample_aspect_ratio.unwrap_or((1, 1)),
        frame_rate: vui.frame_rate,
        may_reorder: vui.max_num_reorder_frames.map_or_else(reorders, |frames| frames > 0),
    })
}

/// Whether the profile alone says that pictures are shown in decoding order: Baseline has no
/// B-slices; in the intra profiles `constraint_set3_flag` infers no reordering (§E.2.1).
const fn has_display_order(profile: u8, constraints: u8) -> bool {
    match profile {
        66 => true,
        44 | 86 | 100 | 110 | 122 | 244 => constraints & 0x10 != 0,
        _ => false,
    }
}

fn chroma(info: &ChromaInfo, profile: ProfileIdc) -> Result<Chroma, AvcError> {
    let format = match info.chroma_format {
        ChromaFormat::Monochrome => 0,
        ChromaFormat::YUV420 => 1,
        ChromaFormat::YUV422 => 2,
        ChromaFormat::YUV444 => 3,
        ChromaFormat::Invalid(_) => return Err(AvcError::Sps("chroma_format_idc")),
    };
    Ok(Chroma {
        stated: profile.has_chroma_info(),
        format,
        luma_depth: info.bit_depth_luma_minus8,
        chroma_depth: info.bit_depth_chroma_minus8,
    })
}

/// Passes over the picture order count fields; answers their type.
fn skip_order_count(bits: &mut impl BitRead) -> Result<u32, AvcError> {
    let kind = bits.read_ue("pic_order_cnt_type").map_err(fault)?;
    match kind {
        0 => {
            bits.read_ue("log2_max_pic_order_cnt_lsb_minus4").map_err(fault)?;
        }
        1 => {
            bits.read_bit("delta_pic_order_always_zero_flag").map_err(fault)?;
            bits.read_se("offset_for_non_ref_pic").map_err(fault)?;
            bits.read_se("offset_for_top_to_bottom_field").map_err(fault)?;
            let cycle = bits.read_ue("num_ref_frames_in_pic_order_cnt_cycle").map_err(fault)?;
            if cycle > 255 {
                return Err(AvcError::Sps("num_ref_frames_in_pic_order_cnt_cycle"));
            }
            for _ in 0..cycle {
                bits.read_se("offset_for_ref_frame").map_err(fault)?;
            }
        }
        2 => {}
        _ => return Err(AvcError::Sps("pic_order_cnt_type")),
    }
    Ok(kind)
}

/// Width and height after cropping (equations 7-13 to 7-21).
fn picture_size(bits: &mut impl BitRead, info: &ChromaInfo) -> Result<(u32, u32), AvcError> {
    let mut number = |name| bits.read_ue(name).map(u64::from).map_err(fault);
    let width_in_mbs = number("pic_width_in_mbs_minus1")? + 1;
    let height_in_map_units = number("pic_height_in_map_units_minus1")? + 1;
    let frame_mbs_only = bits.read_bit("frame_mbs_only_flag").map_err(fault)?;
    if !frame_mbs_only {
        bits.read_bit("mb_adaptive_frame_field_flag").map_err(fault)?;
    }
    let fields = if frame_mbs_only { 1 } else { 2 };
    bits.read_bit("direct_8x8_inference_flag").map_err(fault)?;
    let (mut width, mut height) = (width_in_mbs * 16, height_in_map_units * 16 * fields);
    if bits.read_bit("frame_cropping_flag").map_err(fault)? {
        let (unit_x, unit_y) = match info.chroma_format {
            _ if info.separate_colour_plane_flag => (1, 1),
            ChromaFormat::YUV420 => (2, 2),
            ChromaFormat::YUV422 => (2, 1),
            ChromaFormat::Monochrome | ChromaFormat::YUV444 | ChromaFormat::Invalid(_) => (1, 1),
        };
        let mut number = |name| bits.read_ue(name).map(u64::from).map_err(fault);
        let columns = number("frame_crop_left_offset")? + number("frame_crop_right_offset")?;
        let rows = number("frame_crop_top_offset")? + number("frame_crop_bottom_offset")?;
        width = width.saturating_sub(columns * unit_x);
        height = height.saturating_sub(rows * unit_y * fields);
    }
    let side = |side: u64| u32::try_from(side).ok().filter(|_| (1..=MAX_SIDE).contains(&side));
    match (side(width), side(height)) {
        (Some(width), Some(height)) => Ok((width, height)),
        _ => Err(AvcError::PictureSize { width, height }),
    }
}

/// Video usability information (§E.1.1), the parts of interest.
#[derive(Debug, Default)]
struct Vui {
    sample_aspect_ratio: Option<(u16, u16)>,
    frame_rate: Option<FrameRate>,
    max_num_reorder_frames: Option<u32>,
}

impl Vui {
    fn read(&mut self, bits: &mut impl BitRead) -> Result<(), BitReaderError> {
        self.sample_aspect_ratio = read_aspect_ratio(bits)?;
        if bits.read_bit("overscan_info_present_flag")? {
            bits.skip(1, "overscan_appropriate_flag")?;
        }
        if bits.read_bit("video_signal_type_present_flag")? {
            bits.skip(4, "video_format and video_full_range_flag")?;
            if bits.read_bit("colour_description_present_flag")? {
                bits.skip(24, "colour description")?;
            }
        }
        if bits.read_bit("chroma_loc_info_present_flag")? {
            bits.read_ue("chroma_sample_loc_type_top_field")?;
            bits.read_ue("chroma_sample_loc_type_bottom_field")?;
        }
        self.read_timing(bits)?;
        let nal_hrd = skip_hrd(bits)?;
        let vcl_hrd = skip_hrd(bits)?;
        if nal_hrd || vcl_hrd {
            bits.skip(1, "low_delay_hrd_flag")?;
        }
        bits.skip(1, "pic_struct_present_flag")?;
        if bits.read_bit("bitstream_restriction_flag")? {
            bits.skip(1, "motion_vectors_over_pic_boundaries_flag")?;
            bits.read_ue("max_bytes_per_pic_denom")?;
            bits.read_ue("max_bits_per_mb_denom")?;
            bits.read_ue("log2_max_mv_length_horizontal")?;
            bits.read_ue("log2_max_mv_length_vertical")?;
            self.max_num_reorder_frames = Some(bits.read_ue("max_num_reorder_frames")?);
        }
        Ok(())
    }

    /// A tick is a field: two of them make a frame (§E.2.1).
    fn read_timing(&mut self, bits: &mut impl BitRead) -> Result<(), BitReaderError> {
        if !bits.read_bit("timing_info_present_flag")? {
            return Ok(());
        }
        let ticks = bits.read::<32, u32>("num_units_in_tick")?;
        let scale = bits.read::<32, u32>("time_scale")?;
        let fixed = bits.read_bit("fixed_frame_rate_flag")?;
        self.frame_rate = if scale % 2 == 0 {
            FrameRate::new(scale / 2, ticks)
        } else {
            ticks.checked_mul(2).and_then(|ticks| FrameRate::new(scale, ticks))
        }
        .filter(|_| fixed);
        Ok(())
    }
}

/// Passes over hypothetical reference decoder parameters (§E.1.2); answers whether there were any.
fn skip_hrd(bits: &mut impl BitRead) -> Result<bool, BitReaderError> {
    if !bits.read_bit("hrd_parameters_present_flag")? {
        return Ok(false);
    }
    let last = bits.read_ue("cpb_cnt_minus1")?;
    bits.skip(8, "bit_rate_scale and cpb_size_scale")?;
    if last > 31 {
        return Err(BitReaderError::ExpGolombTooLarge("cpb_cnt_minus1"));
    }
    for _ in 0..=last {
        bits.read_ue("bit_rate_value_minus1")?;
        bits.read_ue("cpb_size_value_minus1")?;
        bits.skip(1, "cbr_flag")?;
    }
    bits.skip(20, "delay lengths")?;
    Ok(true)
}

fn fault(error: BitReaderError) -> AvcError {
    AvcError::Sps(match error {
        BitReaderError::ReaderError(name, _) | BitReaderError::ExpGolombTooLarge(name) => name,
        BitReaderError::RemainingData => "trailing bits",
    })
}
