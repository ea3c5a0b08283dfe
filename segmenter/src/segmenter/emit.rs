//! How a segment leaves: each track's share of it, and under which names.

use std::{mem, sync::Arc};

use container::cmaf::CmafError;
use media::{Segment, Timescale, Timestamp, TrackId, TrackSegment};

use super::{Segmenter, State, close::Closing, count, media_duration};
use crate::{audio_queue::AudioFrame, epoch::same_header, follower::Stretch, names::Dressed};

impl Segmenter {
    /// Publishes a segment with the first `frames` audio frames of the queue.
    pub(super) fn emit(&mut self, mut closing: Closing, frames: usize, fill_audio: bool) {
        let (mut media, completed) = (Vec::new(), closing.completed);
        let pictures = mem::take(&mut closing.pictures);
        if let Some(init) = closing.video.as_ref().filter(|_| !pictures.is_empty()) {
            let written = self.writer.video(init, pictures, closing.next_dts);
            media.extend(self.written(init.track.id, written));
        }
        self.cut_followers(&closing, &mut media);
        let (frames, next) = self.take_audio(frames, closing.end, fill_audio);
        if let Some(init) = closing.audio.as_ref().filter(|_| !frames.is_empty()) {
            let written = self.writer.audio(init, frames, next);
            media.extend(self.written(init.track.id, written));
        }
        self.cut_alternates(&closing, fill_audio, &mut media);
        if let State::Running(running) = &mut self.state {
            self.clock = Some(running.clock);
            if same_header(running.epoch.video.as_ref(), closing.video.as_ref()) {
                running.epoch.published = true;
            }
        }
        self.names.settle(&self.announced);
        let discontinuity = self.note_headers(&media) || closing.discontinuity;
        let Dressed { video, audio, ready_made } = self.names.dress(media);
        self.stats.segments += 1;
        self.stats.forced_cuts += u64::from(!closing.independent);
        self.stats.discontinuities += u64::from(discontinuity);
        self.publish(Segment {
            sequence: self.sequence,
            discontinuity,
            independent: closing.independent,
            start: Timestamp::new(closing.start, Timescale::VIDEO),
            duration: media_duration(closing.end.saturating_sub(closing.start)),
            program_date_time: self.wall_at(closing.start),
            video,
            audio,
            ready_made,
            filler: false,
            closed: completed,
        });
        self.release_new_alternates(completed);
    }

    fn cut_followers(&mut self, closing: &Closing, media: &mut Vec<Arc<TrackSegment>>) {
        let stretch = Stretch {
            start: closing.start,
            end: closing.end,
            key_follows: closing.key_follows,
            tolerance: self.tolerance(),
        };
        for mut follower in mem::take(&mut self.followers) {
            let (cut, dropped) = follower.cut(stretch);
            self.stats.dropped_video += count(dropped);
            if let Some(cut) = cut {
                let written = self.writer.video(&cut.init, cut.pictures, cut.next_dts);
                media.extend(self.written(follower.id(), written));
            }
            self.followers.push(follower);
        }
    }

    fn cut_alternates(
        &mut self,
        closing: &Closing,
        fill: bool,
        media: &mut Vec<Arc<TrackSegment>>,
    ) {
        for mut alternate in mem::take(&mut self.alternates) {
            let (cut, dropped) = alternate.cut(closing.end, fill);
            self.stats.dropped_audio += count(dropped);
            if let Some(cut) = cut {
                let written = self.writer.audio(&cut.init, cut.frames, cut.next);
                media.extend(self.written(alternate.id(), written));
            }
            self.alternates.push(alternate);
        }
    }

    /// Notes the headers of what leaves; whether one replaces another of the same track.
    fn note_headers(&mut self, media: &[Arc<TrackSegment>]) -> bool {
        let mut replaced = false;
        for track in media {
            let header = self.headers.insert(track.init.track.id, Arc::clone(&track.init));
            replaced |= header.is_some_and(|before| !Arc::ptr_eq(&before, &track.init));
        }
        replaced
    }

    /// The next `frames` audio frames, and where the last of them ends.
    fn take_audio(&mut self, frames: usize, end: i64, fill: bool) -> (Vec<AudioFrame>, i64) {
        let Some(audio) = &mut self.audio else { return (Vec::new(), 0) };
        let end = audio.on_own_clock(end);
        let (frames, next) = audio.take(frames);
        (frames, if fill { end } else { next })
    }

    pub(super) fn written(
        &mut self,
        track: TrackId,
        written: Result<TrackSegment, CmafError>,
    ) -> Option<Arc<TrackSegment>> {
        match written {
            Ok(segment) => Some(Arc::new(segment)),
            Err(error) => {
                self.unwritable(track, error);
                None
            }
        }
    }
}
