//! Answers to uploads that are not even begun (livepeer-wire §3.5).

use std::borrow::Cow;

use http::StatusCode;

/// A status other than 200 and its text, on which gateways match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: Cow<'static, str>,
}

impl Refusal {
    /// The segment header can't be used.
    pub(super) fn forbidden(text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::FORBIDDEN, text: text.into() }
    }

    /// The payment header can't be read.
    pub(super) fn payment(text: String) -> Self {
        Self { status: StatusCode::PAYMENT_REQUIRED, text: text.into() }
    }

    /// The payment is not taken, or does not cover the work.
    pub(super) fn unpaid(text: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: text.into() }
    }

    /// The body names a segment instead of holding it.
    pub(super) const fn url_body() -> Self {
        let text = "BadRequest: this orchestrator fetches no URLs, send the segment itself";
        Self { status: StatusCode::BAD_REQUEST, text: Cow::Borrowed(text) }
    }

    /// The body is larger than a segment may be.
    pub(super) const fn too_large() -> Self {
        let text = "Request Entity Too Large";
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, text: Cow::Borrowed(text) }
    }

    /// The body did not arrive, or no terms could be made for what comes next.
    pub(super) const fn internal() -> Self {
        let text = "Internal Server Error";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, text: Cow::Borrowed(text) }
    }
}
