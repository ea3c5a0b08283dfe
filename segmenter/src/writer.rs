//! Samples to CMAF chunks, by reference.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use container::cmaf::{self, CmafError};
use media::{InitSegment, MediaDuration, Part, Sample, Timescale, TrackId, TrackSegment};

use crate::{audio_queue::AudioFrame, video_queue::Picture};

/// Writes a stream's chunks and numbers them (`mfhd`), apart for each track.
#[derive(Debug)]
pub(crate) struct Writer {
    part_target: Option<MediaDuration>,
    /// Fragments written so far, by track.
    fragments: BTreeMap<TrackId, u32>,
}

impl Writer {
    pub(crate) fn new(part_target: Option<Duration>) -> Self {
        let part_target = part_target.map(MediaDuration::from_std);
        Self { part_target, fragments: BTreeMap::new() }
    }

    fn fragments_of(&mut self, init: &InitSegment) -> &mut u32 {
        self.fragments.entry(init.track.id).or_default()
    }

    /// Pictures whose last one is decoded until `end`.
    pub(crate) fn video(
        &mut self,
        init: &Arc<InitSegment>,
        pictures: Vec<Picture>,
        end: i64,
    ) -> Result<TrackSegment, CmafError> {
        let (begin, samples) = video_samples(pictures, end);
        write(init, begin, samples, self.part_target, self.fragments_of(init))
    }

    /// Samples that are made already.
    pub(crate) fn samples(
        &mut self,
        init: &Arc<InitSegment>,
        begin: i64,
        samples: Vec<Sample>,
    ) -> Result<TrackSegment, CmafError> {
        write(init, begin, samples, self.part_target, self.fragments_of(init))
    }

    /// Audio frames whose last one lasts until `end`.
    pub(crate) fn audio(
        &mut self,
        init: &Arc<InitSegment>,
        frames: Vec<AudioFrame>,
        end: i64,
    ) -> Result<TrackSegment, CmafError> {
        let begin = frames.first().map_or(0, |frame| frame.dts);
        let times: Vec<i64> = frames.iter().skip(1).map(|next| next.dts).chain([end]).collect();
        let samples = frames
            .into_iter()
            .zip(times)
            .map(|(frame, next)| Sample {
                duration: sample_duration(frame.dts, next),
                composition_offset: 0,
                sync: true,
                payload: frame.payload,
            })
            .collect();
        write(init, begin, samples, self.part_target, self.fragments_of(init))
    }
}

/// Pictures whose last one is decoded until `end`, and the decoding time of the first.
pub(crate) fn video_samples(pictures: Vec<Picture>, end: i64) -> (i64, Vec<Sample>) {
    let begin = pictures.first().map_or(0, |picture| picture.dts);
    let times: Vec<i64> = pictures.iter().skip(1).map(|next| next.dts).chain([end]).collect();
    let samples = pictures.into_iter().zip(times).map(|(picture, next)| Sample {
        duration: sample_duration(picture.dts, next),
        composition_offset: composition_offset(&picture),
        sync: picture.sync,
        payload: picture.payload,
    });
    (begin, samples.collect())
}

/// Never zero: such samples break Media Source Extensions (HLS rule T-1).
fn sample_duration(dts: i64, next: i64) -> u32 {
    u32::try_from(next.saturating_sub(dts).max(1)).unwrap_or(u32::MAX)
}

fn composition_offset(picture: &Picture) -> i32 {
    let offset = picture.pts.saturating_sub(picture.dts);
    i32::try_from(offset).unwrap_or(if offset < 0 { i32::MIN } else { i32::MAX })
}

fn write(
    init: &Arc<InitSegment>,
    begin: i64,
    samples: Vec<Sample>,
    part_target: Option<MediaDuration>,
    fragments: &mut u32,
) -> Result<TrackSegment, CmafError> {
    // The stream's timeline begins at zero and only grows, so no decoding time is negative.
    let base_decode_time = u64::try_from(begin).unwrap_or(0);
    let mut parts = Vec::new();
    let mut time = base_decode_time;
    for range in part_ranges(&samples, init.track.timescale, part_target) {
        let Some(samples) = samples.get(range) else { continue };
        *fragments = fragments.wrapping_add(1);
        let ticks = samples.iter().map(|sample| u64::from(sample.duration)).sum();
        parts.push(Part {
            duration: MediaDuration::new(ticks, init.track.timescale),
            independent: samples.iter().any(|sample| sample.sync),
            body: cmaf::fragment(&init.track, *fragments, time, samples)?,
        });
        time = time.saturating_add(ticks);
    }
    Ok(TrackSegment { init: Arc::clone(init), base_decode_time, samples, parts })
}

/// Cuts before the sample that would make a part longer than the target.
fn part_ranges(
    samples: &[Sample],
    timescale: Timescale,
    target: Option<MediaDuration>,
) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let (mut begin, mut ticks) = (0, 0_u64);
    for (index, sample) in samples.iter().enumerate() {
        let longer = ticks.saturating_add(sample.duration.into());
        let too_long = target.is_some_and(|target| MediaDuration::new(longer, timescale) > target);
        if index > begin && too_long {
            ranges.push(begin..index);
            (begin, ticks) = (index, sample.duration.into());
        } else {
            ticks = longer;
        }
    }
    if begin < samples.len() {
        ranges.push(begin..samples.len());
    }
    ranges
}

#[cfg(test)]
mod tests {
    use media::Chain;

    use super::*;

    fn samples(durations: &[u32]) -> Vec<Sample> {
        let sample = |&duration| Sample {
            duration,
            composition_offset: 0,
            sync: false,
            payload: Chain::new(),
        };
        durations.iter().map(sample).collect()
    }

    #[test]
    fn a_part_ends_before_the_sample_that_would_exceed_the_target() {
        let target = Some(MediaDuration::new(10, Timescale::MILLIS));
        let ranges =
            |durations: &[u32]| part_ranges(&samples(durations), Timescale::MILLIS, target);
        assert_eq!(ranges(&[4, 4, 4, 4, 2]), [0..2, 2..5]);
        assert_eq!(ranges(&[30, 1]), [0..1, 1..2]);
        assert_eq!(ranges(&[5, 5, 11]), [0..2, 2..3]);
        assert!(ranges(&[]).is_empty());
        assert_eq!(part_ranges(&samples(&[9, 9]), Timescale::MILLIS, None).len(), 1);
    }
}
