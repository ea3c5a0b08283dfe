//! `POST /segment`.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use tokio::{sync::oneshot, time::Instant};
use tracing::debug;

use super::{
    Shared, answer,
    receive::{self, Arrival, Upload},
    till::Paid,
    work::Work,
};
use crate::{
    proto::{AuthToken, transcode_result},
    server::{refusal::Refusal, segment_request::SegmentRequest, stats::count},
};

/// Takes one segment. The answer has two phases: the status as soon as the segment has arrived, the
/// result when it is transcoded (livepeer-wire §3.5).
pub(super) async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let admitted = match admit(&shared, &parts.headers).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            receive::drain(body).await;
            return refused(&shared, refusal);
        }
    };
    let deadline = Instant::now() + shared.config.upload_timeout.max(admitted.segment.duration);
    let limit = shared.config.max_segment_bytes;
    match receive::receive(body, limit, &shared.upload_memory, deadline).await {
        Err(refusal) => refused(&shared, refusal),
        Ok(Arrival::Whole(upload)) if admitted.segment.hash != upload.hash.as_slice() => {
            refused(&shared, Refusal::forbidden("Forbidden"))
        }
        Ok(Arrival::Whole(upload)) => begin(&shared, admitted, upload),
        Ok(Arrival::Discarded) => busy(&shared, admitted),
    }
}

/// A segment that may come.
struct Admitted {
    segment: SegmentRequest,
    token: AuthToken,
    /// None off-chain.
    paid: Option<Paid>,
}

/// Everything that can be said before the body is read. Payments are taken last: nobody pays for what
/// is refused anyway.
async fn admit(shared: &Shared, headers: &http::HeaderMap) -> Result<Admitted, Refusal> {
    let segment = SegmentRequest::read(headers)?;
    let payment = shared.till.as_ref().map(|till| till.verify(&segment.credentials)).transpose()?;
    let token = shared.verify(segment.token.as_ref())?.clone();
    if !shared.sessions().admits(&token.session_id) {
        return Err(Refusal::forbidden("OrchestratorCapped"));
    }
    let paid = match shared.till.as_ref().zip(payment) {
        Some((till, payment)) => Some(till.take(payment, &token.session_id, true).await?),
        None => None,
    };
    Ok(Admitted { segment, token, paid })
}

pub(super) fn refused(shared: &Shared, refusal: Refusal) -> Response {
    let capped = refusal.text == "OrchestratorCapped";
    count(if capped { &shared.counters.capped } else { &shared.counters.refused });
    debug!(status = refusal.status.as_u16(), text = %refusal.text, "upload refused");
    (refusal.status, format!("{}\n", refusal.text)).into_response()
}

/// Hands the segment to its session and answers 200 at once.
fn begin(shared: &Arc<Shared>, admitted: Admitted, upload: Upload) -> Response {
    let Ok(session) = shared.enter(&admitted.token.session_id) else {
        count(&shared.counters.capped);
        return finished(shared, admitted, "OrchestratorCapped");
    };
    let Ok(place) = Arc::clone(&session.places).try_acquire_owned() else {
        return busy(shared, admitted);
    };
    let Admitted { segment, token, paid } = admitted;
    let (reply, result) = oneshot::channel();
    let shared = Arc::clone(shared);
    let segments = shared.segments.clone();
    segments.spawn(Work { shared, session, segment, token, paid, upload, place }.run(reply));
    // A task that panicked leaves no reply; the gateway then sees the connection break.
    let result = async move { result.await.map_err(|_| std::io::Error::other("no result")) };
    Body::from_stream(futures_util::stream::once(result)).into_response()
}

fn busy(shared: &Shared, admitted: Admitted) -> Response {
    count(&shared.counters.busy);
    finished(shared, admitted, "OrchestratorBusy")
}

fn finished(shared: &Shared, admitted: Admitted, error: &str) -> Response {
    let Admitted { segment, token, paid } = admitted;
    let result = transcode_result::Result::Error(error.to_owned());
    Body::from(answer::encode(shared, &segment, token, paid.as_ref(), result)).into_response()
}
