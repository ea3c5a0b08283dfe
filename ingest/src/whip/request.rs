//! The head of a request.

use std::fmt;

use http::{HeaderMap, HeaderValue, Method, header};
use media::Redacted;

use super::WhipRefusal;
use crate::StreamKey;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// A token (RFC 6750 §2.1). Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(Redacted<String>);

impl Bearer {
    /// The token of a request's head, if it has one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim();
        let fits = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
        fits.then(|| Self(Redacted::new(token.to_owned())))
    }

    /// The token itself. Never log what this returns; compare it in constant time.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(***)")
    }
}

/// What a request wants, of those that bring a body.
#[derive(Clone, Debug)]
pub enum WhipRequest {
    /// To publish, with an offer as the body.
    Publish {
        /// The stream's key.
        key: StreamKey,
        /// The token it came as, if it was one: who ends the session has to have it as well.
        bearer: Option<Bearer>,
    },
    /// To change the ICE session, with a fragment as the body.
    Patch {
        /// What it says of the session's state.
        if_match: Option<String>,
    },
}

impl WhipRequest {
    /// Reads the head of a POST to `/whip`, or to `/whip/{key}`, with the key percent-decoded. It may have
    /// slashes, as in RTMP URLs.
    ///
    /// # Errors
    /// When it has no key, or is no offer.
    pub fn publish(headers: &HeaderMap, key: Option<&str>) -> Result<Self, WhipRefusal> {
        is_content(headers, SDP)?;
        let bearer = Bearer::of(headers);
        let in_path = key.map(|key| key.trim_matches('/')).filter(|key| !key.is_empty());
        // A token is meant for the gateway; a path may be there for a proxy.
        let key = bearer.as_ref().map(Bearer::expose).or(in_path);
        let key = key.and_then(|key| StreamKey::new(key.to_owned())).ok_or(WhipRefusal::NoKey)?;
        Ok(Self::Publish { key, bearer })
    }

    /// Reads the head of a PATCH to a session.
    ///
    /// # Errors
    /// When it is no fragment.
    pub fn patch(headers: &HeaderMap) -> Result<Self, WhipRefusal> {
        is_content(headers, FRAGMENT)?;
        let if_match = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
        Ok(Self::Patch { if_match: if_match.map(str::to_owned) })
    }

    /// Methods of the endpoint, and of a session.
    #[must_use]
    pub const fn methods(of_session: bool) -> &'static str {
        if of_session { "DELETE, PATCH, OPTIONS, GET, HEAD" } else { "POST, OPTIONS, GET, HEAD" }
    }

    /// Whether the method reads, and gets an empty answer (RFC 9725 §4.2).
    #[must_use]
    pub fn only_reads(method: &Method) -> bool {
        [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
    }
}

fn is_content(headers: &HeaderMap, wanted: &'static str) -> Result<(), WhipRefusal> {
    let given = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str);
    let given = given.and_then(Result::ok).and_then(|value| value.split(';').next());
    let is = given.is_some_and(|given| given.trim().eq_ignore_ascii_case(wanted));
    if is { Ok(()) } else { Err(WhipRefusal::ContentType(wanted)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(header::HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn key(
        fields: &[(header::HeaderName, &str)],
        path: Option<&str>,
    ) -> Result<String, WhipRefusal> {
        WhipRequest::publish(&headers(fields), path).map(|request| match request {
            WhipRequest::Publish { key, .. } => key.expose().to_owned(),
            WhipRequest::Patch { .. } => String::new(),
        })
    }

    #[test]
    fn the_key_is_the_token_or_the_path() {
        let sdp = (header::CONTENT_TYPE, "application/sdp; charset=utf-8");
        let token = (header::AUTHORIZATION, "bearer s3cret");
        assert_eq!(key(&[sdp.clone(), token.clone()], None).unwrap(), "s3cret");
        assert_eq!(key(&[sdp.clone(), token], Some("other")).unwrap(), "s3cret");
        assert_eq!(key(std::slice::from_ref(&sdp), Some("app/s3 cret/")).unwrap(), "app/s3 cret");
        // The path is decoded once, before it comes here.
        assert_eq!(key(std::slice::from_ref(&sdp), Some("50%25")).unwrap(), "50%25");
        assert_eq!(key(std::slice::from_ref(&sdp), None), Err(WhipRefusal::NoKey));
        let basic = (header::AUTHORIZATION, "Basic dTpw");
        assert_eq!(key(&[sdp, basic], None), Err(WhipRefusal::NoKey));
        let json = (header::CONTENT_TYPE, "application/json");
        assert_eq!(key(&[json], Some("k")), Err(WhipRefusal::ContentType(SDP)));
    }

    #[test]
    fn tokens_are_not_printed() {
        let bearer = Bearer::of(&headers(&[(header::AUTHORIZATION, "Bearer s3cret")]));
        assert!(!format!("{bearer:?}").contains("s3cret"));
    }
}
