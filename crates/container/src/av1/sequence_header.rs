//! Sequence headers (AV1 §5.5), up to the colours.

use bytes::Bytes;
use media::{Av1Parameters, Colour, FrameRate, PictureFormat};

use super::{
    Av1Error,
    obu::{self, ObuSpans},
};
use crate::bits::Bits;

/// `CP_UNSPECIFIED`, `TC_UNSPECIFIED`, `MC_UNSPECIFIED`.
const UNSPECIFIED: u8 = 2;
/// Levels above this one have two tiers.
const LAST_LEVEL_OF_ONE_TIER: u8 = 7;

/// Parameters from a sequence header OBU, with or without its size. The OBU is copied, so that it does
/// not keep alive the picture it arrived with.
///
/// # Errors
///
/// `SequenceHeader` where it is another OBU, cut short, of a still picture, or of a reserved profile;
/// those of a malformed OBU.
pub fn parameters_from_sequence_header(obu: &[u8]) -> Result<Av1Parameters, Av1Error> {
    let first = ObuSpans::new(obu).next().ok_or(Av1Error::SequenceHeader("no bytes"))??;
    if first.kind != obu::SEQUENCE_HEADER {
        return Err(Av1Error::SequenceHeader("is another OBU"));
    }
    let payload = first.payload(obu);
    let mut header = Header { bits: Bits::new(payload) };
    let read = header.read()?;
    let sequence_header = Bytes::from(obu::write(obu::SEQUENCE_HEADER, payload));
    Ok(Av1Parameters { sequence_header, ..read })
}

struct Header<'a> {
    bits: Bits<'a>,
}

/// What all operating points have in common.
#[derive(Debug, Default)]
struct Timing {
    frame_rate: Option<FrameRate>,
    /// Bits of a buffer delay, where there is a decoder model.
    delay_bits: Option<u32>,
}

impl Header<'_> {
    fn flag(&mut self, name: &'static str) -> Result<bool, Av1Error> {
        self.bits.flag().ok_or(Av1Error::SequenceHeader(name))
    }

    fn number(&mut self, count: u32, name: &'static str) -> Result<u32, Av1Error> {
        self.bits.number(count).ok_or(Av1Error::SequenceHeader(name))
    }

    fn byte(&mut self, count: u32, name: &'static str) -> Result<u8, Av1Error> {
        self.bits.byte(count).ok_or(Av1Error::SequenceHeader(name))
    }

    fn read(&mut self) -> Result<Av1Parameters, Av1Error> {
        let profile = self.byte(3, "seq_profile")?;
        if profile > 2 {
            return Err(Av1Error::SequenceHeader("seq_profile"));
        }
        self.flag("still_picture")?;
        if self.flag("reduced_still_picture_header")? {
            return Err(Av1Error::SequenceHeader("reduced_still_picture_header"));
        }
        let timing = self.timing()?;
        let (level, high_tier) = self.operating_points(&timing)?;
        let width_bits = self.number(4, "frame_width_bits_minus_1")? + 1;
        let height_bits = self.number(4, "frame_height_bits_minus_1")? + 1;
        let width = self.number(width_bits, "max_frame_width_minus_1")? + 1;
        let height = self.number(height_bits, "max_frame_height_minus_1")? + 1;
        if width.max(height) > u32::from(u16::MAX) {
            return Err(Av1Error::SequenceHeader("picture wider or higher than 65535"));
        }
        self.skip_tools()?;
        let mut parameters = Av1Parameters {
            sequence_header: Bytes::new(),
            profile,
            level,
            high_tier,
            bit_depth: 8,
            monochrome: false,
            subsampling: (true, true),
            chroma_sample_position: 0,
            picture: PictureFormat {
                width,
                height,
                sample_aspect_ratio: (1, 1),
                frame_rate: timing.frame_rate,
                colour: None,
            },
        };
        self.colours(&mut parameters)?;
        Ok(parameters)
    }

    fn timing(&mut self) -> Result<Timing, Av1Error> {
        let mut timing = Timing::default();
        if !self.flag("timing_info_present_flag")? {
            return Ok(timing);
        }
        let ticks = self.number(32, "num_units_in_display_tick")?;
        let scale = self.number(32, "time_scale")?;
        if self.flag("equal_picture_interval")? {
            let per_picture = self.uvlc("num_ticks_per_picture_minus_1")?.checked_add(1);
            let ticks = per_picture.and_then(|count| ticks.checked_mul(count));
            timing.frame_rate = ticks.and_then(|ticks| FrameRate::new(scale, ticks));
        }
        if self.flag("decoder_model_info_present_flag")? {
            timing.delay_bits = Some(self.number(5, "buffer_delay_length_minus_1")? + 1);
            self.number(32, "num_units_in_decoding_tick")?;
            self.number(10, "buffer removal and frame presentation time lengths")?;
        }
        Ok(timing)
    }

    /// Level and tier of the first operating point, which is the highest quality.
    fn operating_points(&mut self, timing: &Timing) -> Result<(u8, bool), Av1Error> {
        let has_delays = self.flag("initial_display_delay_present_flag")?;
        let last = self.number(5, "operating_points_cnt_minus_1")?;
        let mut first = None;
        for _ in 0..=last {
            self.number(12, "operating_point_idc")?;
            let level = self.byte(5, "seq_level_idx")?;
            let high_tier = level > LAST_LEVEL_OF_ONE_TIER && self.flag("seq_tier")?;
            if let Some(bits) = timing.delay_bits
                && self.flag("decoder_model_present_for_this_op")?
            {
                self.number(bits, "decoder_buffer_delay")?;
                self.number(bits, "encoder_buffer_delay")?;
                self.flag("low_delay_mode_flag")?;
            }
            if has_delays && self.flag("initial_display_delay_present_for_this_op")? {
                self.number(4, "initial_display_delay_minus_1")?;
            }
            first = first.or(Some((level, high_tier)));
        }
        first.ok_or(Av1Error::SequenceHeader("operating_points_cnt_minus_1"))
    }

    /// What lies between the size and the colours.
    fn skip_tools(&mut self) -> Result<(), Av1Error> {
        if self.flag("frame_id_numbers_present_flag")? {
            self.number(7, "frame id lengths")?;
        }
        self.number(3, "use_128x128_superblock to enable_intra_edge_filter")?;
        self.number(4, "enable_interintra_compound to enable_dual_filter")?;
        let order_hint = self.flag("enable_order_hint")?;
        if order_hint {
            self.number(2, "enable_jnt_comp and enable_ref_frame_mvs")?;
        }
        let chooses = self.flag("seq_choose_screen_content_tools")?;
        if (chooses || self.flag("seq_force_screen_content_tools")?)
            && !self.flag("seq_choose_integer_mv")?
        {
            self.flag("seq_force_integer_mv")?;
        }
        if order_hint {
            self.number(3, "order_hint_bits_minus_1")?;
        }
        self.number(3, "enable_superres to enable_restoration")?;
        Ok(())
    }

    /// `color_config` (§5.5.2).
    fn colours(&mut self, parameters: &mut Av1Parameters) -> Result<(), Av1Error> {
        const HIGH: u8 = 1;
        const PROFESSIONAL: u8 = 2;
        let profile = parameters.profile;
        let high = self.flag("high_bitdepth")?;
        let twelve = high && profile == PROFESSIONAL && self.flag("twelve_bit")?;
        parameters.bit_depth = if twelve {
            12
        } else if high {
            10
        } else {
            8
        };
        parameters.monochrome = profile != HIGH && self.flag("mono_chrome")?;
        let mut codes = [UNSPECIFIED; 3];
        if self.flag("color_description_present_flag")? {
            for code in &mut codes {
                *code = self.byte(8, "color description")?;
            }
        }
        let [primaries, transfer, matrix] = codes;
        // sRGB in 4:4:4 says nothing more.
        let is_srgb = !parameters.monochrome && codes == [1, 13, 0];
        let full_range = is_srgb || self.flag("color_range")?;
        parameters.picture.colour = Some(Colour { primaries, transfer, matrix, full_range });
        if parameters.monochrome {
            return Ok(());
        }
        parameters.subsampling = match profile {
            _ if is_srgb => (false, false),
            0 => (true, true),
            HIGH => (false, false),
            _ if twelve => {
                let x = self.flag("subsampling_x")?;
                (x, x && self.flag("subsampling_y")?)
            }
            _ => (true, false),
        };
        if parameters.subsampling == (true, true) {
            parameters.chroma_sample_position = self.byte(2, "chroma_sample_position")?;
        }
        Ok(())
    }

    /// A number with as many leading zeros as it has bits after its first (§4.10.3).
    fn uvlc(&mut self, name: &'static str) -> Result<u32, Av1Error> {
        let mut zeros = 0;
        while !self.flag(name)? {
            zeros += 1;
            if zeros >= 32 {
                return Ok(u32::MAX);
            }
        }
        Ok(self.number(zeros, name)? + ((1 << zeros) - 1))
    }
}
