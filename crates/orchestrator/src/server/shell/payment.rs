//! `POST /payment`: credit without a segment.

use std::sync::Arc;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use prost::Message;

use super::{Shared, segment::refused};
use crate::{
    proto,
    segment_credentials::MAX_MANIFEST_ID,
    server::{refusal::Refusal, segment_request::Credentials},
};

/// Takes a payment for the stream that the segment header names: unlike with a segment, the credit is
/// kept under the manifest id (livepeer-wire §4.8).
pub(super) async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    match take(&shared, &headers).await {
        Ok(info) => proto::PaymentResult { info: Some(info) }.encode_to_vec().into_response(),
        Err(refusal) => refused(&shared, refusal),
    }
}

async fn take(shared: &Shared, headers: &HeaderMap) -> Result<proto::OrchestratorInfo, Refusal> {
    let credentials = Credentials::read(headers)?;
    let payment = shared.till.as_ref().map(|till| till.verify(&credentials)).transpose()?;
    let token = shared.verify(credentials.data.auth_token.as_ref())?.clone();
    let manifest_id = &credentials.data.manifest_id;
    if manifest_id.len() > MAX_MANIFEST_ID {
        return Err(Refusal::forbidden("the manifest id is too long"));
    }
    let paid = match shared.till.as_ref().zip(payment) {
        Some((till, payment)) => {
            Some(till.take(payment, &String::from_utf8_lossy(manifest_id), false).await?)
        }
        None => None,
    };
    Ok(shared.info(token, paid.as_ref().map(|paid| &paid.quote)))
}
