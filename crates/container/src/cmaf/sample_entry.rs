//! Sample entries: how a track is coded (ISO/IEC 14496-12 §8.5.2 and each codec's binding).

use media::{
    AacParameters, Av1Parameters, CodecParameters, Colour, H264Parameters, HevcParameters,
    OpusParameters, PictureFormat,
};
use mp4_atom::{
    Atom, Audio, Av01, Av1c, Avc1, Avcc, Codec, Colr, Dops, Esds, FixedPoint, Hvc1, Hvcc, Mp4a,
    Opus, Pasp, Visual,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig},
};

use super::CmafError;
use crate::{av1, avc, hevc};

/// `objectTypeIndication` of ISO/IEC 14496-3 audio (ISO/IEC 14496-1 Table 5).
const OBJECT_TYPE_MPEG4_AUDIO: u8 = 0x40;
/// `streamType` of audio (ISO/IEC 14496-1 Table 6).
const STREAM_TYPE_AUDIO: u8 = 5;
/// A colour code point that says nothing.
const UNSPECIFIED: u8 = 2;

/// The entry of a track with these parameters.
///
/// # Errors
///
/// `PictureSize` above 65 535 samples; `Box` for parameters that don't fit their boxes.
pub(super) fn sample_entry(parameters: &CodecParameters) -> Result<Codec, CmafError> {
    Ok(match parameters {
        CodecParameters::H264(parameters) => avc1(parameters)?.into(),
        CodecParameters::Hevc(parameters) => hvc1(parameters)?.into(),
        CodecParameters::Av1(parameters) => av01(parameters)?.into(),
        CodecParameters::Aac(parameters) => mp4a(parameters).into(),
        CodecParameters::Opus(parameters) => opus(parameters).into(),
    })
}

pub(super) fn whole(value: u16) -> FixedPoint<u16> {
    FixedPoint::new(value, 0)
}

pub(super) fn side(picture: &PictureFormat, side: u32) -> Result<u16, CmafError> {
    let (width, height) = (picture.width, picture.height);
    u16::try_from(side).map_err(|_| CmafError::PictureSize { width, height })
}

fn visual(picture: &PictureFormat) -> Result<Visual, CmafError> {
    Ok(Visual {
        data_reference_index: 1,
        width: side(picture, picture.width)?,
        height: side(picture, picture.height)?,
        ..Visual::default()
    })
}

fn pasp(picture: &PictureFormat) -> Option<Pasp> {
    let (h_spacing, v_spacing) = picture.sample_aspect_ratio;
    (h_spacing != v_spacing && h_spacing != 0 && v_spacing != 0)
        .then(|| Pasp { h_spacing: h_spacing.into(), v_spacing: v_spacing.into() })
}

/// Players that show a high dynamic range look here before they decode anything.
fn colr(picture: &PictureFormat) -> Option<Colr> {
    let Colour { primaries, transfer, matrix, full_range } = picture.colour?;
    let says_something = [primaries, transfer, matrix].iter().any(|code| *code != UNSPECIFIED);
    says_something.then(|| Colr::Nclx {
        colour_primaries: primaries.into(),
        transfer_characteristics: transfer.into(),
        matrix_coefficients: matrix.into(),
        full_range_flag: full_range,
    })
}

fn avc1(parameters: &H264Parameters) -> Result<Avc1, CmafError> {
    let record = avc::decoder_configuration_record(parameters);
    let picture = parameters.picture();
    Ok(Avc1 {
        visual: visual(&picture)?,
        avcc: Avcc::decode_body(&mut record.as_ref())?,
        pasp: pasp(&picture),
        ..Avc1::default()
    })
}

/// `hvc1`, not `hev1`, which Safari refuses (`apple` 1.10).
fn hvc1(parameters: &HevcParameters) -> Result<Hvc1, CmafError> {
    let record = hevc::decoder_configuration_record(parameters);
    let picture = &parameters.picture;
    Ok(Hvc1 {
        visual: visual(picture)?,
        hvcc: Hvcc::decode_body(&mut record.as_ref())?,
        colr: colr(picture),
        pasp: pasp(picture),
        ..Hvc1::default()
    })
}

fn av01(parameters: &Av1Parameters) -> Result<Av01, CmafError> {
    let record = av1::codec_configuration_record(parameters);
    let picture = &parameters.picture;
    Ok(Av01 {
        visual: visual(picture)?,
        av1c: Av1c::decode_body(&mut record.as_ref())?,
        colr: colr(picture),
        ..Av01::default()
    })
}

/// The publisher's `AudioSpecificConfig` goes in as it came.
fn mp4a(parameters: &AacParameters) -> Mp4a {
    let dec_specific = DecoderSpecific {
        raw: parameters.audio_specific_config.to_vec(),
        ..DecoderSpecific::default()
    };
    let dec_config = DecoderConfig {
        object_type_indication: OBJECT_TYPE_MPEG4_AUDIO,
        stream_type: STREAM_TYPE_AUDIO,
        dec_specific: Some(dec_specific),
        ..DecoderConfig::default()
    };
    let es_desc =
        EsDescriptor { dec_config, sl_config: SLConfig::default(), ..EsDescriptor::default() };
    let (channels, rate) = (parameters.channels, parameters.sampling_rate);
    Mp4a { audio: audio(channels, rate), esds: Esds { es_desc }, btrt: None, taic: None }
}

/// Decoders put out 48 kHz whatever was encoded (Opus in ISOBMFF §4.3.1).
fn opus(parameters: &OpusParameters) -> Opus {
    let dops = Dops {
        output_channel_count: parameters.channels,
        pre_skip: parameters.pre_skip,
        input_sample_rate: parameters.input_sample_rate,
        output_gain: parameters.output_gain,
        channel_mapping: None,
    };
    Opus { audio: audio(parameters.channels, OpusParameters::SAMPLING_RATE), dops, btrt: None }
}

fn audio(channels: u8, rate: u32) -> Audio {
    Audio {
        data_reference_index: 1,
        channel_count: channels.into(),
        sample_size: 16,
        // A rate that does not fit is told by the codec's own configuration alone.
        sample_rate: whole(u16::try_from(rate).unwrap_or(0)),
    }
}
