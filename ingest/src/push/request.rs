//! What a client asks for, by method, path and header fields.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, Method, Uri, header};
use media::Redacted;

use super::{PushContainer, PushPath, PushRefusal, TranscodeConfiguration};
use crate::publish::StreamKey;

/// Assumed length of a segment whose client does not tell.
const DEFAULT_DURATION: Duration = Duration::from_secs(2);
/// Longest a segment may claim to be, in milliseconds.
const DURATION_MAX_MS: f64 = 300_000.0;

const CONTENT_DURATION: &str = "Content-Duration";
/// Header field of a [`TranscodeConfiguration`].
pub(crate) const CONFIGURATION: &str = "Livepeer-Transcode-Configuration";
const SLICE_FROM: &str = "Content-Slice-From";
const SLICE_TO: &str = "Content-Slice-To";

/// One segment's request, without its body. Its `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushRequest {
    /// The manifest in the path: a stream's outside name, or its key. Must not be logged.
    pub manifest: StreamKey,
    /// The segment's number, as the client counts; 0 when unreadable.
    pub sequence: u64,
    /// How the body is packed, and the renditions unless said otherwise.
    pub container: PushContainer,
    /// How long the client says the segment is; 1 ms to 300 s.
    pub declared_duration: Duration,
    /// What it asks for, where it does.
    pub configuration: Option<TranscodeConfiguration>,
    /// Renditions are wanted in the answer (`Accept: multipart/mixed`).
    pub wants_renditions: bool,
    /// The bearer token of `Authorization`.
    pub bearer: Option<StreamKey>,
    /// The URL's query without `?`; can hold tokens.
    pub query: Option<Redacted<String>>,
    /// Where it comes from, where the listener says so.
    pub peer: Option<SocketAddr>,
}

impl PushRequest {
    /// Reads a request's head.
    ///
    /// # Errors
    /// A [`PushRefusal`] with status 400, 403, 405 or 501.
    pub fn read(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Self, PushRefusal> {
        if *method != Method::PUT && *method != Method::POST {
            return Err(PushRefusal::Method);
        }
        let PushPath { manifest, sequence, container } = PushPath::read(uri.path())?;
        refuse_slicing(headers)?;
        let configuration = match headers.get(CONFIGURATION) {
            Some(value) => Some(TranscodeConfiguration::read(value.as_bytes())?),
            None => None,
        };
        if configuration.as_ref().is_some_and(|configuration| configuration.wants_object_store) {
            return Err(PushRefusal::NotBuilt(
                "object stores are not supported: results come in the answer",
            ));
        }
        let query = uri.query().filter(|query| !query.is_empty());
        Ok(Self {
            manifest,
            sequence,
            container,
            declared_duration: declared_duration(headers)?,
            configuration,
            wants_renditions: text(headers, header::ACCEPT.as_str())?
                .is_some_and(|accept| accept.eq_ignore_ascii_case("multipart/mixed")),
            bearer: bearer(headers)?,
            query: query.map(|query| Redacted::new(query.to_owned())),
            peer,
        })
    }
}

/// A field's value without spaces around it; the first, where it is repeated.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, PushRefusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let fault = |_| PushRefusal::Header { name, reason: "not printable ASCII" };
    Ok(Some(value.to_str().map_err(fault)?.trim()))
}

/// Milliseconds, whole or not.
fn declared_duration(headers: &HeaderMap) -> Result<Duration, PushRefusal> {
    let name = CONTENT_DURATION;
    let Some(text) = text(headers, name)?.filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_DURATION);
    };
    let millis: Option<f64> = text.parse().ok();
    match millis {
        Some(millis) if millis > 0.0 && millis <= DURATION_MAX_MS => {
            Ok(Duration::from_secs_f64(millis / 1_000.0).max(Duration::from_millis(1)))
        }
        Some(_) => Err(PushRefusal::Header { name, reason: "not within 1 ms and 300 s" }),
        None => Err(PushRefusal::Header { name, reason: "not a number of milliseconds" }),
    }
}

/// A part of a segment can be asked for by its first and last millisecond.
fn refuse_slicing(headers: &HeaderMap) -> Result<(), PushRefusal> {
    let bound = |name: &'static str| -> Result<Option<u64>, PushRefusal> {
        let fault = |_| PushRefusal::Header { name, reason: "not a number of milliseconds" };
        text(headers, name)?.map(|text| text.parse().map_err(fault)).transpose()
    };
    match (bound(SLICE_FROM)?, bound(SLICE_TO)?) {
        (None, None) => Ok(()),
        (from, Some(to)) if from.unwrap_or(0) > to => {
            Err(PushRefusal::Header { name: SLICE_FROM, reason: "lies behind Content-Slice-To" })
        }
        _ => Err(PushRefusal::NotBuilt(
            "slices are not supported: send the part of the segment that is wanted",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<StreamKey>, PushRefusal> {
    let name = "Authorization";
    let Some(text) = text(headers, name)? else { return Ok(None) };
    let forbidden = || PushRefusal::Forbidden("Authorization holds no bearer token".to_owned());
    let (scheme, token) = text.split_once(' ').ok_or_else(forbidden)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(forbidden());
    }
    StreamKey::new(token.trim().to_owned()).map(Some).ok_or_else(forbidden)
}

#[cfg(test)]
mod tests;
