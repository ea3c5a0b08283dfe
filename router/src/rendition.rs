//! What an orchestrator sent back: is it what was asked for, and where on the timeline does it go.

use std::sync::Arc;

use bytes::Bytes;
use container::{DemuxedSample, DemuxedTrack, cmaf, mp4, ts};
use media::{
    CodecParameters, H264Parameters, Part, RenditionProfile, Sample, SequenceNumber, Timescale,
    Timestamp, Track, TrackId, TrackSegment,
};

/// First byte of each packet of a transport stream.
const TS_SYNC: u8 = 0x47;
/// Length of such a packet.
const TS_PACKET: usize = 188;

/// Why a rendition can't be published (HLS rule X-2).
#[derive(Debug, thiserror::Error)]
pub enum BadRendition {
    /// Not a readable transport stream.
    #[error("unreadable MPEG-TS: {0}")]
    Ts(#[from] ts::TsError),
    /// Not a readable MP4 file.
    #[error("unreadable MP4: {0}")]
    Mp4(#[from] mp4::Mp4Error),
    /// No video track, or no picture in it.
    #[error("no video")]
    NoVideo,
    /// The video is not H.264.
    #[error("not H.264")]
    Codec,
    /// The first picture is no key frame.
    #[error("does not start with a key frame")]
    NoKeyFrame,
    /// The picture is not the one asked for.
    #[error("{width}x{height} does not fit the profile's {box_width}x{box_height}")]
    Size {
        /// Width found.
        width: u32,
        /// Height found.
        height: u32,
        /// Width asked for.
        box_width: u32,
        /// Height asked for.
        box_height: u32,
    },
    /// Too many or too few pictures.
    #[error("{found} pictures where {least} to {most} belong")]
    FrameCount {
        /// Pictures found.
        found: u64,
        /// Fewest allowed.
        least: u64,
        /// Most allowed.
        most: u64,
    },
    /// Decoding times that don't rise, or presentation times that repeat or precede the key frame.
    #[error("time stamps out of order")]
    TimeStamps,
    /// Shorter or longer than the source.
    #[error("lasts {found} ticks of 90 kHz where the source lasts {expected}")]
    Duration {
        /// Duration found.
        found: u64,
        /// Duration of the source segment's video.
        expected: u64,
    },
    /// It can't be written as CMAF.
    #[error("can't be written as CMAF: {0}")]
    Cmaf(#[from] cmaf::CmafError),
}

/// Reads one transcoded rendition (MPEG-TS or MP4, by its first bytes), checks it against the source
/// segment's video and the profile, and puts it on the source's timeline as one CMAF fragment.
///
/// Only the video is used: the audio of a presentation is the source's (HLS rule MV-6). Whatever its
/// own stamps say, the first picture is shown at the time of the source's first picture, and the
/// sample durations sum exactly to the source's, so that the next segment's `tfdt` follows without a
/// gap. Presentation times keep their distance from the first picture.
///
/// # Errors
/// When it can't be read or is not what was asked for.
pub fn place_rendition(
    file: &Bytes,
    source: &TrackSegment,
    profile: &RenditionProfile,
    sequence: SequenceNumber,
) -> Result<PlacedRendition, BadRendition> {
    let demuxed = if is_transport_stream(file) { ts::read(file)? } else { mp4::read(file)? };
    let video = demuxed.video.ok_or(BadRendition::NoVideo)?;
    let CodecParameters::H264(parameters) = &video.parameters else {
        return Err(BadRendition::Codec);
    };
    check_size(parameters, source, profile)?;
    let picture = u64::from(parameters.width) * u64::from(parameters.height);
    let pictures = u64::try_from(video.samples.len()).unwrap_or(u64::MAX);
    let samples = place(&video, &SourceTimes::new(source), profile)?;
    let track =
        Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters: video.parameters };
    let init = Arc::new(cmaf::init_segment(&track)?);
    // The fragment number is for debugging only (ISO/IEC 14496-12 §8.8.5), so it may wrap.
    let number = u32::try_from(sequence.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let body = cmaf::fragment(&track, number, source.base_decode_time, &samples)?;
    let duration = source.duration();
    let parts = vec![Part { duration, independent: true, body }];
    let track = TrackSegment { init, base_decode_time: source.base_decode_time, samples, parts };
    Ok(PlacedRendition { track, pixels: pictures.saturating_mul(picture) })
}

/// A rendition that may be published.
#[derive(Clone, Debug)]
pub struct PlacedRendition {
    /// Its video, on the source's timeline.
    pub track: TrackSegment,
    /// Pixels in the file: pictures × width × height.
    pub pixels: u64,
}

fn is_transport_stream(file: &Bytes) -> bool {
    file.first() == Some(&TS_SYNC) && file.get(TS_PACKET).is_none_or(|byte| *byte == TS_SYNC)
}

/// What of the source's times matters here, in ticks of 90 kHz.
#[derive(Clone, Copy, Debug)]
struct SourceTimes {
    /// Sum of the sample durations.
    duration: u64,
    /// From the first decoding time to the first presentation time.
    first_offset: i64,
    frames: u64,
    longest_frame: u64,
}

impl SourceTimes {
    fn new(source: &TrackSegment) -> Self {
        let ticks = |sample: &Sample| u64::from(sample.duration);
        let first_offset = source.samples.first().map_or(0, |it| i64::from(it.composition_offset));
        Self {
            duration: source.duration().rescale(Timescale::VIDEO).ticks(),
            first_offset,
            frames: u64::try_from(source.samples.len()).unwrap_or(u64::MAX),
            longest_frame: source.samples.iter().map(ticks).max().unwrap_or(0),
        }
    }
}

/// An orchestrator keeps the source's shape within the profile's box, or, as the network's transcoder
/// does, sets the longer side only. Either way the picture fills the box, or the source if smaller.
fn check_size(
    found: &H264Parameters,
    source: &TrackSegment,
    profile: &RenditionProfile,
) -> Result<(), BadRendition> {
    let (width, height) = (found.width, found.height);
    let (most_width, most_height) = (profile.width, profile.height);
    let (source_width, source_height) = source
        .init
        .track
        .parameters
        .picture()
        .map_or((most_width, most_height), |(_, picture)| (picture.width, picture.height));
    let even = width.is_multiple_of(2) && height.is_multiple_of(2) && width > 0 && height > 0;
    let fits = if width >= height { width <= most_width } else { height <= most_height };
    let fills = |side: u32, most: u32| u64::from(side) * 10 >= u64::from(most) * 9;
    let filled =
        fills(width, most_width.min(source_width)) || fills(height, most_height.min(source_height));
    if even && fits && filled {
        return Ok(());
    }
    Err(BadRendition::Size { width, height, box_width: most_width, box_height: most_height })
}

fn place(
    video: &DemuxedTrack,
    source: &SourceTimes,
    profile: &RenditionProfile,
) -> Result<Vec<Sample>, BadRendition> {
    let first = video.samples.first().ok_or(BadRendition::NoVideo)?;
    if !first.random_access {
        return Err(BadRendition::NoKeyFrame);
    }
    check_frame_count(video, source, profile)?;
    check_order(&video.samples)?;
    let shown = ticks_from(first.pts, video, |sample| sample.pts)?;
    check_duration(&shown, source)?;
    let shown = trim(shown, source.duration)?;
    let decoding = ticks_from(first.dts, video, |sample| sample.dts)?;
    let decoding = fit(&decoding, shown.len(), source.duration)?;
    let ends = decoding.iter().skip(1).copied().chain([source.duration]);
    let times = decoding.iter().zip(ends).zip(shown);
    let samples = video.samples.iter().zip(times).map(|(sample, ((&start, end), shown))| {
        let offset = i64::try_from(start)
            .ok()
            .and_then(|start| shown.checked_add(source.first_offset)?.checked_sub(start))
            .and_then(|offset| i32::try_from(offset).ok());
        let duration = end.checked_sub(start).and_then(|ticks| u32::try_from(ticks).ok());
        Some(Sample {
            duration: duration?,
            composition_offset: offset?,
            sync: sample.random_access,
            payload: sample.payload.clone(),
        })
    });
    samples.collect::<Option<Vec<_>>>().ok_or(BadRendition::TimeStamps)
}

/// One of each sample's stamps, in ticks of 90 kHz after `start`.
fn ticks_from(
    start: i64,
    video: &DemuxedTrack,
    stamp: impl Fn(&DemuxedSample) -> i64,
) -> Result<Vec<i64>, BadRendition> {
    let ticks = |sample: &DemuxedSample| {
        let distance = stamp(sample).checked_sub(start)?;
        Some(Timestamp::new(distance, video.timescale).rescale(Timescale::VIDEO).ticks())
    };
    let all = video.samples.iter().map(ticks).collect::<Option<Vec<_>>>();
    all.ok_or(BadRendition::TimeStamps)
}

/// As many pictures as the profile's rate gives, or the source has; a tenth or two more or less.
fn check_frame_count(
    video: &DemuxedTrack,
    source: &SourceTimes,
    profile: &RenditionProfile,
) -> Result<(), BadRendition> {
    let found = u64::try_from(video.samples.len()).unwrap_or(u64::MAX);
    let expected = profile.frame_rate.map_or(source.frames, |rate| {
        let second = u128::from(rate.den()) * u128::from(Timescale::VIDEO.get());
        let frames = u128::from(source.duration) * u128::from(rate.num()) / second;
        u64::try_from(frames).unwrap_or(u64::MAX)
    });
    let slack = |frames: u64| (frames / 10).max(2);
    // A source slower than the profile's rate may be left as it is.
    let fewest = expected.min(source.frames);
    let least = fewest.saturating_sub(slack(fewest)).max(1);
    let most = expected.saturating_add(slack(expected)).min(source.duration);
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(BadRendition::FrameCount { found, least, most })
    }
}

fn check_order(samples: &[DemuxedSample]) -> Result<(), BadRendition> {
    let rising = samples.iter().zip(samples.iter().skip(1)).all(|(a, b)| a.dts < b.dts);
    let mut shown: Vec<_> = samples.iter().map(|sample| sample.pts).collect();
    shown.sort_unstable();
    let distinct = shown.iter().zip(shown.iter().skip(1)).all(|(a, b)| a < b);
    let key_frame_first = shown.first() == samples.first().map(|sample| &sample.pts);
    if rising && distinct && key_frame_first { Ok(()) } else { Err(BadRendition::TimeStamps) }
}

/// The pictures, the last one as long as the others, last as long as the source within one frame of
/// the slower rate and a tick of rounding. `shown` starts at zero.
fn check_duration(shown: &[i64], source: &SourceTimes) -> Result<(), BadRendition> {
    let last = shown.iter().max().copied().and_then(|ticks| u64::try_from(ticks).ok());
    let last = last.ok_or(BadRendition::TimeStamps)?;
    let intervals = u64::try_from(shown.len()).unwrap_or(u64::MAX).saturating_sub(1);
    let interval = last.checked_div(intervals).unwrap_or(source.duration);
    let found = last.saturating_add(interval);
    if found.abs_diff(source.duration) <= source.longest_frame.max(interval).saturating_add(1) {
        Ok(())
    } else {
        Err(BadRendition::Duration { found, expected: source.duration })
    }
}

/// Ends with the source: an encoder's frame rate filter may add a picture that would be shown only
/// when the next segment is. Such a picture is dropped where nothing can refer to it, because it is
/// decoded last; else it is shown at the last moment.
fn trim(mut shown: Vec<i64>, duration: u64) -> Result<Vec<i64>, BadRendition> {
    let end = i64::try_from(duration).map_err(|_| BadRendition::TimeStamps)?;
    while shown.len() > 1 && shown.last().is_some_and(|last| *last >= end) {
        shown.pop();
    }
    shown.iter_mut().for_each(|ticks| *ticks = (*ticks).min(end - 1));
    Ok(shown)
}

/// The first `frames` decoding times, made to rise and to leave at least a tick for each picture.
fn fit(decoding: &[i64], frames: usize, duration: u64) -> Result<Vec<u64>, BadRendition> {
    let count = u64::try_from(frames).map_err(|_| BadRendition::TimeStamps)?;
    let first_latest = duration.checked_sub(count).ok_or(BadRendition::TimeStamps)?;
    let mut least = 0;
    let mut fitted = Vec::with_capacity(frames);
    for (ticks, latest) in decoding.iter().take(frames).zip(first_latest..) {
        let ticks = u64::try_from(*ticks).map_err(|_| BadRendition::TimeStamps)?;
        let ticks = ticks.max(least).min(latest);
        least = ticks.saturating_add(1);
        fitted.push(ticks);
    }
    Ok(fitted)
}

#[cfg(test)]
mod tests;
