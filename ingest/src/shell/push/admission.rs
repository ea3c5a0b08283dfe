//! The port through which the root takes pushed segments.

use media::StreamName;

use crate::{
    push::{PushAnswer, PushRefusal, PushRequest, PushedSegment},
    shell::BoxFuture,
};

/// Decides who may push, and works on what is pushed. The root implements it.
pub trait PushAdmission: Send + Sync + 'static {
    /// The stream that a segment belongs to, or why its client may not push. Called before the body
    /// is read, for each segment, repeated ones included.
    ///
    /// A bearer token or the manifest is the stream key; a webhook can map the manifest to another
    /// name. The future may be dropped at any await.
    ///
    /// # Errors
    /// Among others `Forbidden`, `NoStreamSlot`, `LaddersDisagree`, `ShuttingDown`.
    fn admit<'a>(
        &'a self,
        request: &'a PushRequest,
    ) -> BoxFuture<'a, Result<StreamName, PushRefusal>>;

    /// Publishes a segment of a stream that [`Self::admit`] named, and answers with its renditions.
    ///
    /// Calls for one stream are made one after another, in the order in which the bodies were whole:
    /// the next when this one has returned its future, which only waits for the answer. So a segment
    /// takes its place in the stream within the call. The same segment never comes twice while its
    /// answer is known or under way. The future is dropped when the work takes too long.
    ///
    /// A segment without video ([`PushedSegment::has_video`]) is answered with its own bytes
    /// ([`PushAnswer::copies`]); an empty ladder, and a client that wants no renditions, with none.
    ///
    /// # Errors
    /// `Unusable` is kept and answered again; after others the same segment may come anew.
    fn push(
        &self,
        stream: StreamName,
        request: PushRequest,
        segment: PushedSegment,
    ) -> BoxFuture<'_, Result<PushAnswer, PushRefusal>>;
}
