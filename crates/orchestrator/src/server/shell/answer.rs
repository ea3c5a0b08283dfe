//! What a segment is answered with.

use bytes::Bytes;
use prost::Message;

use super::{Shared, till::Paid};
use crate::{
    proto::{self, AuthToken, transcode_result},
    server::segment_request::SegmentRequest,
};

/// The body of a 200 answer. The session's token stays as it was; one that was paid for has the terms
/// for the next segment.
pub(super) fn encode(
    shared: &Shared,
    segment: &SegmentRequest,
    token: AuthToken,
    paid: Option<&Paid>,
    result: transcode_result::Result,
) -> Bytes {
    let message = proto::TranscodeResult {
        seq: i64::try_from(segment.sequence).unwrap_or(i64::MAX),
        result: Some(result),
        info: Some(shared.info(token, paid.map(|paid| &paid.quote))),
    };
    message.encode_to_vec().into()
}
