//! Renditions, as they are or worse.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION},
    },
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt as _, stream};

use super::{
    ffmpeg,
    forward::{self, Protocol, bad_gateway},
    proxy::Shared,
};
use crate::{Faults, stats::count, video_edit::VideoEdit};

/// Largest rendition passed on.
const MAX_RENDITION: usize = 64 << 20;
/// Pause between the pieces of a body that drips.
const DRIP: Duration = Duration::from_millis(50);
/// Pieces per second of such a body.
const DRIPS_PER_SECOND: u64 = 20;
/// Piece of a body that does not.
const PIECE: usize = 16 << 10;

/// One rendition.
pub(super) async fn fetch(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    count(&shared.counters.renditions);
    let faults = shared.faults();
    if faults.redirect {
        let path = request.uri().path_and_query().cloned();
        let target = path.map(|path| shared.upstream.url(path).to_string());
        return (StatusCode::FOUND, [(LOCATION, target.unwrap_or_default())]).into_response();
    }
    let echo = shared.echoes().find(request.uri().path());
    if let Some(echo) = echo {
        return worsened(&shared, &faults, Body::from(echo)).await;
    }
    let (head, body) = match forward::send(&shared, Protocol::Http1, request).await {
        Ok(answer) => answer,
        Err(refusal) => return refusal,
    };
    if head.status != StatusCode::OK {
        return forward::with_body(head, body);
    }
    let mut response = worsened(&shared, &faults, body).await;
    if let Some(value) = head.headers.get(CONTENT_TYPE).filter(|_| response.status().is_success()) {
        response.headers_mut().insert(CONTENT_TYPE, value.clone());
    }
    response
}

async fn worsened(shared: &Shared, faults: &Faults, body: Body) -> Response {
    match rendition(shared, faults, body).await {
        Ok(rendition) => deliver(rendition, faults),
        Err(error) => bad_gateway(&error),
    }
}

/// What is in the file.
async fn rendition(
    shared: &Shared,
    faults: &Faults,
    body: Body,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let mut rendition = forward::collect(body, MAX_RENDITION).await?.to_bytes();
    if let Some(edit) = VideoEdit::of(faults) {
        let _turn = shared.edits.acquire().await?;
        rendition = ffmpeg::edit(rendition, edit).await?;
    }
    if faults.truncate {
        rendition.truncate(rendition.len() / 2);
    }
    Ok(rendition)
}

/// How it goes out.
fn deliver(rendition: Bytes, faults: &Faults) -> Response {
    let announced = rendition.len();
    let cut = faults.drop_mid_body;
    let sent = if cut { rendition.slice(..announced / 2) } else { rendition };
    let pause = faults.drip_bytes_per_second.map(|_| DRIP);
    let piece = faults
        .drip_bytes_per_second
        .map_or(PIECE, |rate| usize::try_from((rate / DRIPS_PER_SECOND).max(1)).unwrap_or(PIECE));
    let whole = pieces(sent, piece).map(Ok);
    let body = if cut {
        let broken = stream::once(async { Err(io::Error::other("dropped")) });
        paced(whole.chain(broken), pause)
    } else if faults.endless {
        let padding = stream::repeat_with(move || Ok(Bytes::from(vec![0; piece])));
        paced(whole.chain(padding), pause)
    } else {
        paced(whole, pause)
    };
    let mut response = body.into_response();
    if !faults.endless {
        response.headers_mut().insert(CONTENT_LENGTH, announced.into());
    }
    response
}

/// The bytes in pieces, shared.
fn pieces(mut bytes: Bytes, piece: usize) -> impl Stream<Item = Bytes> + Send {
    let rest = move || (!bytes.is_empty()).then(|| bytes.split_to(piece.min(bytes.len())));
    stream::iter(std::iter::from_fn(rest))
}

fn paced(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    pause: Option<Duration>,
) -> Body {
    Body::from_stream(pieces.then(move |piece| async move {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        piece
    }))
}
