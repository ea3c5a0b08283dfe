//! Streams whose publisher pushes whole segments.

use std::{collections::HashMap, sync::Arc};

use ingest::push::{PushRefusal, PushRequest};
use media::StreamName;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Live, Pushes, StreamFigures, Streams};
use crate::{
    config::StreamConfig,
    push::Pushed,
    stream_task::{Feed, Publisher},
};

/// Pushed segments that may wait for their stream; the push service has no more of one stream under
/// way. When full, the client is told to come again.
const PUSHES_QUEUED: usize = 16;

impl Streams {
    /// The stream that a push is for: a bearer token or the manifest is its key.
    fn pushed_stream(&self, request: &PushRequest) -> Result<Arc<StreamConfig>, PushRefusal> {
        if self.0.draining.is_cancelled() {
            return Err(PushRefusal::ShuttingDown);
        }
        let key = request.bearer.as_ref().unwrap_or(&request.manifest);
        let unknown = || PushRefusal::Forbidden("no stream has this key".to_owned());
        self.find_without_asking(key).ok_or_else(unknown)
    }

    /// The stream that a push is for, if the registry lets it: asked before the body is read.
    pub(crate) fn admit_push(
        &self,
        request: &PushRequest,
    ) -> Result<Arc<StreamConfig>, PushRefusal> {
        let stream = self.pushed_stream(request)?;
        self.may_push(&self.live(), &stream.name)?;
        Ok(stream)
    }

    /// Where the stream's segments go, if it has started; or why none may be pushed now.
    fn may_push<'a>(
        &self,
        live: &'a HashMap<StreamName, Live>,
        stream: &StreamName,
    ) -> Result<Option<&'a Pushes>, PushRefusal> {
        match live.get(stream) {
            Some(Live { pushes: Some(pushes), .. }) if pushes.ended.is_cancelled() => Err(ending()),
            Some(Live { pushes: Some(pushes), .. }) => Ok(Some(pushes)),
            Some(Live { pushes: None, .. }) => {
                Err(PushRefusal::Forbidden("the stream is published over RTMP".to_owned()))
            }
            None if live.len() >= self.streams_max() => Err(PushRefusal::NoStreamSlot),
            None => Ok(None),
        }
    }

    /// Hands a segment to its stream, which starts with the first one.
    pub(crate) fn push_segment(
        &self,
        request: &PushRequest,
        pushed: Pushed,
    ) -> Result<(), PushRefusal> {
        let stream = self.pushed_stream(request)?;
        let mut live = self.live();
        if let Some(pushes) = self.may_push(&live, &stream.name)? {
            return pushes.segments.try_send(pushed).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    PushRefusal::Full("the stream is behind with earlier segments")
                }
                mpsc::error::TrySendError::Closed(_) => ending(),
            });
        }
        let (segments, received) = mpsc::channel(PUSHES_QUEUED);
        // The channel is new and has room.
        drop(segments.try_send(pushed));
        let pushes = Pushes { segments, ended: CancellationToken::new() };
        let publisher = Publisher::pushing(received, pushes.ended.clone());
        let arrivals = self.start(&stream, self.0.parts.sequences.begin(&stream.name), publisher);
        let playback_id = stream.playback_id.clone();
        let figures = StreamFigures::starting(tokio::time::Instant::now().into_std());
        let pushes = Some(pushes);
        let entry = Live { playback_id, arrivals, holder: None, pushes, figures };
        live.insert(stream.name.clone(), entry);
        Ok(())
    }
}

fn ending() -> PushRefusal {
    PushRefusal::Transient("the stream is just ending".to_owned())
}

impl Publisher {
    fn pushing(segments: mpsc::Receiver<Pushed>, ended: CancellationToken) -> Self {
        Self { connection: ingest::ConnectionId(0), feed: Feed::Segments(segments), ended }
    }
}
