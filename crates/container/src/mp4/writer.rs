//! A segment's video and audio as one fragmented MP4 file.

use bytes::Bytes;
use media::{Chain, Sample, TrackId, TrackSegment};

use crate::cmaf::{self, CmafError, DescribedTrack, TrackRun};

/// Writes one fragmented MP4 file: `ftyp`, `moov` with the tracks, one `moof`, one `mdat`. The video's
/// samples come first, then the audio's, all by reference; audio without samples counts as absent.
///
/// Presentation times are those of the samples. Where composition offsets are negative, decoding times
/// lie earlier by as much, so that no offset in the file is: FFmpeg shows the video of a fragmented file
/// with negative offsets late, and its audio not. Where that would put decoding times below zero, an
/// edit list moves the video instead; that is the only case with one.
///
/// # Errors
///
/// `NoSamples` without pictures; `TooLarge` above 2 GiB of video or 4 GiB altogether; `PictureSize` and
/// `Box` as for an init segment.
pub fn write_file(video: &TrackSegment, audio: Option<&TrackSegment>) -> Result<Chain, CmafError> {
    let delay = reorder_delay(&video.samples);
    let (base, shown_from) = match video.base_decode_time.checked_sub(delay.into()) {
        Some(earlier) => (earlier, 0),
        None => (video.base_decode_time, delay.into()),
    };
    let track = &video.init.track;
    let mut tracks = vec![DescribedTrack { id: TrackId::VIDEO, track, shown_from }];
    let mut runs = vec![TrackRun {
        track: TrackId::VIDEO,
        base_decode_time: base,
        delay,
        samples: &video.samples,
    }];
    if let Some(audio) = audio.filter(|audio| !audio.samples.is_empty()) {
        let track = &audio.init.track;
        tracks.push(DescribedTrack { id: TrackId::AUDIO, track, shown_from: 0 });
        runs.push(TrackRun {
            track: TrackId::AUDIO,
            base_decode_time: audio.base_decode_time,
            delay: 0,
            samples: &audio.samples,
        });
    }
    let header = cmaf::header(&[b"iso6", b"isom", b"mp41"], &tracks)?;
    let fragment = cmaf::fragment_of(1, &runs)?;
    let mut file = Chain::with_capacity(1 + fragment.piece_count());
    file.push(Bytes::from(header));
    file.append(&fragment);
    Ok(file)
}

/// How much earlier decoding times have to be, in ticks, so that no picture is shown before its own.
fn reorder_delay(samples: &[Sample]) -> u32 {
    let lowest = samples.iter().map(|sample| sample.composition_offset).min().unwrap_or(0);
    lowest.min(0).unsigned_abs()
}
