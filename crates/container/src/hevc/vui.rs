//! Video usability information (ISO/IEC 23008-2 §E.2.1), the parts of interest.

use h264_reader::rbsp::{BitRead, BitReaderError};
use media::{Colour, FrameRate};

use crate::aspect_ratio::read_aspect_ratio;

/// What the VUI says.
#[derive(Debug, Default)]
pub(super) struct Vui {
    pub(super) sample_aspect_ratio: Option<(u16, u16)>,
    pub(super) colour: Option<Colour>,
    pub(super) frame_rate: Option<FrameRate>,
}

impl Vui {
    /// Reads up to the timing. What was read before an error stays.
    pub(super) fn read(&mut self, bits: &mut impl BitRead) -> Result<(), BitReaderError> {
        self.sample_aspect_ratio = read_aspect_ratio(bits)?;
        if bits.read_bit("overscan_info_present_flag")? {
            bits.skip(1, "overscan_appropriate_flag")?;
        }
        self.read_video_signal(bits)?;
        if bits.read_bit("chroma_loc_info_present_flag")? {
            bits.read_ue("chroma_sample_loc_type_top_field")?;
            bits.read_ue("chroma_sample_loc_type_bottom_field")?;
        }
        bits.skip(3, "neutral_chroma_indication_flag to frame_field_info_present_flag")?;
        if bits.read_bit("default_display_window_flag")? {
            for _ in 0..4 {
                bits.read_ue("default display window")?;
            }
        }
        if bits.read_bit("vui_timing_info_present_flag")? {
            let ticks = bits.read::<32, u32>("vui_num_units_in_tick")?;
            let scale = bits.read::<32, u32>("vui_time_scale")?;
            self.frame_rate = FrameRate::new(scale, ticks);
        }
        Ok(())
    }

    fn read_video_signal(&mut self, bits: &mut impl BitRead) -> Result<(), BitReaderError> {
        if !bits.read_bit("video_signal_type_present_flag")? {
            return Ok(());
        }
        bits.skip(3, "video_format")?;
        let full_range = bits.read_bit("video_full_range_flag")?;
        if bits.read_bit("colour_description_present_flag")? {
            self.colour = Some(Colour {
                primaries: bits.read::<8, u8>("colour_primaries")?,
                transfer: bits.read::<8, u8>("transfer_characteristics")?,
                matrix: bits.read::<8, u8>("matrix_coeffs")?,
                full_range,
            });
        }
        Ok(())
    }
}
