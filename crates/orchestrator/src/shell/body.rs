//! An HTTP body over shared bytes.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use media::Chain;

/// How far the connection has got with a [`ChainBody`].
#[derive(Debug, Default)]
pub(crate) struct Progress {
    started: OnceLock<Instant>,
    sent: AtomicU64,
}

impl Progress {
    /// When the connection took the first piece, that is, was ready to write it.
    pub(crate) fn started(&self) -> Option<Instant> {
        self.started.get().copied()
    }

    /// Bytes the connection has taken.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A body that hands a [`Chain`]'s pieces to the connection one by one, as they are.
///
/// The length is known, so it goes out with `Content-Length`. A clone starts from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct ChainBody {
    pieces: <Chain as IntoIterator>::IntoIter,
    left: u64,
    progress: Arc<Progress>,
}

impl ChainBody {
    /// A body of these bytes.
    pub(crate) fn new(chain: Chain) -> Self {
        let left = u64::try_from(chain.len()).unwrap_or(u64::MAX);
        Self { pieces: chain.into_iter(), left, progress: Arc::default() }
    }

    /// How far the connection gets with it.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Body for ChainBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(piece) = self.pieces.next() else { return Poll::Ready(None) };
        self.progress.started.get_or_init(|| tokio::time::Instant::now().into_std());
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.progress.sent.fetch_add(length, Ordering::Relaxed);
        self.left = self.left.saturating_sub(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_reach_the_connection_uncopied() {
        let pieces = [vec![1_u8; 100], vec![2; 50_000], vec![3; 7]].map(Bytes::from);
        let mut body = ChainBody::new(pieces.iter().cloned().collect());
        let progress = body.progress();
        assert_eq!(body.size_hint().exact(), Some(50_107));
        assert_eq!((progress.started(), progress.sent()), (None, 0));
        for piece in &pieces {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((frame.as_ptr(), frame.len()), (piece.as_ptr(), piece.len()));
            assert!(progress.started().is_some());
        }
        assert_eq!(progress.sent(), 50_107);
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}
