//! The port through which the root says who may publish.

use std::{fmt, pin::Pin, sync::Arc};

use media::StreamName;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Activity, IngestHealth};
use crate::{
    event::PublisherEvent,
    publish::{PublishRequest, Refusal},
};

/// A boxed future; the same type as `futures_util`'s.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Decides who may publish. The root implements it.
pub trait Admission: Send + Sync + 'static {
    /// A seat for the publisher, or why there is none.
    ///
    /// The connection reads nothing while it waits. The future may be dropped at any await (deadline,
    /// shutdown); a seat that was reserved by then must be free again.
    fn admit(&self, request: PublishRequest) -> BoxFuture<'_, Result<PublisherSeat, Refusal>>;
}

/// A publisher's place at a stream, from its admission to its [`PublisherEvent::Ended`].
pub struct PublisherSeat {
    /// The stream it feeds.
    pub stream: StreamName,
    /// Where its events go, with room for 8 at least. The connection never waits for room, except
    /// for the last event.
    pub events: mpsc::Sender<PublisherEvent>,
    /// Cancelled by the root when the publisher has to go: kicked, or taken over.
    pub ended: CancellationToken,
    /// When the publisher was last heard.
    pub activity: Arc<Activity>,
    /// How well it arrives.
    pub health: IngestHealth,
    /// Where people watch it: a path of the address that publishers over HTTP came to, of characters that
    /// need no escape. `None` where they are not to be told.
    pub watch_page: Option<String>,
}

impl fmt::Debug for PublisherSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublisherSeat").field("stream", &self.stream).finish_non_exhaustive()
    }
}
