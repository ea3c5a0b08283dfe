//! What a segment is sent as.

use std::collections::BTreeMap;

use container::ts::{TsError, TsWriter};
use media::{Chain, Segment, SequenceNumber, TrackSegment};
use orchestrator::BodyContainer;

/// Request bodies of one stream. Only video is sent: the audio of results is never used.
///
/// A CMAF body shares the source segment's bytes. An MPEG-TS body is written once per segment,
/// whatever the number of attempts, and kept until the segment is released.
#[derive(Debug)]
pub(super) struct RequestBodies {
    writer: TsWriter,
    muxed: BTreeMap<SequenceNumber, Chain>,
}

impl RequestBodies {
    pub(super) fn new() -> Self {
        Self { writer: TsWriter::new(), muxed: BTreeMap::new() }
    }

    /// The body of a segment in a container.
    pub(super) fn body(
        &mut self,
        segment: &Segment,
        video: &TrackSegment,
        container: BodyContainer,
    ) -> Result<Chain, TsError> {
        match container {
            BodyContainer::Cmaf => Ok(cmaf(video)),
            BodyContainer::MpegTs => {
                if let Some(body) = self.muxed.get(&segment.sequence) {
                    return Ok(body.clone());
                }
                let body = Chain::from(self.writer.segment(Some(video), None)?);
                self.muxed.insert(segment.sequence, body.clone());
                Ok(body)
            }
        }
    }

    /// Drops the bodies of everything up to a released number.
    pub(super) fn forget(&mut self, released: SequenceNumber) {
        self.muxed = self.muxed.split_off(&released.next());
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
    use super::*;
    use crate::test_media::video;

    #[test]
    fn a_cmaf_body_shares_the_segments_bytes() {
        let video = video(1920, 1080, 0, 60, 180_000);
        let body = cmaf(&video);
        let addresses: Vec<_> = body.pieces().map(|piece| piece.as_ptr()).collect();
        let source = std::iter::once(&video.init.bytes).chain(video.body());
        assert_eq!(addresses, source.map(|piece| piece.as_ptr()).collect::<Vec<_>>());
    }
}
