//! Request fields that choose among what could be sent (RFC 9110 §12.5.3, §13.1).

use http::{HeaderMap, HeaderName, header};

/// Whether the client takes gzip.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for coding in members(headers, header::ACCEPT_ENCODING) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = parameters.split(';').any(|parameter| is_zero_weight(parameter.trim()));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return !refused,
            "*" => any = !refused,
            _ => {}
        }
    }
    any
}

/// `q=0`, with up to three decimals that are 0 as well.
fn is_zero_weight(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.is_some_and(|weight| weight.trim().parse::<f32>() == Ok(0.0))
}

/// Whether the client has what this entity tag (with quotes) stands for: answer 304.
pub(super) fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    members(headers, header::IF_NONE_MATCH)
        .any(|member| member == "*" || member.strip_prefix("W/").unwrap_or(member) == etag)
}

/// Whether a `Range` field holds: there is no `If-Range`, or it names this very content.
pub(super) fn range_holds(headers: &HeaderMap, etag: &str) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|field| field.as_bytes() == etag.as_bytes())
}

/// The members of a list field, over all its lines.
fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> + '_ {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_only_where_it_is_welcome() {
        let accepts = |value| accepts_gzip(&with(header::ACCEPT_ENCODING, value));
        for value in ["gzip", "br, GZIP;q=0.5", "*", "deflate, x-gzip", "identity;q=0, *;q=0.1"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "*, gzip; q=0.000", "*;q=0", "gzipped"] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn tags_compare_weakly_for_none_match_and_strongly_for_ranges() {
        let unchanged = |value| is_unchanged(&with(header::IF_NONE_MATCH, value), "\"a1\"");
        assert!(unchanged("\"a1\"") && unchanged("\"x\", W/\"a1\"") && unchanged("*"));
        assert!(!unchanged("\"a1-gz\"") && !unchanged("a1"));
        let holds = |value| range_holds(&with(header::IF_RANGE, value), "\"a1\"");
        assert!(holds("\"a1\"") && range_holds(&HeaderMap::new(), "\"a1\""));
        assert!(!holds("W/\"a1\"") && !holds("Tue, 24 Nov 2026 18:10:02 GMT"));
    }
}
