//! The door that pushed segments come in by.

use ingest::{
    BoxFuture, PushAdmission,
    push::{PushAnswer, PushRefusal, PushRequest, PushedSegment},
};
use media::StreamName;
use tokio::sync::oneshot;

use super::Streams;
use crate::push::{Asked, Pushed};

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
