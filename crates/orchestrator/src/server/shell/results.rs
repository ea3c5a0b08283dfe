//! `GET /stream/{session}/{rendition}/{file}`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

use super::Shared;
use crate::OutputFormat;

/// One rendition of one segment, while it is kept.
pub(super) async fn fetch(
    State(shared): State<Arc<Shared>>,
    Path((session, rendition, file)): Path<(String, String, String)>,
) -> Response {
    let session = shared.sessions().get(&session);
    let object = session.and_then(|session| session.results().get(&rendition, &file).cloned());
    match object {
        Some(object) => {
            let media_type = match object.format {
                OutputFormat::MpegTs => "video/mp2t",
                OutputFormat::Mp4 => "video/mp4",
            };
            ([(CONTENT_TYPE, media_type)], object.data).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
