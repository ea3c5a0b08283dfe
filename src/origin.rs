//! A page in the operator's browser is not the operator.
//!
//! Browsers name the page that makes a request in `Origin`; command lines don't. A request with an origin
//! is taken only from a page of this very host, and only when the host is an address or `localhost`: a
//! name could have been pointed here by whoever owns it.

use std::net::IpAddr;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// Answers 403 to pages of other hosts.
pub(crate) async fn refuse_other_pages(request: Request<Body>, next: Next) -> Response {
    if may_change(request.headers(), request.uri().authority()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "requests from web pages of other hosts are refused\n")
            .into_response()
    }
}

/// `authority`: that of the request's own target, where HTTP/2 has the host.
fn may_change(headers: &HeaderMap, authority: Option<&Authority>) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.or_else(|| authority.map(Authority::as_str)) else { return false };
    let origin = origin.to_str().unwrap_or_default();
    let page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    page.is_some_and(|page| page.eq_ignore_ascii_case(host)) && is_no_name(host)
}

fn is_no_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        may_change(&headers, None)
    }

    #[test]
    fn only_pages_of_this_address_may_change_anything() {
        assert!(may("127.0.0.1:9090", None));
        assert!(may("admin.example:9090", None), "no browser");
        assert!(may("127.0.0.1:9090", Some("http://127.0.0.1:9090")));
        assert!(may("[::1]:9090", Some("http://[::1]:9090")));
        assert!(may("localhost:9090", Some("https://LOCALHOST:9090")));
        for (host, origin) in [
            ("127.0.0.1:9090", "http://evil.example"),
            ("127.0.0.1:9090", "http://127.0.0.1:8080"),
            ("127.0.0.1:9090", "null"),
            ("127.0.0.1:9090", ""),
            ("rebound.example:9090", "http://rebound.example:9090"),
            ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example"),
        ] {
            assert!(!may(host, Some(origin)), "{host} {origin}");
        }
    }
}
