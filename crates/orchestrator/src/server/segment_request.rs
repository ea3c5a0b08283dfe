//! What an upload's headers say.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use prost::Message;
use tickets::{B256, signed::SegmentClaim};

use super::{
    refusal::Refusal,
    rendition_request::{self, RenditionRequest},
};
use crate::{
    Capabilities, Capability, JobCapabilities, SegmentJob,
    proto::{AuthToken, Payment, SegData, VideoProfile, os_info::StorageType},
    segment_credentials::MAX_MANIFEST_ID,
};

/// Longest header read: a payment of six hundred tickets has some 60 kB.
const MAX_HEADER: usize = 128 << 10;
/// The duration a gateway that states none is taken to mean.
const UNSTATED_DURATION: Duration = Duration::from_secs(2);
/// The media type of a body that is a URL.
const URL_BODY: &str = "application/vnd+livepeer.uri";

/// What both headers of an upload hold, unread but for their encoding.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Credentials {
    pub(super) payment: Payment,
    pub(super) data: SegData,
}

/// A segment to come, as its headers describe it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SegmentRequest {
    /// The gateway's name of the stream, made fit for logs.
    pub(super) manifest_id: String,
    pub(super) sequence: u64,
    pub(super) duration: Duration,
    /// Keccak-256 the body must have.
    pub(super) hash: Bytes,
    /// Not yet verified.
    pub(super) token: Option<AuthToken>,
    pub(super) renditions: Vec<RenditionRequest>,
    /// Who vouches for all this, and pays; not yet verified.
    pub(super) credentials: Credentials,
}

/// What this orchestrator can do, as it announces it.
pub(super) fn capabilities() -> Capabilities {
    Capabilities::new(&[
        Capability::H264,
        Capability::MpegTs,
        Capability::Mp4,
        Capability::FractionalFrameRates,
        Capability::Baseline,
        Capability::Main,
        Capability::High,
        Capability::ConstrainedHigh,
        Capability::Gop,
        Capability::AuthToken,
        Capability::HevcDecode,
        Capability::Av1Decode,
    ])
    .with_version(concat!(env!("CARGO_PKG_VERSION"), "-headgate").to_owned())
}

impl Credentials {
    /// Reads the headers; the texts of refusals are the wire's (livepeer-wire §3.5).
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let payment = read_payment(headers.get("Livepeer-Payment"))?;
        let header = headers.get("Livepeer-Segment").map_or(&[][..], HeaderValue::as_bytes);
        let data = decode(header).map_err(|_| Refusal::forbidden("ErrorSegEncoding")).and_then(
            |bytes| SegData::decode(bytes).map_err(|error| Refusal::forbidden(error.to_string())),
        )?;
        if data == SegData::default() {
            return Err(Refusal::forbidden("empty seg data"));
        }
        Ok(Self { payment, data })
    }

    /// What the payer must have signed (livepeer-wire §3.2); `None` where nobody can have.
    pub(super) fn claim(&self) -> Option<Vec<u8>> {
        let data = &self.data;
        let names: Vec<_> = profiles(data).iter().map(|profile| profile.name.as_str()).collect();
        let claim = SegmentClaim {
            manifest_id: &data.manifest_id,
            sequence: u64::try_from(data.seq).ok()?,
            hash: B256::try_from(&*data.hash).ok()?,
            profile_names: &names,
        };
        Some(claim.to_bytes())
    }
}

impl SegmentRequest {
    /// Reads the headers of an upload; the texts of refusals are the wire's (livepeer-wire §3.5).
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let credentials = Credentials::read(headers)?;
        let data = &credentials.data;
        let duration = match u64::try_from(data.duration) {
            Ok(0) => UNSTATED_DURATION,
            Ok(millis) => Duration::from_millis(millis),
            Err(_) => return Err(Refusal::forbidden("invalid duration")),
        };
        if duration > SegmentJob::MAX_DURATION {
            return Err(Refusal::forbidden("invalid duration"));
        }
        let renditions = rendition_request::read(profiles(data))?;
        check_capabilities(data)?;
        if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == URL_BODY.as_bytes()) {
            return Err(Refusal::url_body());
        }
        let sequence = u64::try_from(data.seq).map_err(|_| Refusal::forbidden("invalid seq"))?;
        let manifest_id = name_for_logs(&data.manifest_id);
        let (hash, token) = (data.hash.clone(), data.auth_token.clone());
        Ok(Self { manifest_id, sequence, duration, hash, token, renditions, credentials })
    }
}

/// The newest profiles field that is used.
fn profiles(data: &SegData) -> &[VideoProfile] {
    let newest = [&data.full_profiles3, &data.full_profiles2, &data.full_profiles];
    let profiles = newest.into_iter().find(|profiles| !profiles.is_empty());
    profiles.map_or(&[][..], Vec::as_slice)
}

fn decode(header: &[u8]) -> Result<Bytes, base64::DecodeError> {
    if header.len() > MAX_HEADER {
        return Err(base64::DecodeError::InvalidLength(header.len()));
    }
    STANDARD.decode(header).map(Bytes::from)
}

/// Off-chain nothing is paid; a header that can't be read is refused all the same, as the network does.
fn read_payment(header: Option<&HeaderValue>) -> Result<Payment, Refusal> {
    let bytes = decode(header.map_or(&[][..], HeaderValue::as_bytes))
        .map_err(|error| Refusal::payment(format!("base64 decode error: {error}")))?;
    Payment::decode(bytes)
        .map_err(|error| Refusal::payment(format!("protobuf unmarshal error: {error}")))
}

/// Refuses what is not announced, whether the job's bits own up to it or not: clipping, a store of
/// the gateway's that the results should go to.
fn check_capabilities(data: &SegData) -> Result<(), Refusal> {
    let stated = data.capabilities.as_ref();
    let compatible =
        stated.is_none_or(|wire| capabilities().allow(&JobCapabilities::from_wire(wire)));
    let clips = data.segment_parameters.is_some_and(|window| window.from != 0 || window.to != 0);
    let stores = data.storage.iter().any(|store| store.storage_type != StorageType::Direct as i32);
    if compatible && !clips && !stores {
        Ok(())
    } else {
        Err(Refusal::forbidden("incompatible capabilities"))
    }
}

fn name_for_logs(manifest_id: &[u8]) -> String {
    let start = manifest_id.get(..MAX_MANIFEST_ID).unwrap_or(manifest_id);
    String::from_utf8_lossy(start).chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;
    use crate::proto::{self, OsInfo, SegParameters, VideoProfile};

    fn profile(name: &str) -> VideoProfile {
        VideoProfile {
            name: name.into(),
            width: 640,
            height: 360,
            bitrate: 1_000_000,
            ..VideoProfile::default()
        }
    }

    fn data() -> SegData {
        SegData {
            manifest_id: Bytes::from_static(b"stream"),
            seq: 7,
            duration: 2_000,
            full_profiles: vec![profile("old")],
            ..SegData::default()
        }
    }

    fn headers(data: &SegData) -> HeaderMap {
        let value = STANDARD.encode(data.encode_to_vec()).parse().unwrap();
        [("livepeer-segment".parse().unwrap(), value)].into_iter().collect()
    }

    fn refused(data: &SegData) -> String {
        SegmentRequest::read(&headers(data)).unwrap_err().text.into_owned()
    }

    #[test]
    fn newest_profiles_win() {
        let mut data = data();
        let names = |data: &SegData| -> Vec<String> {
            let request = SegmentRequest::read(&headers(data)).unwrap();
            request.renditions.into_iter().map(|rendition| rendition.encode.name).collect()
        };
        assert_eq!(names(&data), ["old"]);
        data.full_profiles2 = vec![profile("newer")];
        assert_eq!(names(&data), ["newer"]);
        data.full_profiles3 = vec![profile("newest")];
        assert_eq!(names(&data), ["newest"]);
    }

    #[test]
    fn durations_follow_the_network() {
        let duration =
            |millis| SegmentRequest::read(&headers(&SegData { duration: millis, ..data() }));
        assert_eq!(duration(0).unwrap().duration, Duration::from_secs(2));
        assert_eq!(duration(300_000).unwrap().duration, Duration::from_secs(300));
        assert_eq!(duration(300_001).unwrap_err().text, "invalid duration");
        assert_eq!(duration(-1).unwrap_err().text, "invalid duration");
    }

    #[test]
    fn unreadable_headers_have_the_networks_texts() {
        let segment = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("Livepeer-Segment", value.parse().unwrap());
            SegmentRequest::read(&headers).unwrap_err()
        };
        assert_eq!(segment("%%%").text, "ErrorSegEncoding");
        assert_eq!(segment(&"A".repeat(200_000)).text, "ErrorSegEncoding");
        assert_eq!(segment("").text, "empty seg data");
        assert_eq!(segment("/////w==").status, StatusCode::FORBIDDEN);
        let mut headers = headers(&data());
        headers.insert("Livepeer-Payment", HeaderValue::from_static("%"));
        let refusal = SegmentRequest::read(&headers).unwrap_err();
        assert_eq!(refusal.status, StatusCode::PAYMENT_REQUIRED);
        assert!(refusal.text.starts_with("base64 decode error"), "{}", refusal.text);
        headers.insert("Livepeer-Payment", HeaderValue::from_static("////"));
        let refusal = SegmentRequest::read(&headers).unwrap_err();
        assert!(refusal.text.starts_with("protobuf unmarshal error"), "{}", refusal.text);
    }

    #[test]
    fn what_is_not_announced_is_refused() {
        let bits = |bitstring| {
            Some(proto::Capabilities { bitstring: vec![bitstring], ..Default::default() })
        };
        let incompatible = "incompatible capabilities";
        assert_eq!(refused(&SegData { capabilities: bits(0x0400_1003), ..data() }), incompatible);
        let clip = Some(SegParameters { from: 0, to: 500 });
        assert_eq!(refused(&SegData { segment_parameters: clip, ..data() }), incompatible);
        let store = OsInfo { storage_type: 1, s3info: None };
        assert_eq!(refused(&SegData { storage: vec![store], ..data() }), incompatible);
        let unclipped = SegData {
            segment_parameters: Some(SegParameters::default()),
            capabilities: bits(0x1003),
            ..data()
        };
        assert!(SegmentRequest::read(&headers(&unclipped)).is_ok());
    }

    #[test]
    fn a_url_is_never_a_segment() {
        let mut headers = headers(&data());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(URL_BODY));
        let refusal = SegmentRequest::read(&headers).unwrap_err();
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        assert!(refusal.text.starts_with("BadRequest"));
    }

    #[test]
    fn announced_bits_are_what_is_built() {
        assert_eq!(capabilities().to_wire().bitstring, [0x9f8f, 0, 0, 1 << 48]);
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut headers = HeaderMap::new();
            headers.insert("Livepeer-Segment", STANDARD.encode(&bytes).parse().unwrap());
            if let Ok(request) = SegmentRequest::read(&headers) {
                prop_assert!((1..=12).contains(&request.renditions.len()));
            }
        }
    }
}
