//! `stsd`: how a track is coded (ISO/IEC 14496-12 §8.5.2, 14496-14 §5.6, 14496-15 §5.4.2).

use std::sync::Arc;

use bytes::Bytes;
use media::CodecParameters;

use super::{
    BoxType, Mp4Error,
    boxes::{BoxSpan, Boxes},
};
use crate::{
    aac::{self, AacError},
    avc,
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

const FOREIGN_VIDEO: [&[u8; 4]; 12] = [
    b"hvc1", b"hev1", b"dvh1", b"dvhe", b"vvc1", b"vvi1", b"av01", b"vp08", b"vp09", b"mp4v",
    b"encv", b"avc2",
];

/// What the samples of a track are.
#[derive(Debug)]
pub(super) struct SampleEntry {
    pub(super) parameters: CodecParameters,
    /// Bytes of each NAL unit's length, for video.
    pub(super) nalu_length_size: u8,
}

/// What an `stsd` box describes.
#[derive(Debug)]
pub(super) enum Found {
    /// H.264 or AAC.
    Entry(SampleEntry),
    /// Video of another coding.
    ForeignVideo(BoxType),
    /// Anything else: text, time codes, other sound.
    Other,
}

/// Reads the first entry.
///
/// # Errors
///
/// `VideoParameters`, `AudioParameters`, and those of malformed boxes.
pub(super) fn read(file: &Bytes, stsd: &BoxSpan, track: u32) -> Result<Found, Mp4Error> {
    let entries = stsd.children(file, STSD_FIELDS_LEN)?;
    let Some(entry) = entries.first() else { return Ok(Found::Other) };
    match &entry.kind {
        b"avc1" | b"avc3" => read_avc(file, entry, track).map(Found::Entry),
        b"mp4a" => Ok(read_aac(file, entry, track)?.map_or(Found::Other, Found::Entry)),
        kind if FOREIGN_VIDEO.contains(&kind) => Ok(Found::ForeignVideo(BoxType(*kind))),
        _ => Ok(Found::Other),
    }
}

fn read_avc(file: &Bytes, entry: &BoxSpan, track: u32) -> Result<SampleEntry, Mp4Error> {
    let boxes = entry.children(file, VISUAL_FIELDS_LEN)?;
    let record = file.slice(boxes.get(b"avcC")?.body.clone());
    let configuration = avc::parse_decoder_configuration(&record)
        .map_err(|source| Mp4Error::VideoParameters { track, source })?;
    Ok(SampleEntry {
        parameters: CodecParameters::H264(Arc::new(configuration.parameters)),
        nalu_length_size: configuration.nalu_length_size,
    })
}

/// `None` for sound of another coding, which counts as no sound.
fn read_aac(file: &Bytes, entry: &BoxSpan, track: u32) -> Result<Option<SampleEntry>, Mp4Error> {
    let boxes = audio_children(file, entry)?;
    let wave = match boxes.find(b"wave") {
        Some(wave) => wave.children(file, 0)?,
        None => Boxes::default(),
    };
    // QuickTime puts it one level deeper.
    let Some(esds) = boxes.find(b"esds").or_else(|| wave.find(b"esds")) else { return Ok(None) };
    let Some(config) = decoder_specific_info(esds.bytes(file)) else { return Ok(None) };
    let config = Bytes::copy_from_slice(config);
    match aac::parse_audio_specific_config(&config) {
        Ok(parameters) => Ok(Some(SampleEntry {
            parameters: CodecParameters::Aac(Arc::new(parameters)),
            nalu_length_size: 0,
        })),
        Err(AacError::ObjectType { .. }) => Ok(None),
        Err(source) => Err(Mp4Error::AudioParameters { track, source }),
    }
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
