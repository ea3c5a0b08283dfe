//! `stsd`: how a track is coded (ISO/IEC 14496-12 §8.5.2, 14496-14 §5.6, 14496-15 §5.4.2, §8.4.1, AV1 in
//! ISOBMFF §2.2, Opus in ISOBMFF §4.3).

use std::sync::Arc;

use bytes::Bytes;
use media::{Chain, CodecParameters, OpusParameters};

use super::{
    BoxType, Mp4Error,
    boxes::{BoxSpan, Boxes},
    coding::{Coding, CodingError},
};
use crate::{
    aac::{self, AacError},
    av1, avc, hevc, opus,
};

/// Version, flags, number of entries.
const STSD_FIELDS_LEN: usize = 8;
/// Fields of a visual sample entry.
const VISUAL_FIELDS_LEN: usize = 78;
/// Fields of an audio sample entry.
const AUDIO_FIELDS_LEN: usize = 28;
/// Where an audio sample entry of QuickTime has its version.
const AUDIO_VERSION_OFFSET: usize = 8;
/// Version and flags.
const FULL_BOX_LEN: usize = 4;

/// Fields of a `dOps` box before its mapping table.
const DOPS_LEN: usize = 11;
/// Samples of the usual Opus packet, 20 ms.
const OPUS_PACKET_SAMPLES: u32 = 960;

const FOREIGN_VIDEO: [&[u8; 4]; 9] =
    [b"dvh1", b"dvhe", b"vvc1", b"vvi1", b"vp08", b"vp09", b"mp4v", b"encv", b"avc2"];

/// What the samples of a track are.
#[derive(Debug)]
pub(super) struct SampleEntry {
    pub(super) parameters: CodecParameters,
    pub(super) coding: Coding,
}

impl SampleEntry {
    /// The parameters, with what only the first sample tells: how long Opus packets are.
    ///
    /// # Errors
    ///
    /// `Opus`.
    pub(super) fn parameters_with(self, first: &Chain) -> Result<CodecParameters, CodingError> {
        let CodecParameters::Opus(parameters) = &self.parameters else {
            return Ok(self.parameters);
        };
        let packet_samples = opus::packet_samples(&first.to_contiguous())?;
        Ok(CodecParameters::Opus(OpusParameters { packet_samples, ..**parameters }.into()))
    }
}

/// What an `stsd` box describes.
#[derive(Debug)]
pub(super) enum Found {
    /// A coding that is read.
    Entry(SampleEntry),
    /// Video of another coding.
    ForeignVideo(BoxType),
    /// Anything else: text, time codes, sound of other codings.
    Other,
}

/// Reads the first entry.
///
/// # Errors
///
/// `Parameters`, and those of malformed boxes.
pub(super) fn read(file: &Bytes, stsd: &BoxSpan, track: u32) -> Result<Found, Mp4Error> {
    let entries = stsd.children(file, STSD_FIELDS_LEN)?;
    let Some(entry) = entries.first() else { return Ok(Found::Other) };
    let read = match &entry.kind {
        b"avc1" | b"avc3" => read_avc(file, entry)?.map(Some),
        b"hvc1" | b"hev1" => read_hevc(file, entry)?.map(Some),
        b"av01" => read_av1(file, entry)?.map(Some),
        b"mp4a" => read_aac(file, entry)?,
        b"Opus" => read_opus(file, entry)?,
        kind if FOREIGN_VIDEO.contains(&kind) => return Ok(Found::ForeignVideo(BoxType(*kind))),
        _ => return Ok(Found::Other),
    };
    let entry = read.map_err(|source| Mp4Error::Parameters { track, source })?;
    Ok(entry.map_or(Found::Other, Found::Entry))
}

/// An entry, or what is wrong with its parameters; the outer error is of the boxes around it.
type Read<T> = Result<Result<T, CodingError>, Mp4Error>;

/// The box with the codec's own record in a visual sample entry.
fn visual_record(file: &Bytes, entry: &BoxSpan, kind: &[u8; 4]) -> Result<Bytes, Mp4Error> {
    let boxes = entry.children(file, VISUAL_FIELDS_LEN)?;
    Ok(file.slice(boxes.get(kind)?.body.clone()))
}

fn read_avc(file: &Bytes, entry: &BoxSpan) -> Read<SampleEntry> {
    let configuration = avc::parse_decoder_configuration(&visual_record(file, entry, b"avcC")?);
    Ok(configuration.map_err(CodingError::from).map(|found| SampleEntry {
        parameters: CodecParameters::H264(Arc::new(found.parameters)),
        coding: Coding::Avc { nalu_length_size: found.nalu_length_size },
    }))
}

fn read_hevc(file: &Bytes, entry: &BoxSpan) -> Read<SampleEntry> {
    let configuration = hevc::parse_decoder_configuration(&visual_record(file, entry, b"hvcC")?);
    Ok(configuration.map_err(CodingError::from).map(|found| SampleEntry {
        parameters: CodecParameters::Hevc(Arc::new(found.parameters)),
        coding: Coding::Hevc { nalu_length_size: found.nalu_length_size },
    }))
}

fn read_av1(file: &Bytes, entry: &BoxSpan) -> Read<SampleEntry> {
    let missing = av1::Av1Error::SequenceHeader("not in the configuration record");
    let found = av1::parse_codec_configuration(&visual_record(file, entry, b"av1C")?);
    let parameters = found.and_then(|found| found.ok_or(missing));
    Ok(parameters.map_err(CodingError::from).map(|parameters| SampleEntry {
        parameters: CodecParameters::Av1(Arc::new(parameters)),
        coding: Coding::Av1,
    }))
}

/// `None` for sound of another coding, which counts as no sound.
fn read_aac(file: &Bytes, entry: &BoxSpan) -> Read<Option<SampleEntry>> {
    let boxes = audio_children(file, entry)?;
    let wave = match boxes.find(b"wave") {
        Some(wave) => wave.children(file, 0)?,
        None => Boxes::default(),
    };
    // QuickTime puts it one level deeper.
    let esds = boxes.find(b"esds").or_else(|| wave.find(b"esds"));
    let config = esds.and_then(|esds| decoder_specific_info(esds.bytes(file)));
    let Some(config) = config else { return Ok(Ok(None)) };
    let config = Bytes::copy_from_slice(config);
    Ok(match aac::parse_audio_specific_config(&config) {
        Ok(parameters) => Ok(Some(SampleEntry {
            parameters: CodecParameters::Aac(Arc::new(parameters)),
            coding: Coding::Sound,
        })),
        Err(AacError::ObjectType { .. }) => Ok(None),
        Err(source) => Err(source.into()),
    })
}

/// `None` where nothing says how it is coded.
fn read_opus(file: &Bytes, entry: &BoxSpan) -> Read<Option<SampleEntry>> {
    let boxes = audio_children(file, entry)?;
    let dops = boxes.find(b"dOps").and_then(|dops| dops.bytes(file).first_chunk::<DOPS_LEN>());
    let Some(&[_version, channels, p0, p1, r0, r1, r2, r3, g0, g1, family]) = dops else {
        return Ok(Ok(None));
    };
    if family != 0 || !(1..=2).contains(&channels) {
        return Ok(Err(opus::OpusError::Channels { channels, family }.into()));
    }
    let parameters = OpusParameters {
        channels,
        pre_skip: u16::from_be_bytes([p0, p1]),
        input_sample_rate: u32::from_be_bytes([r0, r1, r2, r3]),
        output_gain: i16::from_be_bytes([g0, g1]),
        packet_samples: OPUS_PACKET_SAMPLES,
    };
    Ok(Ok(Some(SampleEntry {
        parameters: CodecParameters::Opus(parameters.into()),
        coding: Coding::Sound,
    })))
}

/// The boxes in an audio sample entry; QuickTime's versions 1 and 2 have more fields before them.
fn audio_children(file: &[u8], entry: &BoxSpan) -> Result<Boxes, Mp4Error> {
    let version = entry.bytes(file).get(AUDIO_VERSION_OFFSET..).and_then(<[u8]>::first_chunk::<2>);
    let more = match version.map(|version| u16::from_be_bytes(*version)) {
        Some(1) => 16,
        Some(2) => 36,
        _ => 0,
    };
    entry.children(file, AUDIO_FIELDS_LEN + more)
}

/// The `AudioSpecificConfig` in an `esds` box (ISO/IEC 14496-1 §7.2.6); `None` for another coding, or
/// where the descriptors don't add up.
fn decoder_specific_info(esds: &[u8]) -> Option<&[u8]> {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC_INFO: u8 = 5;
    let es = find_descriptor(esds.get(FULL_BOX_LEN..)?, ES)?;
    let &[_, _, flags] = es.first_chunk::<3>()?;
    let mut skip = 3;
    if flags & 0x80 != 0 {
        skip += 2;
    }
    if flags & 0x40 != 0 {
        skip += 1 + usize::from(*es.get(skip)?);
    }
    if flags & 0x20 != 0 {
        skip += 2;
    }
    let decoder = find_descriptor(es.get(skip..)?, DECODER_CONFIG)?;
    // MPEG-4 audio, and the MPEG-2 AAC profiles.
    if !matches!(decoder.first(), Some(0x40 | 0x66..=0x68)) {
        return None;
    }
    find_descriptor(decoder.get(13..)?, DECODER_SPECIFIC_INFO)
}

/// The body of the first descriptor with this tag (ISO/IEC 14496-1 §8.3.3).
fn find_descriptor(mut data: &[u8], tag: u8) -> Option<&[u8]> {
    loop {
        let (&found, mut rest) = data.split_first()?;
        let mut len = 0_usize;
        for _ in 0..4 {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            len = len << 7 | usize::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (body, after) = rest.split_at_checked(len)?;
        if found == tag {
            return Some(body);
        }
        data = after;
    }
}
