//! `POST /generate-live-payment`: go-livepeer's call for live jobs (livepeer-wire §7).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tickets::{U256, Wei};

/// Path of the call.
pub const PATH: &str = "/generate-live-payment";
/// Ticket params or token are too old: ask the orchestrator again.
pub const STATUS_REFRESH: u16 = 480;
/// The orchestrator is too dear.
pub const STATUS_PRICE: u16 = 481;
/// The balance covers what is due: send nothing, keep the state.
pub const STATUS_NO_TICKETS: u16 = 482;
/// Most digits of a price, and most places its point is moved by.
const MAX_DIGITS: usize = 40;

/// Bytes, as base64 text; `null` is none, as Go writes it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(text).map(Self).map_err(|_| serde::de::Error::custom("not base64"))
    }
}

/// What the client keeps between calls. Opaque to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateBlob {
    /// JSON of the signer's.
    #[serde(rename = "State", default)]
    pub state: Blob,
    /// The signer's signature over it.
    #[serde(rename = "Sig", default)]
    pub sig: Blob,
}

/// The request, with Go's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRequest {
    /// As answered last; empty, `null` or absent at first.
    #[serde(default, deserialize_with = "or_default")]
    pub state: StateBlob,
    /// A serialized `OrchestratorInfo`.
    #[serde(default)]
    pub orchestrator: Blob,
    /// The job; required with a state.
    #[serde(rename = "ManifestID", default)]
    pub manifest_id: String,
    /// Pixels to pay for, where `type` is empty.
    #[serde(rename = "inPixels", default)]
    pub in_pixels: i64,
    /// `live`, `lv2v`, `fixed`, or empty.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The dearest price taken.
    #[serde(rename = "maxPrice", default)]
    pub max_price: Option<MaxPrice>,
    /// A serialized `Capabilities`.
    #[serde(default)]
    pub capabilities: Blob,
}

fn or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StateBlob, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The dearest price taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPrice {
    /// A number of wei, whole or not.
    pub price: serde_json::Number,
    /// `wei`.
    #[serde(default)]
    pub currency: String,
    /// `seconds`, `720p-pixel-seconds` or `fixed`.
    #[serde(default)]
    pub unit: String,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveAnswer {
    /// Value of `Livepeer-Payment`: as good as money.
    pub payment: String,
    /// Value of `Livepeer-Segment`.
    #[serde(rename = "segCreds")]
    pub segment: String,
    /// To be sent next time.
    pub state: StateBlob,
}

impl fmt::Debug for LiveAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveAnswer").field("state", &self.state).finish_non_exhaustive()
    }
}

impl MaxPrice {
    /// The number, exactly as it was written; `None` when it is negative or out of range.
    #[must_use]
    pub fn wei(&self) -> Option<Wei> {
        let text = self.price.to_string().to_ascii_lowercase();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = U256::from_str_radix(&digits, 10).ok()?;
        let places = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let shift = usize::try_from(places.unsigned_abs()).ok()?;
        if shift > MAX_DIGITS - 3 {
            return None;
        }
        let power = U256::from(10).checked_pow(U256::from(shift))?;
        if places < 0 {
            Wei::ratio(number, power)
        } else {
            Some(Wei::new(number.checked_mul(power)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_read_exactly() {
        let wei = |text: &str| {
            let json = format!("{{\"price\":{text}}}");
            serde_json::from_str::<MaxPrice>(&json).unwrap().wei().map(|wei| wei.to_string())
        };
        assert_eq!(wei("7").as_deref(), Some("7"));
        assert_eq!(wei("0.25").as_deref(), Some("1/4"));
        assert_eq!(wei("1e3").as_deref(), Some("1000"));
        assert_eq!(wei("1.5e-7").as_deref(), Some("3/20000000"));
        assert_eq!((wei("-1"), wei("1e300"), wei("1e-300")), (None, None, None));
    }

    #[test]
    fn requests_look_as_gos() {
        let json = r#"{"state":{"State":null,"Sig":"AQ=="},"orchestrator":"AgM=","ManifestID":"m",
            "inPixels":5,"type":"","unknown":1}"#;
        let request: LiveRequest = serde_json::from_str(json).unwrap();
        assert_eq!((request.state.sig.0.as_slice(), request.in_pixels), (&[1][..], 5));
        assert_eq!((request.orchestrator.0, request.manifest_id), (vec![2, 3], "m".to_owned()));
        assert!(serde_json::from_str::<LiveRequest>(r#"{"orchestrator":"?"}"#).is_err());
        let first: LiveRequest = serde_json::from_str(r#"{"state":null}"#).unwrap();
        assert_eq!(first.state, StateBlob::default());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        let keys = prop_oneof![
            Just("state"),
            Just("State"),
            Just("Sig"),
            Just("orchestrator"),
            Just("ManifestID"),
            Just("inPixels"),
            Just("type"),
            Just("maxPrice"),
            Just("price"),
            Just("tickets"),
            Just("segment"),
            Just("payment_id"),
            Just("sender"),
            Just("stream"),
            Just("profiles"),
        ];
        leaf.prop_recursive(4, 32, 8, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..8)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused(value in json(), bytes: Vec<u8>) {
            let text = value.to_string();
            if let Ok(request) = serde_json::from_str::<LiveRequest>(&text) {
                drop(request.max_price.map(|max| max.wei()));
            }
            if let Ok(request) = serde_json::from_str::<crate::SegmentRequest>(&text) {
                drop(request.read());
            }
            drop(serde_json::from_slice::<LiveRequest>(&bytes));
            drop(serde_json::from_slice::<crate::SegmentRequest>(&bytes));
        }
    }
}
