//! The body of a pushed segment.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{timeout, timeout_at},
};

use super::PushConfig;
use crate::push::{PushRefusal, SegmentDigest, SegmentHasher};

/// Memory for bodies is given out in pieces of this size, in bytes.
const UNIT: u64 = 64 << 10;
/// How much of a refused body is read, and for how long: a client sees an answer only once it has sent
/// its body, unless the connection breaks first.
const DRAIN_BYTES: u64 = 16 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A body in memory.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) digest: SegmentDigest,
    /// Its share of the memory for bodies, given back when dropped.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

/// Memory for bodies.
pub(super) fn memory(config: &PushConfig) -> Arc<Semaphore> {
    let units = usize::try_from(config.bytes_in_flight / UNIT).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)))
}

/// Reads a whole body, hashing it as it comes.
pub(super) async fn receive(
    mut body: Body,
    hash: SegmentHasher,
    config: &PushConfig,
    memory: &Arc<Semaphore>,
) -> Result<Received, PushRefusal> {
    let deadline = tokio::time::Instant::now() + config.body_limit;
    let received = timeout_at(deadline, read(&mut body, hash, config.segment_bytes, memory)).await;
    match received {
        Ok(Err(refusal @ (PushRefusal::TooLarge { .. } | PushRefusal::Full(_)))) => {
            drain(body).await;
            Err(refusal)
        }
        Ok(received) => received,
        Err(_) => Err(PushRefusal::BodyLate(config.body_limit.as_secs())),
    }
}

async fn read(
    body: &mut Body,
    mut hash: SegmentHasher,
    limit: u64,
    memory: &Arc<Semaphore>,
) -> Result<Received, PushRefusal> {
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(PushRefusal::TooLarge { limit });
    }
    let mut held = None;
    reserve(&mut held, announced, memory)?;
    let mut bytes = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
    let mut arrived = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| PushRefusal::BodyBroken)?;
        let Ok(piece) = frame.into_data() else { continue };
        arrived = arrived.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if arrived > limit {
            return Err(PushRefusal::TooLarge { limit });
        }
        reserve(&mut held, arrived, memory)?;
        hash.update(&piece);
        bytes.extend_from_slice(&piece);
    }
    Ok(Received { bytes: bytes.freeze(), digest: hash.finish(), memory: held })
}

/// Makes `held` cover `bytes`.
fn reserve(
    held: &mut Option<OwnedSemaphorePermit>,
    bytes: u64,
    memory: &Arc<Semaphore>,
) -> Result<(), PushRefusal> {
    let full = || PushRefusal::Full("too many bytes of segments are under way");
    let wanted = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| full())?;
    let have = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let more = wanted.saturating_sub(u32::try_from(have).unwrap_or(u32::MAX));
    if more > 0 {
        let permit = Arc::clone(memory).try_acquire_many_owned(more).map_err(|_| full())?;
        match held {
            Some(held) => held.merge(permit),
            None => *held = Some(permit),
        }
    }
    Ok(())
}

/// Reads on after a refusal, within bounds, so that the client gets to see it.
pub(super) async fn drain(mut body: Body) {
    let reading = async {
        let mut read = 0_u64;
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            read = read.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            if read > DRAIN_BYTES {
                return;
            }
        }
    };
    // Whether it ended or not, the refusal is sent now.
    timeout(DRAIN_TIME, reading).await.unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn config(segment_bytes: u64) -> PushConfig {
        PushConfig { segment_bytes, ..PushConfig::default() }
    }

    /// A body of unknown length.
    fn body(pieces: Vec<Bytes>) -> Body {
        Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)))
    }

    async fn receive_with(
        body: Body,
        segment_bytes: u64,
        memory: &Arc<Semaphore>,
    ) -> Result<Received, PushRefusal> {
        receive(body, SegmentHasher::new(b""), &config(segment_bytes), memory).await
    }

    #[tokio::test]
    async fn a_body_is_the_same_whole_and_in_pieces_and_gives_its_memory_back() {
        let memory = Arc::new(Semaphore::new(4));
        let whole = Bytes::from(vec![7; 200_000]);
        let known = receive_with(Body::from(whole.clone()), 1 << 20, &memory).await.unwrap();
        assert_eq!(memory.available_permits(), 0);
        let digest = known.digest;
        drop(known);
        let pieces = whole.chunks(999).map(Bytes::copy_from_slice).collect();
        let pieces = receive_with(body(pieces), 1 << 20, &memory).await.unwrap();
        assert_eq!((pieces.bytes, pieces.digest), (whole, digest));
        drop(pieces.memory);
        assert_eq!(memory.available_permits(), 4);
    }

    #[tokio::test]
    async fn the_limit_is_the_last_byte_taken() {
        let memory = Arc::new(Semaphore::new(100));
        for (len, limit, taken) in [(1_000, 1_000, true), (1_001, 1_000, false)] {
            for body in [Body::from(vec![1; len]), body(vec![Bytes::from(vec![1; len])])] {
                let received = receive_with(body, limit, &memory).await;
                assert_eq!(received.is_ok(), taken);
                if let Err(refusal) = received {
                    assert_eq!(refusal, PushRefusal::TooLarge { limit });
                }
            }
        }
        assert_eq!(memory.available_permits(), 100);
    }

    #[tokio::test]
    async fn without_memory_a_body_is_refused_before_and_while_it_comes() {
        let memory = Arc::new(Semaphore::new(2));
        for body in [Body::from(vec![1; 200_000]), body(vec![Bytes::from(vec![1; 50_000]); 4])] {
            let refusal = receive_with(body, 1 << 20, &memory).await.unwrap_err();
            assert!(matches!(refusal, PushRefusal::Full(_)));
            assert_eq!(memory.available_permits(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_and_broken_bodies_end() {
        let memory = Arc::new(Semaphore::new(2));
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        let refusal = receive_with(Body::from_stream(broken), 9, &memory).await.unwrap_err();
        assert_eq!(refusal, PushRefusal::BodyBroken);
        let stuck = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let refusal = receive_with(stuck, 9, &memory).await.unwrap_err();
        assert_eq!(refusal, PushRefusal::BodyLate(30));
        let endless =
            stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![1; 1 << 16])));
        let refusal = receive_with(Body::from_stream(endless), 9, &memory).await.unwrap_err();
        assert!(matches!(refusal, PushRefusal::TooLarge { .. }));
        assert_eq!(memory.available_permits(), 2);
    }
}
