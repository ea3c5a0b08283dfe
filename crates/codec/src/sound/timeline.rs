//! Decoded sound without holes: samples in order, cut into frames.

use std::collections::VecDeque;

use super::SOUND_FRAME_SAMPLES;

/// Samples of both channels, in turn.
pub(super) type Pair = [f32; 2];

/// By how much packets' times may differ from the samples that came before without being a hole or an
/// overlap: 10 ms. The decoder holds a few milliseconds back at changes of its mode; senders' packets are
/// of 20 ms, as a rule, and one that is lost has to leave its hole.
const TOLERANCE: i64 = 480;
/// Longest hole that is filled with silence: 10 s. After a longer one, time begins anew.
const HOLE_MAX: i64 = 480_000;

/// Lays decoded samples on the media timeline: holes become silence, overlaps are cut.
#[derive(Debug, Default)]
pub(super) struct SoundTimeline {
    waiting: VecDeque<Pair>,
    /// Time of the first sample that waits; `None` before the first packet.
    start: Option<i64>,
}

impl SoundTimeline {
    /// Adds the samples of a packet that begins at `pts`.
    pub(super) fn push(&mut self, pts: i64, samples: &[Pair]) {
        let waiting = i64::try_from(self.waiting.len()).unwrap_or(i64::MAX);
        let ends = self.start.map(|start| start.saturating_add(waiting));
        let hole = ends.map_or(0, |ends| pts.saturating_sub(ends));
        let mut samples = samples;
        if self.start.is_none() || hole.saturating_abs() > HOLE_MAX {
            self.waiting.clear();
            self.start = Some(pts);
        } else if hole > TOLERANCE {
            let silence = usize::try_from(hole).unwrap_or(0);
            self.waiting.extend(std::iter::repeat_n([0.0; 2], silence));
        } else if hole < -TOLERANCE {
            let cut = usize::try_from(hole.saturating_neg()).unwrap_or(0);
            samples = samples.get(cut..).unwrap_or_default();
        }
        self.waiting.extend(samples);
    }

    /// The next whole frame, with the time of its first sample.
    pub(super) fn pop(&mut self) -> Option<(i64, Vec<Pair>)> {
        let length = usize::try_from(SOUND_FRAME_SAMPLES).unwrap_or(usize::MAX);
        if self.waiting.len() < length {
            return None;
        }
        let start = self.start?;
        self.start = Some(start.saturating_add(i64::from(SOUND_FRAME_SAMPLES)));
        Some((start, self.waiting.drain(..length).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pushes: &[(i64, usize)]) -> (Vec<i64>, usize) {
        let mut timeline = SoundTimeline::default();
        let mut starts = Vec::new();
        let mut loud = 0;
        for (pts, samples) in pushes {
            timeline.push(*pts, &vec![[1.0, 1.0]; *samples]);
            while let Some((start, samples)) = timeline.pop() {
                starts.push(start);
                loud += samples.iter().filter(|pair| pair[0] > 0.0).count();
            }
        }
        (starts, loud)
    }

    #[test]
    fn packets_become_frames_one_after_another() {
        let packets: Vec<_> = (0..16).map(|index| (5_000 + index * 960, 960)).collect();
        let (starts, loud) = frames(&packets);
        assert_eq!(starts, (0..15).map(|index| 5_000 + index * 1_024).collect::<Vec<_>>());
        assert_eq!(loud, 15 * 1_024);
    }

    #[test]
    fn holes_are_silent_and_overlaps_are_cut() {
        let (starts, loud) = frames(&[(0, 1_024), (3_072, 1_024)]);
        assert_eq!((starts, loud), (vec![0, 1_024, 2_048, 3_072], 2_048));
        let (starts, loud) = frames(&[(0, 2_048), (1_024, 2_048)]);
        assert_eq!((starts, loud), (vec![0, 1_024, 2_048], 3_072));
    }

    #[test]
    fn a_lost_packet_leaves_its_hole() {
        let mut timeline = SoundTimeline::default();
        timeline.push(0, &[[1.0; 2]; 960]);
        timeline.push(1_920, &[[1.0; 2]; 960]);
        let frames = [timeline.pop().unwrap(), timeline.pop().unwrap()];
        let samples: Vec<_> = frames.iter().flat_map(|(_, samples)| samples).collect();
        assert!(samples[960..1_920].iter().all(|pair| pair[0] == 0.0));
        assert!(samples[1_920..].iter().all(|pair| pair[0] == 1.0));
        assert_eq!((frames[0].0, frames[1].0), (0, 1_024));
    }

    #[test]
    fn small_differences_do_not_cut() {
        let (starts, loud) = frames(&[(0, 1_024), (1_034, 1_024), (2_038, 1_024)]);
        assert_eq!((starts, loud), (vec![0, 1_024, 2_048], 3_072));
    }

    #[test]
    fn absurd_times_are_bounded() {
        let (starts, _) = frames(&[(0, 1_024), (i64::MAX, 1_024), (i64::MIN, 1_024), (0, 1_024)]);
        assert_eq!(starts, [0, i64::MAX, i64::MIN, 0]);
    }
}
