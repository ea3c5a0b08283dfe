//! The header of a track: `ftyp` and `moov`.

use bytes::Bytes;
use media::{InitSegment, Track, TrackId, TrackKind};
use mp4_atom::{
    Dinf, Dref, Edts, Elst, ElstEntry, Encode, FixedPoint, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Minf,
    Moov, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Vmhd,
};

use super::{
    CmafError,
    sample_entry::{sample_entry, side, whole},
};

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
    let entry = sample_entry(&track.parameters)?;
    let (handler, name) = match track.kind() {
        TrackKind::Video => (b"vide", "video"),
        TrackKind::Audio => (b"soun", "audio"),
    };
    if let Some((_, picture)) = track.parameters.picture() {
        let (width, height) = picture.display_size();
        tkhd.width = whole(side(&picture, width)?);
        tkhd.height = whole(side(&picture, height)?);
        minf.vmhd = Some(Vmhd::default());
    } else {
        tkhd.volume = FixedPoint::new(1, 0);
        minf.smhd = Some(Smhd::default());
    }
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
