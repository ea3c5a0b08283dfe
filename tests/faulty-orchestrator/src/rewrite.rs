//! Messages of the upstream, made to lead back to the proxy, and made wrong.

use bytes::Bytes;
use http::Uri;
use prost::Message;

use crate::{
    Faults,
    proto::{OrchestratorInfo, PriceInfo, TranscodeResult, transcode_result},
};

/// Where no orchestrator may send anybody: the metadata service of most clouds.
const FOREIGN: &str = "http://169.254.169.254/latest/meta-data";
/// Session id of a token that nobody signed.
const UNKNOWN_SESSION: &str = "ffffffff";

/// Makes an answer lead to the proxy at `base`, and quote the wrong price if it should.
pub(crate) fn info(info: &mut OrchestratorInfo, base: &str, faults: &Faults) {
    // Empty means that the node does no work itself.
    if !info.transcoder.is_empty() {
        base.clone_into(&mut info.transcoder);
    }
    if let Some([price_per_unit, pixels_per_unit]) = faults.price {
        let quote = PriceInfo { price_per_unit, pixels_per_unit, ..PriceInfo::default() };
        info.price_info = Some(quote);
    }
}

/// What became of a result.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) body: Bytes,
    /// The upstream did deliver renditions.
    pub(crate) transcoded: bool,
}

/// Rewrites the result of an upload. One that can't be read is passed on as it is.
pub(crate) fn result(body: Bytes, base: &str, faults: &Faults) -> Rewritten {
    let Ok(mut message) = TranscodeResult::decode(body.clone()) else {
        return Rewritten { body, transcoded: false };
    };
    let transcoded = matches!(message.result, Some(transcode_result::Result::Data(_)));
    if faults.garbage_result {
        return Rewritten { body: Bytes::from_static(&[0xff; 64]), transcoded };
    }
    if let Some(session) = &mut message.info {
        info(session, base, faults);
        if let Some(token) = session.auth_token.as_mut().filter(|_| faults.new_session_id) {
            UNKNOWN_SESSION.clone_into(&mut token.session_id);
        }
    }
    if faults.wrong_sequence {
        message.seq = message.seq.wrapping_add(1);
    }
    if let Some(text) = &faults.error {
        message.result = Some(transcode_result::Result::Error(text.clone()));
    }
    if let Some(transcode_result::Result::Data(data)) = &mut message.result {
        let target = if faults.foreign_url { FOREIGN } else { base };
        for segment in &mut data.segments {
            segment.url = rebase(&segment.url, target);
            segment.perceptual_hash_url = rebase(&segment.perceptual_hash_url, target);
        }
        if faults.wrong_count {
            data.segments.pop();
        }
    }
    Rewritten { body: message.encode_to_vec().into(), transcoded }
}

/// The same path on another origin; what is no absolute URL stays as it is.
fn rebase(url: &str, base: &str) -> String {
    match url.parse::<Uri>() {
        Ok(uri) if uri.authority().is_some() => {
            let path = uri.path_and_query().map_or("", |path| path.as_str());
            format!("{base}{path}")
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{AuthToken, TranscodeData, TranscodedSegmentData};

    const BASE: &str = "http://127.0.0.1:1";

    fn session() -> OrchestratorInfo {
        let token = AuthToken { session_id: "deadbeef".into(), ..AuthToken::default() };
        OrchestratorInfo {
            transcoder: "https://real:8935".into(),
            auth_token: Some(token),
            ..OrchestratorInfo::default()
        }
    }

    fn upstream_result() -> TranscodeResult {
        let segment = |name: &str| TranscodedSegmentData {
            url: format!("https://real:8935/stream/s/{name}/7.ts?x=1"),
            pixels: 99,
            ..TranscodedSegmentData::default()
        };
        let segments = vec![segment("360p"), segment("240p")];
        let data = TranscodeData { segments, ..TranscodeData::default() };
        TranscodeResult {
            seq: 7,
            info: Some(session()),
            result: Some(transcode_result::Result::Data(data)),
        }
    }

    fn under(faults: &Faults) -> TranscodeResult {
        let rewritten = result(upstream_result().encode_to_vec().into(), BASE, faults);
        assert!(rewritten.transcoded);
        TranscodeResult::decode(rewritten.body).unwrap()
    }

    fn data(result: TranscodeResult) -> Vec<TranscodedSegmentData> {
        match result.result {
            Some(transcode_result::Result::Data(data)) => data.segments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_faults_all_urls_lead_to_the_proxy_and_nothing_else_changes() {
        let result = under(&Faults::default());
        let expected = OrchestratorInfo { transcoder: BASE.into(), ..session() };
        assert_eq!((result.seq, &result.info), (7, &Some(expected)));
        let segments = data(result);
        assert_eq!(segments[0].url, format!("{BASE}/stream/s/360p/7.ts?x=1"));
        assert_eq!(segments[1].url, format!("{BASE}/stream/s/240p/7.ts?x=1"));
        assert_eq!((segments[0].pixels, segments[0].perceptual_hash_url.as_str()), (99, ""));
    }

    #[test]
    fn a_node_that_does_no_work_stays_one() {
        let mut idle = OrchestratorInfo::default();
        info(&mut idle, BASE, &Faults::default());
        assert_eq!(idle, OrchestratorInfo::default());
    }

    #[test]
    fn a_price_is_quoted_at_discovery_and_with_results() {
        let faults = Faults { price: Some([-3, 0]), ..Faults::default() };
        let mut discovered = session();
        info(&mut discovered, BASE, &faults);
        let quoted = |info: OrchestratorInfo| {
            info.price_info.map(|quote| (quote.price_per_unit, quote.pixels_per_unit))
        };
        assert_eq!(quoted(discovered), Some((-3, 0)));
        assert_eq!(quoted(under(&faults).info.unwrap()), Some((-3, 0)));
    }

    #[test]
    fn results_are_wrong_as_asked() {
        let foreign = data(under(&Faults { foreign_url: true, ..Faults::default() }));
        assert!(foreign.iter().all(|it| it.url.starts_with("http://169.254.169.254/")));
        let fewer = data(under(&Faults { wrong_count: true, ..Faults::default() }));
        assert_eq!(fewer.len(), 1);
        let later = under(&Faults { wrong_sequence: true, ..Faults::default() });
        assert_eq!(later.seq, 8);
        let reset = under(&Faults { new_session_id: true, ..Faults::default() });
        assert_eq!(reset.info.unwrap().auth_token.unwrap().session_id, UNKNOWN_SESSION);
        let failed = under(&Faults { error: Some("no".into()), ..Faults::default() });
        assert_eq!(failed.result, Some(transcode_result::Result::Error("no".into())));
        let garbage = Faults { garbage_result: true, ..Faults::default() };
        let garbage = result(upstream_result().encode_to_vec().into(), BASE, &garbage);
        assert!(TranscodeResult::decode(garbage.body).is_err());
    }

    #[test]
    fn what_cannot_be_read_passes_unchanged() {
        let odd = Bytes::from_static(&[0xff; 9]);
        let rewritten = result(odd.clone(), BASE, &Faults::default());
        assert_eq!((rewritten.body, rewritten.transcoded), (odd, false));
        assert_eq!(rebase("/stream/x", BASE), "/stream/x");
        assert_eq!(rebase("", BASE), "");
    }
}
