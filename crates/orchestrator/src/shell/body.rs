//! An HTTP body over shared bytes.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use media::Chain;

/// A body that hands a [`Chain`]'s pieces to the connection one by one, as they are.
///
/// The length is known, so it goes out with `Content-Length`. A clone starts from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct ChainBody {
    pieces: <Chain as IntoIterator>::IntoIter,
    left: u64,
    started: Arc<OnceLock<Instant>>,
}

impl ChainBody {
    /// A body of these bytes.
    pub(crate) fn new(chain: Chain) -> Self {
        let left = u64::try_from(chain.len()).unwrap_or(u64::MAX);
        Self { pieces: chain.into_iter(), left, started: Arc::default() }
    }

    /// Set when the connection takes the first piece, that is, once it is ready to write it.
    pub(crate) fn started(&self) -> Arc<OnceLock<Instant>> {
        Arc::clone(&self.started)
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
        self.started.get_or_init(|| tokio::time::Instant::now().into_std());
        self.left = self.left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
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
        let started = body.started();
        assert_eq!(body.size_hint().exact(), Some(50_107));
        assert!(started.get().is_none());
        for piece in &pieces {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((frame.as_ptr(), frame.len()), (piece.as_ptr(), piece.len()));
            assert!(started.get().is_some());
        }
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}
