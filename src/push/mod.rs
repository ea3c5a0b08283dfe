//! HTTP push: whole segments in, their renditions back in the response.

mod answers;
mod grants;
mod switched_off;

pub(crate) use answers::{Asked, PushAnswers};
pub(crate) use grants::{Grants, presented};
pub(crate) use switched_off::switched_off_service;

use ingest::{
    BoxFuture, PushAdmission,
    push::{PushAnswer, PushRefusal, PushRequest, PushedSegment},
};
use media::{Ladder, StreamName};
use tokio::sync::oneshot;

use crate::streams::Streams;

/// A pushed segment on its way to its stream.
#[derive(Debug)]
pub(crate) struct Pushed {
    /// The media.
    pub segment: PushedSegment,
    /// What to transcode it to, where the client says so; settled with the stream's first segment.
    pub ladder: Option<Ladder>,
    /// How it is to be answered.
    pub asked: Asked,
}

impl PushAdmission for Streams {
    fn admit<'a>(
        &'a self,
        request: &'a PushRequest,
    ) -> BoxFuture<'a, Result<StreamName, PushRefusal>> {
        Box::pin(async move {
            let stream = self.admit_push(request).await?;
            self.look_up_numbers(&stream.name).await;
            Ok(stream.name.clone())
        })
    }

    fn push(
        &self,
        _stream: StreamName,
        request: PushRequest,
        segment: PushedSegment,
    ) -> BoxFuture<'_, Result<PushAnswer, PushRefusal>> {
        // Within the call: segments keep their order.
        let queued = self.queue(&request, segment);
        Box::pin(async move {
            let gone = |_| PushRefusal::Transient("the stream has ended".to_owned());
            queued?.await.map_err(gone)?
        })
    }
}

impl Streams {
    fn queue(
        &self,
        request: &PushRequest,
        segment: PushedSegment,
    ) -> Result<oneshot::Receiver<Result<PushAnswer, PushRefusal>>, PushRefusal> {
        let (reply, answer) = oneshot::channel();
        let ladder = request.configuration.as_ref().and_then(|it| it.ladder.clone());
        let asked = Asked {
            container: request.container,
            wants_renditions: request.wants_renditions,
            reply,
        };
        self.push_segment(request, Pushed { segment, ladder, asked })?;
        Ok(answer)
    }
}
