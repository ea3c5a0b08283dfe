//! A response body made of a segment's own pieces.

use std::{
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::task::JoinSet;

use super::directory::lock;
use crate::FileContent;

/// The client did not take the file in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client did not take the file in time")]
pub(super) struct SendTimeout;

/// Sends a range of a media file, one frame per piece, without copying any byte.
///
/// It keeps the file's memory alive, so that a slow reader gets the whole of it even after the file
/// left its window, for a limited time (HLS rule H-11). Then it lets go of the memory, polled or not,
/// and the next poll fails, which ends the HTTP/1.1 connection or the HTTP/2 stream.
#[derive(Debug)]
pub(super) struct MediaBody {
    /// `None` once the time is over.
    content: Arc<Mutex<Option<FileContent>>>,
    /// Empties `content` in time. A timer within [`Body::poll_frame`] would not do: the server polls
    /// no body while the client's window is closed or the socket is full.
    _expiry: JoinSet<()>,
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
    /// The bytes `range` of `content`, to be taken within `limit` from now; what was taken is added
    /// to `counter` at the end. To be called within a tokio runtime.
    pub(super) fn new(
        content: FileContent,
        range: Range<usize>,
        limit: Duration,
        counter: Counter,
    ) -> Self {
        let (skip, left) = (range.start, range.len());
        let content = Arc::new(Mutex::new(Some(content)));
        let expiring = Arc::clone(&content);
        let mut expiry = JoinSet::new();
        let over = tokio::time::sleep(limit);
        expiry.spawn(async move {
            over.await;
            let expired = lock(&expiring).take();
            drop(expired);
        });
        Self { content, _expiry: expiry, part: 0, piece: 0, skip, left, sent: 0, counter }
    }

    /// The next piece of the file.
    fn next_piece(&mut self, content: &FileContent) -> Option<Bytes> {
        let piece = match content {
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

    /// The next frame's bytes; `None` after the last.
    fn next_bytes(&mut self) -> Result<Option<Bytes>, SendTimeout> {
        if self.left == 0 {
            return Ok(None);
        }
        let content = lock(&self.content).clone().ok_or(SendTimeout)?;
        Ok(self.next_bytes_of(&content))
    }

    fn next_bytes_of(&mut self, content: &FileContent) -> Option<Bytes> {
        while self.left > 0 {
            let piece = self.next_piece(content)?;
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
    type Error = SendTimeout;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendTimeout>>> {
        Poll::Ready(self.get_mut().next_bytes().map(|bytes| bytes.map(Frame::data)).transpose())
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

    const LIMIT: Duration = Duration::from_secs(30);

    fn block_on<F: Future>(future: F) -> F::Output {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap().block_on(future)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_too_long_frees_the_file_and_gets_an_error() {
        let segment = testing::segment_of_pieces(&[vec![4, 4, 4]]);
        let memory = Arc::downgrade(&segment);
        let content = FileContent::Segment(segment);
        let mut body = MediaBody::new(content, 0..12, LIMIT, Counter::default());
        tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 4);
        assert!(memory.upgrade().is_some());
        // Nobody polls it from here on.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(memory.upgrade().is_none());
        assert_eq!((body.is_end_stream(), body.size_hint().exact()), (false, Some(8)));
        assert_eq!(body.frame().await.unwrap().unwrap_err(), SendTimeout);
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
            let (hint, sent) = block_on(async {
                let body = MediaBody::new(content, start..end, LIMIT, counter.clone());
                (body.size_hint().exact(), body.collect().await.unwrap().to_bytes())
            });
            prop_assert_eq!(hint, Some((end - start) as u64));
            prop_assert_eq!(&sent[..], &whole[start..end]);
            prop_assert_eq!(counter.get(), (end - start) as u64);
        }
    }
}
