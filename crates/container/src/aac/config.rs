//! `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).

use bytes::Bytes;
use media::AacParameters;

use super::AacError;
use crate::bits::Bits;

/// Table 1.18, `samplingFrequencyIndex` 0 to 12, in Hz.
pub(super) const SAMPLING_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// The index that says that the rate follows.
const EXPLICIT_RATE: u8 = 15;
/// The highest rate taken, in Hz: twice that of the table, for configurations that spell it out.
const MAX_SAMPLING_RATE: u32 = 192_000;
/// A program config element of 45 elements and a comment of 255 bytes stays below it.
const MAX_CONFIG_LEN: usize = 512;

const OBJECT_TYPE_SBR: u8 = 5;
const OBJECT_TYPE_PS: u8 = 29;
const OBJECT_TYPE_ESCAPE: u8 = 31;
const SBR_SYNC_EXTENSION: u32 = 0x2B7;
const PS_SYNC_EXTENSION: u32 = 0x548;

/// The fields of an `AudioSpecificConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AudioSpecificConfig {
    /// Of the core coder: 1 to 4.
    pub(super) core_object_type: u8,
    /// Rate of the core coder, in Hz.
    pub(super) core_rate: u32,
    /// 0 where a program config element follows.
    pub(super) channel_configuration: u8,
    /// Channels of the core coder.
    pub(super) core_channels: u8,
    pub(super) frame_samples: u32,
    pub(super) sbr: bool,
    pub(super) ps: bool,
}

/// Reads an `AudioSpecificConfig`: AAC Main, LC, SSR and LTP, plain or as the core of HE-AAC, whether
/// that is announced by object type 5 or 29 or by a backward compatible extension at the end. HE-AAC
/// that announces itself nowhere is taken for its core, which players detect on their own.
///
/// # Errors
///
/// `ConfigTooLong`, `TruncatedConfig`, `ObjectType`, `SamplingRate`, `Channels`.
pub fn parse_audio_specific_config(config: &Bytes) -> Result<AacParameters, AacError> {
    let read = read(config)?;
    let object_type = match (read.ps, read.sbr) {
        (true, _) => OBJECT_TYPE_PS,
        (false, true) => OBJECT_TYPE_SBR,
        (false, false) => read.core_object_type,
    };
    // Parametric stereo makes two channels of one.
    let channels = if read.ps && read.core_channels == 1 { 2 } else { read.core_channels };
    Ok(AacParameters {
        audio_specific_config: config.clone(),
        object_type,
        sampling_rate: read.core_rate,
        channels,
        frame_samples: read.frame_samples,
    })
}

pub(super) fn read(config: &[u8]) -> Result<AudioSpecificConfig, AacError> {
    if config.len() > MAX_CONFIG_LEN {
        return Err(AacError::ConfigTooLong { len: config.len(), limit: MAX_CONFIG_LEN });
    }
    let mut reader = Reader { bits: Bits::new(config), len: config.len() };
    let reader = &mut reader;
    let mut object_type = reader.object_type()?;
    let core_rate = reader.sampling_rate()?;
    let channel_configuration = reader.byte(4)?;
    let explicit = object_type;
    if matches!(explicit, OBJECT_TYPE_SBR | OBJECT_TYPE_PS) {
        // The rate after SBR, then what the core is.
        reader.sampling_rate()?;
        object_type = reader.object_type()?;
    }
    if !matches!(object_type, 1..=4) {
        return Err(AacError::ObjectType { object_type });
    }
    let (frame_samples, core_channels) = reader.general_audio(channel_configuration)?;
    let (sbr, ps) = match explicit {
        OBJECT_TYPE_SBR => (true, false),
        OBJECT_TYPE_PS => (true, true),
        _ => sync_extension(&mut reader.bits).unwrap_or((false, false)),
    };
    Ok(AudioSpecificConfig {
        core_object_type: object_type,
        core_rate,
        channel_configuration,
        core_channels,
        frame_samples,
        sbr,
        ps,
    })
}

/// The backward compatible announcement of SBR and PS at the end of a configuration; `None` where
/// there is none, or other bytes (§1.6.6.1).
fn sync_extension(bits: &mut Bits<'_>) -> Option<(bool, bool)> {
    if bits.number(11)? != SBR_SYNC_EXTENSION || bits.byte(5)? != OBJECT_TYPE_SBR {
        return None;
    }
    if !bits.flag()? {
        return Some((false, false));
    }
    if bits.byte(4)? == EXPLICIT_RATE {
        bits.skip(24)?;
    }
    let ps = bits.number(11) == Some(PS_SYNC_EXTENSION) && bits.flag() == Some(true);
    Some((true, ps))
}

/// Fields that have to be there.
struct Reader<'a> {
    bits: Bits<'a>,
    len: usize,
}

impl Reader<'_> {
    const fn truncated(&self) -> AacError {
        AacError::TruncatedConfig { len: self.len }
    }

    fn byte(&mut self, count: u32) -> Result<u8, AacError> {
        self.bits.byte(count).ok_or_else(|| self.truncated())
    }

    fn flag(&mut self) -> Result<bool, AacError> {
        self.bits.flag().ok_or_else(|| self.truncated())
    }

    fn skip(&mut self, count: usize) -> Result<(), AacError> {
        self.bits.skip(count).ok_or_else(|| self.truncated())
    }

    fn object_type(&mut self) -> Result<u8, AacError> {
        match self.byte(5)? {
            OBJECT_TYPE_ESCAPE => Ok(32 + self.byte(6)?),
            object_type => Ok(object_type),
        }
    }

    fn sampling_rate(&mut self) -> Result<u32, AacError> {
        let index = self.byte(4)?;
        let rate = if index == EXPLICIT_RATE {
            self.bits.number(24).ok_or_else(|| self.truncated())?
        } else {
            SAMPLING_RATES.get(usize::from(index)).copied().unwrap_or(0)
        };
        if rate == 0 || rate > MAX_SAMPLING_RATE {
            return Err(AacError::SamplingRate { index, rate });
        }
        Ok(rate)
    }

    /// `GASpecificConfig` (§4.4.1): samples per frame and channels.
    fn general_audio(&mut self, configuration: u8) -> Result<(u32, u8), AacError> {
        let frame_samples = if self.flag()? { 960 } else { 1024 };
        if self.flag()? {
            // coreCoderDelay
            self.skip(14)?;
        }
        // extensionFlag; what it announces is for the error resilient object types.
        self.flag()?;
        let channels = match configuration {
            0 => self.program_config_element()?,
            1..=6 => configuration.into(),
            7 | 12 | 14 => 8,
            11 => 7,
            _ => 0,
        };
        match u8::try_from(channels) {
            Ok(channels @ 1..=8) => Ok((frame_samples, channels)),
            _ => Err(AacError::Channels { configuration, channels }),
        }
    }

    /// `program_config_element` (§4.4.1.1): the number of its channels.
    fn program_config_element(&mut self) -> Result<u32, AacError> {
        // element_instance_tag, object_type, sampling_frequency_index
        self.skip(10)?;
        let counts = [self.byte(4)?, self.byte(4)?, self.byte(4)?];
        let (lfe, associated, coupling) = (self.byte(2)?, self.byte(3)?, self.byte(4)?);
        // Mono, stereo and matrix mixdown.
        for length in [4, 4, 3] {
            if self.flag()? {
                self.skip(length)?;
            }
        }
        let mut channels = u32::from(lfe);
        for count in counts {
            for _ in 0..count {
                // A pair or a single one, and its tag.
                channels += if self.flag()? { 2 } else { 1 };
                self.skip(4)?;
            }
        }
        self.skip(4 * usize::from(lfe) + 4 * usize::from(associated) + 5 * usize::from(coupling))?;
        self.bits.align();
        let comment = self.byte(8)?;
        self.skip(8 * usize::from(comment))?;
        Ok(channels)
    }
}
