//! A response body made of a segment's own pieces.

use std::{
    convert::Infallible,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;

use crate::FileContent;

/// Sends a range of a media file, one frame per piece, without copying any byte.
///
/// It keeps the file's memory alive, so that a slow reader gets the whole of it even after the file
/// left its window (HLS rule H-11).
#[derive(Debug)]
pub(super) struct MediaBody {
    content: FileContent,
    /// The next piece: number of its part, and its number within the part.
    part: usize,
    piece: usize,
    /// Bytes to leave out before the first frame.
    skip: usize,
    /// Bytes still to send.
    left: usize,
    sent: u64,
    counter: Counter,
}

impl MediaBody {
    /// The bytes `range` of `content`; what was taken is added to `counter` at the end.
    pub(super) fn new(content: FileContent, range: Range<usize>, counter: Counter) -> Self {
        let (skip, left) = (range.start, range.len());
        Self { content, part: 0, piece: 0, skip, left, sent: 0, counter }
    }

    /// The next piece of the file.
    fn next_piece(&mut self) -> Option<Bytes> {
        let piece = match &self.content {
            FileContent::Init(init) => {
                if self.piece > 0 {
                    return None;
                }
                init.bytes.clone()
            }
            FileContent::Segment(segment) => loop {
                let part = segment.parts.get(self.part)?;
                if let Some(piece) = part.body.pieces().nth(self.piece) {
                    break piece.clone();
                }
                self.part += 1;
                self.piece = 0;
            },
        };
        self.piece += 1;
        Some(piece)
    }

    /// The next frame's bytes.
    fn next_bytes(&mut self) -> Option<Bytes> {
        while self.left > 0 {
            let piece = self.next_piece()?;
            if self.skip >= piece.len() {
                self.skip -= piece.len();
                continue;
            }
            let end = self.skip.saturating_add(self.left).min(piece.len());
            let bytes = piece.slice(self.skip..end);
            self.skip = 0;
            self.left -= bytes.len();
            self.sent += u64::try_from(bytes.len()).unwrap_or_default();
            return Some(bytes);
        }
        None
    }
}

impl Body for MediaBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().next_bytes().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.left).unwrap_or(u64::MAX))
    }
}

impl Drop for MediaBody {
    fn drop(&mut self) {
        self.counter.inc_by(self.sent);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn any_range_is_that_slice_of_the_file(
            pieces in prop::collection::vec(prop::collection::vec(1_usize..9, 0..5), 1..4),
            from in 0_usize..100,
            len in 0_usize..100,
        ) {
            let segment = testing::segment_of_pieces(&pieces);
            let whole: Vec<u8> = segment.body().flatten().copied().collect();
            let start = from.min(whole.len());
            let end = (start + len).min(whole.len());
            let content = FileContent::Segment(segment);
            let counter = Counter::default();
            let body = MediaBody::new(content, start..end, counter.clone());
            prop_assert_eq!(body.size_hint().exact(), Some((end - start) as u64));
            let sent = block_on(body.collect()).unwrap().to_bytes();
            prop_assert_eq!(&sent[..], &whole[start..end]);
            prop_assert_eq!(counter.get(), (end - start) as u64);
        }
    }
}
