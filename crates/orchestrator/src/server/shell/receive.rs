//! The body of an upload.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use media::Chain;
use sha3::{Digest, Keccak256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Duration, Instant, timeout_at},
};

use super::UPLOAD_UNIT;
use crate::{keccak::Hash, server::refusal::Refusal};

/// Pieces below this are gathered: each piece of a chain has a price of its own, and may hold on to a
/// larger buffer.
const SMALL_PIECE: usize = 8 << 10;
/// Gathered pieces become a piece of the chain at this size.
const GATHERED_PIECE: usize = 64 << 10;
/// How much of a refused upload is read, and for how long: a gateway sees an answer only once it has
/// sent its body, unless the connection breaks first.
const DRAIN_BYTES: u64 = 16 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A segment that has arrived.
#[derive(Debug)]
pub(super) enum Arrival {
    /// In memory.
    Whole(Upload),
    /// Read to its end but not kept: there was no memory for it.
    Discarded,
}

/// A segment in memory.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) body: Chain,
    pub(super) hash: Hash,
    /// Its share of the memory for uploads.
    #[expect(dead_code, reason = "given back when dropped")]
    pub(super) memory: OwnedSemaphorePermit,
}

/// Reads a whole segment, hashing it as it comes.
pub(super) async fn receive(
    body: Body,
    limit: u64,
    memory: &Arc<Semaphore>,
    deadline: Instant,
) -> Result<Arrival, Refusal> {
    if body.size_hint().lower() > limit {
        drain(body).await;
        return Err(Refusal::too_large());
    }
    timeout_at(deadline, read(body, limit, memory))
        .await
        .unwrap_or_else(|_| Err(Refusal::internal()))
}

async fn read(mut body: Body, limit: u64, memory: &Arc<Semaphore>) -> Result<Arrival, Refusal> {
    let mut gathering = Gathering::default();
    let mut hash = Keccak256::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut discard = false;
    let mut arrived = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::internal())?;
        let Ok(piece) = frame.into_data() else { continue };
        arrived += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if arrived > limit {
            return Err(Refusal::too_large());
        }
        if !discard && reserve(&mut held, arrived, memory).is_none() {
            (discard, gathering, held) = (true, Gathering::default(), None);
        }
        if !discard {
            hash.update(&piece);
            gathering.push(piece);
        }
    }
    if discard {
        return Ok(Arrival::Discarded);
    }
    // An empty segment holds one unit like any other.
    reserve(&mut held, 1, memory);
    match held {
        Some(memory) => {
            let (body, hash) = (gathering.finish(), hash.finalize().into());
            Ok(Arrival::Whole(Upload { body, hash, memory }))
        }
        None => Ok(Arrival::Discarded),
    }
}

/// Makes `held` cover `bytes`; `None` when the memory is used up.
fn reserve(
    held: &mut Option<OwnedSemaphorePermit>,
    bytes: u64,
    memory: &Arc<Semaphore>,
) -> Option<()> {
    let wanted = usize::try_from(bytes.div_ceil(UPLOAD_UNIT)).ok()?;
    let have = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let more = u32::try_from(wanted.saturating_sub(have)).ok()?;
    if more > 0 {
        let permit = Arc::clone(memory).try_acquire_many_owned(more).ok()?;
        match held {
            Some(held) => held.merge(permit),
            None => *held = Some(permit),
        }
    }
    Some(())
}

/// Reads on after a refusal, within bounds, so that the gateway gets to see it.
pub(super) async fn drain(mut body: Body) {
    let reading = async {
        let mut read = 0_u64;
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            read += u64::try_from(len).unwrap_or(u64::MAX);
            if read > DRAIN_BYTES {
                return;
            }
        }
    };
    // Whether it ended or not, the refusal is sent now.
    tokio::time::timeout(DRAIN_TIME, reading).await.unwrap_or_default();
}

/// A chain in the making, whose small pieces are put together.
#[derive(Debug, Default)]
struct Gathering {
    chain: Chain,
    small: BytesMut,
}

impl Gathering {
    fn push(&mut self, piece: Bytes) {
        if piece.len() < SMALL_PIECE {
            self.small.extend_from_slice(&piece);
            if self.small.len() >= GATHERED_PIECE {
                self.chain.push(self.small.split().freeze());
            }
        } else {
            self.chain.push(self.small.split().freeze());
            self.chain.push(piece);
        }
    }

    fn finish(mut self) -> Chain {
        self.chain.push(self.small.freeze());
        self.chain
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::keccak::keccak_of;

    fn body(pieces: Vec<Bytes>) -> Body {
        Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_segment_is_hashed_and_kept_in_few_pieces() {
        let memory = Arc::new(Semaphore::new(8));
        let mut pieces = vec![Bytes::from_static(b"x"); 100_000];
        pieces.push(Bytes::from(vec![1; 100_000]));
        pieces.push(Bytes::from_static(b"end"));
        let whole: Chain = pieces.iter().cloned().collect();
        let Ok(Arrival::Whole(upload)) = receive(body(pieces), 1 << 20, &memory, soon()).await
        else {
            panic!("it fits")
        };
        assert_eq!(upload.hash, keccak_of(&whole));
        assert_eq!(upload.body.to_contiguous(), whole.to_contiguous());
        assert_eq!(upload.body.piece_count(), 4);
        assert_eq!(memory.available_permits(), 7);
        drop(upload);
        assert_eq!(memory.available_permits(), 8);
    }

    #[tokio::test]
    async fn without_memory_a_segment_is_read_and_dropped() {
        let memory = Arc::new(Semaphore::new(1));
        let pieces = vec![Bytes::from(vec![1; 700_000]); 3];
        let arrival = receive(body(pieces), 4 << 20, &memory, soon()).await;
        assert!(matches!(arrival, Ok(Arrival::Discarded)));
        assert_eq!(memory.available_permits(), 1);
    }

    #[tokio::test]
    async fn too_large_slow_and_broken_bodies_are_refused() {
        let memory = Arc::new(Semaphore::new(8));
        let refused = |arrival: Result<Arrival, Refusal>| arrival.unwrap_err();
        let announced = Body::from(vec![1; 2_000]);
        assert_eq!(refused(receive(announced, 1_999, &memory, soon()).await), Refusal::too_large());
        let pieces = vec![Bytes::from(vec![1; 1_000]); 2];
        assert_eq!(
            refused(receive(body(pieces), 1_999, &memory, soon()).await),
            Refusal::too_large()
        );
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        let broken = Body::from_stream(broken);
        assert_eq!(refused(receive(broken, 9, &memory, soon()).await), Refusal::internal());
        let stuck = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let due = Instant::now() + Duration::from_millis(10);
        assert_eq!(refused(receive(stuck, 9, &memory, due).await), Refusal::internal());
        assert_eq!(memory.available_permits(), 8);
    }
}
