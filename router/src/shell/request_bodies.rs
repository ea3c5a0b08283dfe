//! What a segment is sent as.

use std::collections::BTreeMap;

use container::ts::{TsError, TsPreview, TsWriter};
use media::{Chain, Segment, SequenceNumber, TrackSegment};
use orchestrator::{BodyContainer, BodyHash};

/// Bytes of pictures worth a step ahead.
const STEP: usize = 32 << 10;
/// Most bytes hashed in a step: a fifth of a millisecond.
const HASH_STEP: usize = 64 << 10;

/// Request bodies of one stream. Only video is sent: the audio of results is never used.
///
/// A CMAF body shares the source segment's bytes. An MPEG-TS body is written once per segment,
/// whatever the number of attempts, and kept until the segment is released. Its hash, which its
/// request begins with, takes milliseconds: where the segment before was sent as MPEG-TS, the open
/// segment is written ahead and hashed while it comes in.
#[derive(Debug)]
pub(super) struct RequestBodies {
    writer: TsWriter,
    muxed: BTreeMap<SequenceNumber, RequestBody>,
    ahead: Option<Ahead>,
    /// MPEG-TS was wanted last.
    writes_ahead: bool,
}

/// A body, and what of it is hashed.
#[derive(Clone, Debug)]
pub(super) struct RequestBody {
    pub(super) body: Chain,
    pub(super) hashed: BodyHash,
}

impl RequestBodies {
    pub(super) fn new() -> Self {
        Self { writer: TsWriter::new(), muxed: BTreeMap::new(), ahead: None, writes_ahead: false }
    }

    /// The body of a segment in a container.
    pub(super) fn body(
        &mut self,
        segment: &Segment,
        video: &TrackSegment,
        container: BodyContainer,
    ) -> Result<RequestBody, TsError> {
        self.writes_ahead = container == BodyContainer::MpegTs;
        match container {
            BodyContainer::Cmaf => {
                Ok(RequestBody { body: cmaf(video), hashed: BodyHash::default() })
            }
            BodyContainer::MpegTs => {
                if let Some(body) = self.muxed.get(&segment.sequence) {
                    return Ok(body.clone());
                }
                let bytes = self.writer.segment(Some(video), None)?;
                let ahead = self.ahead.take().filter(|ahead| ahead.is_of(&bytes));
                let hashed = ahead.map(|ahead| ahead.hashed).unwrap_or_default();
                let body = RequestBody { body: Chain::from(bytes), hashed };
                self.muxed.insert(segment.sequence, body.clone());
                Ok(body)
            }
        }
    }

    /// Writes what has come of the open segment, `bytes` of pictures so far; `video` gives those decoded
    /// after a time.
    pub(super) fn write_ahead(
        &mut self,
        bytes: usize,
        video: impl FnOnce(Option<i64>) -> Option<TrackSegment>,
    ) {
        if !self.writes_ahead {
            return;
        }
        let taken = self.ahead.as_ref().map_or(0, |ahead| ahead.taken);
        if bytes >= taken.saturating_add(STEP)
            && let Some(video) = video(self.ahead.as_ref().map(|ahead| ahead.last))
        {
            let ahead = self.ahead.get_or_insert_with(|| Ahead::new(self.writer.preview()));
            if ahead.extend(&video, bytes).is_err() {
                // The segment itself will say what is wrong with it.
                self.ahead = None;
                self.writes_ahead = false;
            }
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.hash();
        }
    }

    /// Gives up what was written ahead.
    pub(super) fn forget_ahead(&mut self) {
        self.ahead = None;
    }

    /// Drops the bodies of everything up to a released number.
    pub(super) fn forget(&mut self, released: SequenceNumber) {
        self.muxed = self.muxed.split_off(&released.next());
    }
}

/// The open segment as MPEG-TS, as far as it has come, and the hash of most of it.
#[derive(Debug)]
struct Ahead {
    written: TsPreview,
    hashed: BodyHash,
    /// Bytes of the pictures in it.
    taken: usize,
    /// Decoding time of the last one, in ticks of 90 kHz.
    last: i64,
}

impl Ahead {
    fn new(written: TsPreview) -> Self {
        Self { written, hashed: BodyHash::default(), taken: 0, last: 0 }
    }

    fn extend(&mut self, video: &TrackSegment, bytes: usize) -> Result<(), TsError> {
        self.written.extend(video)?;
        let before_last = video.samples.iter().rev().skip(1);
        let ticks = before_last.map(|sample| u64::from(sample.duration)).sum::<u64>();
        let last = video.base_decode_time.saturating_add(ticks);
        self.last = i64::try_from(last).unwrap_or(i64::MAX);
        self.taken = bytes;
        Ok(())
    }

    fn hash(&mut self) {
        let rest = self.written.bytes().get(self.hashed.len()..).unwrap_or_default();
        self.hashed.update(rest.get(..HASH_STEP).unwrap_or(rest));
    }

    /// Whether what is hashed is the beginning of this.
    fn is_of(&self, whole: &[u8]) -> bool {
        let hashed = self.written.bytes().get(..self.hashed.len());
        hashed.is_some_and(|hashed| whole.starts_with(hashed))
    }
}

/// Init segment and fragments, by reference.
fn cmaf(video: &TrackSegment) -> Chain {
    let pieces = video.parts.iter().map(|part| part.body.piece_count()).sum::<usize>();
    let mut body = Chain::with_capacity(pieces + 1);
    body.push(video.init.bytes.clone());
    body.extend(video.body().cloned());
    body
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::test_media::{origin, segment, video};

    /// A picture's bytes.
    const PICTURE: usize = 20_000;

    /// Two seconds, 60 pictures, from a time in ticks of 90 kHz.
    fn pictures(start: u64) -> TrackSegment {
        let mut track = video(1920, 1080, start, 60, 180_000);
        for (index, sample) in (0_u8..).zip(&mut track.samples) {
            let length = u32::try_from(PICTURE - 4).unwrap().to_be_bytes();
            let mut payload = [&length[..], &[0x65]].concat();
            payload.resize(PICTURE, index);
            sample.payload = Chain::from(Bytes::from(payload));
        }
        track
    }

    fn part(whole: &TrackSegment, after: Option<i64>, until: usize) -> Option<TrackSegment> {
        let next = after.map_or(whole.base_decode_time, |it| u64::try_from(it + 3_000).unwrap());
        let first = usize::try_from((next - whole.base_decode_time) / 3_000).unwrap();
        let samples = whole.samples.get(first..until).filter(|it| !it.is_empty())?.to_vec();
        Some(TrackSegment { base_decode_time: next, samples, ..whole.clone() })
    }

    fn whole_body(bodies: &mut RequestBodies, number: u64, video: &TrackSegment) -> RequestBody {
        let segment = segment(number, origin(), Duration::from_secs(2));
        bodies.body(&segment, video, BodyContainer::MpegTs).unwrap()
    }

    fn follow(bodies: &mut RequestBodies, video: &TrackSegment, pictures: usize) {
        for come in 1..=pictures {
            bodies.write_ahead(come * PICTURE, |after| part(video, after, come));
        }
    }

    fn digest_of_all(body: &RequestBody) -> [u8; 32] {
        BodyHash::default().finish(&body.body)
    }

    #[test]
    fn a_cmaf_body_shares_the_segments_bytes() {
        let video = video(1920, 1080, 0, 60, 180_000);
        let body = cmaf(&video);
        let addresses: Vec<_> = body.pieces().map(|piece| piece.as_ptr()).collect();
        let source = std::iter::once(&video.init.bytes).chain(video.body());
        assert_eq!(addresses, source.map(|piece| piece.as_ptr()).collect::<Vec<_>>());
    }

    #[test]
    fn an_open_segment_is_hashed_while_it_comes() {
        let mut bodies = RequestBodies::new();
        let (first, second) = (pictures(0), pictures(180_000));
        follow(&mut bodies, &first, 60);
        let body = whole_body(&mut bodies, 1, &first);
        assert!(body.hashed.is_empty(), "nobody had asked for MPEG-TS yet");
        follow(&mut bodies, &second, 60);
        let body = whole_body(&mut bodies, 2, &second);
        let left = body.body.len() - body.hashed.len();
        assert!(left <= STEP + PICTURE, "{left} bytes are left to hash");
        assert_eq!(body.hashed.clone().finish(&body.body), digest_of_all(&body));
        assert_eq!(whole_body(&mut bodies, 2, &second).hashed.len(), body.hashed.len());
    }

    #[test]
    fn what_turns_out_otherwise_is_hashed_anew() {
        let mut bodies = RequestBodies::new();
        whole_body(&mut bodies, 1, &pictures(0));
        let (expected, other) = (pictures(180_000), pictures(360_000));
        follow(&mut bodies, &expected, 60);
        let body = whole_body(&mut bodies, 2, &other);
        assert!(body.hashed.is_empty());
        follow(&mut bodies, &pictures(540_000), 30);
        bodies.forget_ahead();
        let body = whole_body(&mut bodies, 3, &pictures(540_000));
        assert!(body.hashed.is_empty());
        assert_eq!(body.hashed.clone().finish(&body.body), digest_of_all(&body));
    }

    #[test]
    fn orchestrators_that_take_cmaf_cost_nothing_ahead() {
        let mut bodies = RequestBodies::new();
        whole_body(&mut bodies, 1, &pictures(0));
        let next = segment(2, origin(), Duration::from_secs(2));
        bodies.body(&next, &pictures(180_000), BodyContainer::Cmaf).unwrap();
        bodies.write_ahead(usize::MAX, |_| panic!("nothing is to be written"));
    }
}
