//! MP4 files, fragmented and progressive, as orchestrators and encoders make them
//! (ISO/IEC 14496-12, -14, -15).
//!
//! The containers are walked here, by level and without recursion, so that a file can't say how deep
//! the stack grows; `mp4-atom` decodes the boxes that hold fields and tables. Samples of both kinds
//! of file end up in one `SampleList`, which holds them against the file's bounds.
//!
//! The other way, [`write_file`] makes a file of a segment's video and audio for those who take files.
//!
//! Start reading at [`read`].

mod boxes;
mod coding;
mod error;
mod fragments;
mod movie;
mod sample_entry;
mod sample_table;
mod samples;
mod writer;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use media::TrackKind;

pub use coding::CodingError;
pub use error::{BoxType, Mp4Error};
pub use writer::write_file;

use self::{boxes::Boxes, movie::Movie};
use crate::demuxed::{Demuxed, DemuxedTrack};

/// Reads a whole MP4 file: its first video track (H.264, HEVC or AV1) and its first audio track (AAC or
/// Opus), whether their samples are listed in
/// `moov` (first or last in the file) or in fragments. Other tracks are passed over.
///
/// Times are those of the file in each track's own timescale. An edit list counts for where a track
/// starts: what it leaves out at the front gets times below the start, nothing is dropped. Payloads are
/// slices of the file; NAL unit lengths of 1 or 2 bytes are replaced, delimiters and filler left out,
/// as [`avc::normalize`](crate::avc::normalize()) does, and likewise for HEVC and AV1. Empty samples are left out. Which pictures a
/// decoder can start at is read from the pictures, not from the file's flags.
///
/// Time and memory are bounded by a small multiple of the file's length: samples may not overlap so
/// far that they have more bytes than the file, and there are at most 2^20 of them.
///
/// # Errors
///
/// [`Mp4Error`], with the track or the position in the file.
pub fn read(file: &Bytes) -> Result<Demuxed, Mp4Error> {
    let top_level = Boxes::all(file)?;
    let moov = top_level.find(b"moov").ok_or(Mp4Error::MissingBox { kind: BoxType(*b"moov") })?;
    let mut movie = Movie::read(file, moov)?;
    movie.read_sample_tables(file)?;
    for moof in top_level.of(b"moof") {
        fragments::read(file, moof, &mut movie)?;
    }
    let mut demuxed = Demuxed { video: None, audio: None };
    for track in movie.into_tracks() {
        let kind = track.kind();
        let Some(samples) = track.into_samples(file)? else { continue };
        let place: &mut Option<DemuxedTrack> = match kind {
            TrackKind::Video => &mut demuxed.video,
            TrackKind::Audio => &mut demuxed.audio,
        };
        *place = Some(samples);
    }
    Ok(demuxed)
}

/// Body of the fuzz target: any bytes are read without panic, and what was read is in order.
pub(crate) fn fuzz(file: &Bytes) {
    let Ok(demuxed) = read(file) else { return };
    let tracks = || demuxed.video.iter().chain(&demuxed.audio);
    for track in tracks() {
        assert!(track.samples.is_sorted_by_key(|sample| sample.dts), "decoding order");
        assert!(track.samples.iter().all(|sample| !sample.payload.is_empty()), "no sample");
    }
}
