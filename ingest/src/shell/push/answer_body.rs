//! A response body over the pieces of an answer.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use media::Chain;
use tokio::task::JoinSet;

type Pieces = <Chain as IntoIterator>::IntoIter;

/// The client did not take its answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client did not take its answer in time")]
pub(super) struct SendTimeout;

/// Hands a [`Chain`]'s pieces to the connection one by one, as they are, for a limited time: then it
/// lets go of the memory, polled or not, and the next poll fails, which ends the connection.
#[derive(Debug)]
pub(super) struct AnswerBody {
    /// `None` once the time is over.
    pieces: Arc<Mutex<Option<Pieces>>>,
    left: u64,
    /// Empties `pieces` in time: the server polls no body while the client's window is closed.
    _expiry: JoinSet<()>,
}

impl AnswerBody {
    /// To be called within a tokio runtime.
    pub(super) fn new(chain: Chain, limit: Duration) -> Self {
        let left = u64::try_from(chain.len()).unwrap_or(u64::MAX);
        let pieces = Arc::new(Mutex::new(Some(chain.into_iter())));
        let expiring = Arc::clone(&pieces);
        let mut expiry = JoinSet::new();
        let over = tokio::time::sleep(limit);
        expiry.spawn(async move {
            over.await;
            let expired = lock(&expiring).take();
            drop(expired);
        });
        Self { pieces, left, _expiry: expiry }
    }
}

fn lock(pieces: &Mutex<Option<Pieces>>) -> MutexGuard<'_, Option<Pieces>> {
    pieces.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = SendTimeout;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendTimeout>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = lock(&self.pieces).as_mut().map(Iterator::next);
        Poll::Ready(match next {
            None => Some(Err(SendTimeout)),
            Some(None) => None,
            Some(Some(piece)) => {
                let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                self.left = self.left.saturating_sub(len);
                Some(Ok(Frame::data(piece)))
            }
        })
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
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pieces_come_uncopied_until_the_time_is_over() {
        let pieces = [vec![1_u8; 100], vec![2; 50]].map(Bytes::from);
        let chain: Chain = pieces.iter().cloned().collect();
        let mut body = AnswerBody::new(chain, Duration::from_secs(9));
        assert_eq!(body.size_hint().exact(), Some(150));
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.as_ptr(), pieces[0].as_ptr());
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(lock(&body.pieces).is_none(), "nobody had to poll for it");
        assert_eq!(body.frame().await.unwrap().unwrap_err(), SendTimeout);
    }
}
