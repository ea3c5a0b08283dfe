//! What is listed while there is no media.

use std::{sync::Arc, time::Instant};

use container::cmaf::CmafError;
use media::{ReadyMade, Segment, Timescale, Timestamp, TrackSegment};

use super::{Segmenter, State, media_duration};
use crate::{
    Filler,
    filler::{FillerLine, FillerRun},
    writer::Writer,
};

impl Segmenter {
    /// Stand-ins show this from now on, until there are media again. Without effect while there are, or when
    /// there never were any.
    pub fn set_filler(&mut self, filler: Filler) {
        if self.published && matches!(self.state, State::Waiting(_)) {
            self.filler = Some(FillerLine::new(filler));
        }
    }

    /// The number after the last: filler, where there is some, else nothing. It was due at `due`, and should
    /// be `length` ticks of 90 kHz long.
    pub(super) fn make_stand_in(&mut self, length: i64, due: Instant) {
        let start = self.cursor;
        let mut segment = Segment {
            sequence: self.sequence,
            discontinuity: false,
            independent: true,
            start: Timestamp::new(start, Timescale::VIDEO),
            duration: media_duration(length),
            program_date_time: self.wall_at(start),
            video: None,
            audio: None,
            ready_made: Vec::new(),
            filler: false,
            closed: due,
        };
        let mut end = start.saturating_add(length);
        if let Some(mut line) = self.filler.take() {
            let (line_end, first) = line.next(start, length, self.legal_end(start, i64::MAX));
            end = line_end;
            segment.duration = media_duration(end.saturating_sub(start));
            segment.discontinuity = first;
            self.fill(&line, end, &mut segment);
            segment.filler = !segment.is_gap();
            self.target.saw_segment(end.saturating_sub(start));
            self.stats.filler += u64::from(segment.filler);
            self.stats.discontinuities += u64::from(first);
            self.filler = Some(line);
        }
        self.cursor = end;
        self.stats.stand_ins += 1;
        self.publish(segment);
    }

    fn fill(&mut self, line: &FillerLine, end: i64, segment: &mut Segment) {
        let start = segment.start.ticks();
        segment.video = line.video(start, end).and_then(|video| self.filled(video));
        segment.audio = line.audio(start, end).and_then(|audio| self.filled(audio));
        segment.ready_made = line
            .ready_made(start, end)
            .map(|(name, stretch)| ReadyMade {
                name: name.clone(),
                media: stretch.and_then(|stretch| self.filled(stretch)),
            })
            .collect();
    }

    fn filled(&mut self, stretch: FillerRun<'_>) -> Option<Arc<TrackSegment>> {
        let track = stretch.init.track.id;
        let written = write(&mut self.writer, stretch);
        self.written(track, written)
    }
}

fn write(writer: &mut Writer, stretch: FillerRun<'_>) -> Result<TrackSegment, CmafError> {
    writer.samples(stretch.init, stretch.begin, stretch.samples)
}
