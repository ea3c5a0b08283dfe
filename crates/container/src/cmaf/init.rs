//! The header of a track: `ftyp` and `moov`.

use bytes::Bytes;
use media::{AacParameters, CodecParameters, H264Parameters, InitSegment, Track, TrackId};
use mp4_atom::{
    Atom, Audio, Avc1, Avcc, Codec, Dinf, Dref, Edts, Elst, ElstEntry, Encode, Esds, FixedPoint,
    FourCC, Ftyp, Hdlr, Mdhd, Mdia, Minf, Moov, Mp4a, Mvex, Mvhd, Pasp, Smhd, Stbl, Stco, Stsd,
    Tkhd, Trak, Trex, Url, Visual, Vmhd,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig},
};

use super::CmafError;
use crate::avc;

/// `objectTypeIndication` of ISO/IEC 14496-3 audio (ISO/IEC 14496-1 Table 5).
const OBJECT_TYPE_MPEG4_AUDIO: u8 = 0x40;
/// `streamType` of audio (ISO/IEC 14496-1 Table 6).
const STREAM_TYPE_AUDIO: u8 = 5;
/// Ticks per second of the movie clock, which nothing in a fragmented file uses.
const MOVIE_TIMESCALE: u32 = 1000;

/// A track as a header describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DescribedTrack<'a> {
    /// Its `track_ID` in the file.
    pub(crate) id: TrackId,
    pub(crate) track: &'a Track,
    /// The media time that is shown first, in ticks; an edit list says so where it is not zero.
    pub(crate) shown_from: u64,
}

/// Writes the CMAF header of a track: no sample, no duration, everything in fragments to come.
///
/// # Errors
///
/// `PictureSize` above 65 535 samples; `Box` for parameters that don't fit their boxes.
pub fn init_segment(track: &Track) -> Result<InitSegment, CmafError> {
    let described = DescribedTrack { id: track.id, track, shown_from: 0 };
    let bytes = header(&[b"iso6", b"cmfc", b"mp41"], &[described])?;
    Ok(InitSegment { track: track.clone(), bytes: Bytes::from(bytes) })
}

/// `ftyp` and `moov` of a fragmented file with these tracks. The first brand is the major one: `iso6`
/// has `tfdt` and `default-base-is-moof`, `cmfc` is CMAF.
///
/// # Errors
///
/// Those of [`init_segment`].
pub(crate) fn header(
    brands: &[&[u8; 4]],
    tracks: &[DescribedTrack<'_>],
) -> Result<Vec<u8>, CmafError> {
    let compatible_brands: Vec<_> = brands.iter().map(|brand| FourCC::new(brand)).collect();
    let ftyp = Ftyp {
        major_brand: compatible_brands.first().copied().unwrap_or(FourCC::new(b"iso6")),
        minor_version: 0,
        compatible_brands,
    };
    let mut bytes = Vec::with_capacity(1024);
    ftyp.encode(&mut bytes)?;
    moov(tracks)?.encode(&mut bytes)?;
    Ok(bytes)
}

fn moov(tracks: &[DescribedTrack<'_>]) -> Result<Moov, CmafError> {
    let trex = |track: &DescribedTrack<'_>| Trex {
        track_id: track.id.0,
        default_sample_description_index: 1,
        ..Trex::default()
    };
    let highest = tracks.iter().map(|track| track.id.0).max().unwrap_or(0);
    Ok(Moov {
        mvhd: Mvhd {
            timescale: MOVIE_TIMESCALE,
            rate: FixedPoint::new(1, 0),
            volume: FixedPoint::new(1, 0),
            next_track_id: highest.saturating_add(1),
            ..Mvhd::default()
        },
        mvex: Some(Mvex { mehd: None, trex: tracks.iter().map(trex).collect() }),
        trak: tracks.iter().map(trak).collect::<Result<_, _>>()?,
        ..Moov::default()
    })
}

fn trak(described: &DescribedTrack<'_>) -> Result<Trak, CmafError> {
    let track = described.track;
    let mut tkhd =
        Tkhd { track_id: described.id.0, enabled: true, in_movie: true, ..Tkhd::default() };
    let mut minf = Minf {
        dinf: Dinf { dref: Dref { entries: vec![Url::default().into()] } },
        ..Minf::default()
    };
    let (handler, name, entry) = match &track.parameters {
        CodecParameters::H264(parameters) => {
            let (width, height) = parameters.display_size();
            tkhd.width = whole(side(parameters, width)?);
            tkhd.height = whole(side(parameters, height)?);
            minf.vmhd = Some(Vmhd::default());
            (b"vide", "video", Codec::from(avc1(parameters)?))
        }
        CodecParameters::Aac(parameters) => {
            tkhd.volume = FixedPoint::new(1, 0);
            minf.smhd = Some(Smhd::default());
            (b"soun", "audio", Codec::from(mp4a(parameters)))
        }
    };
    minf.stbl =
        Stbl { stsd: Stsd { codecs: vec![entry] }, stco: Some(Stco::default()), ..Stbl::default() };
    let mdhd =
        Mdhd { timescale: track.timescale.get(), language: "und".to_owned(), ..Mdhd::default() };
    let hdlr = Hdlr { handler: FourCC::new(handler), name: name.to_owned() };
    let edts = (described.shown_from > 0).then(|| edit_from(described.shown_from));
    Ok(Trak { tkhd, edts, mdia: Mdia { mdhd, hdlr, minf }, ..Trak::default() })
}

/// One edit without an end: what the fragments add belongs to it (ISO/IEC 14496-12 §8.6.6).
fn edit_from(media_time: u64) -> Edts {
    let entry = ElstEntry {
        segment_duration: 0,
        media_time: Some(media_time),
        media_rate: FixedPoint::new(1, 0),
    };
    Edts { elst: Some(Elst { entries: vec![entry] }) }
}

fn whole(value: u16) -> FixedPoint<u16> {
    FixedPoint::new(value, 0)
}

fn side(parameters: &H264Parameters, side: u32) -> Result<u16, CmafError> {
    let (width, height) = (parameters.width, parameters.height);
    u16::try_from(side).map_err(|_| CmafError::PictureSize { width, height })
}

fn avc1(parameters: &H264Parameters) -> Result<Avc1, CmafError> {
    let record = avc::decoder_configuration_record(parameters);
    let (h_spacing, v_spacing) = parameters.sample_aspect_ratio;
    let pasp = (h_spacing != v_spacing && h_spacing != 0 && v_spacing != 0)
        .then(|| Pasp { h_spacing: h_spacing.into(), v_spacing: v_spacing.into() });
    Ok(Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: side(parameters, parameters.width)?,
            height: side(parameters, parameters.height)?,
            ..Visual::default()
        },
        avcc: Avcc::decode_body(&mut record.as_ref())?,
        pasp,
        ..Avc1::default()
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
    Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: parameters.channels.into(),
            sample_size: 16,
            // A rate that does not fit is told by the AudioSpecificConfig alone.
            sample_rate: whole(u16::try_from(parameters.sampling_rate).unwrap_or(0)),
        },
        esds: Esds { es_desc },
        btrt: None,
        taic: None,
    }
}
