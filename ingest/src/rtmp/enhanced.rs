//! What both ends can do beyond classic RTMP (Veovera Enhanced RTMP v2, "Enhancing NetConnection connect
//! Command").

use std::collections::HashMap;

use rml_rtmp::rml_amf0::Amf0Value;

use super::amf0::Value;
use crate::printable::printable;

/// Names read of a client's lists: more than there are codecs.
const MAX_NAMES: usize = 32;

/// `capsEx`: the client goes elsewhere when it is asked to.
const RECONNECT: u32 = 0x01;
/// `capsEx`: each of several tracks counts.
const MULTITRACK: u32 = 0x02;
/// `capsEx`: modifiers are read.
const MODIFIERS: u32 = 0x04;
/// `capsEx`: nanosecond offsets count.
const NANOSECOND_OFFSETS: u32 = 0x08;
/// What the gateway answers.
const OURS: u32 = RECONNECT | MULTITRACK | MODIFIERS | NANOSECOND_OFFSETS;

/// `FourCcInfoMask`: passed on as it is.
const CAN_FORWARD: f64 = 4.0;
/// Video that is taken.
const VIDEO: [&str; 3] = ["avc1", "hvc1", "av01"];
/// Audio that is taken.
const AUDIO: [&str; 2] = ["mp4a", "Opus"];

/// What a client said of itself in `connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities {
    /// It speaks Enhanced RTMP, and is told what the gateway can do.
    pub enhanced: bool,
    /// It goes elsewhere, without losing a frame, when it is asked to.
    pub reconnect: bool,
    /// FourCCs it named, `*` for any, each once, at most 32: for people.
    pub codecs: Vec<String>,
    /// What it calls itself (`flashVer`), printable and short.
    pub flash_version: Option<String>,
}

impl ClientCapabilities {
    /// Reads the command object of `connect`. What is of another type than it should be counts as
    /// absent; names that are no FourCC are left out.
    pub(super) fn read(object: Option<&Value>) -> Self {
        let property = |name| object.and_then(|object| object.property(name));
        let caps = property("capsEx").and_then(Value::as_number);
        let lists = ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap"].map(property);
        let mut codecs: Vec<String> = Vec::new();
        for name in lists.iter().flatten().flat_map(|list| names(list)).take(MAX_NAMES) {
            if is_four_cc(name) && codecs.iter().all(|known| known != name) {
                codecs.push(name.to_owned());
            }
        }
        Self {
            enhanced: caps.is_some() || lists.iter().any(Option::is_some),
            reconnect: caps.is_some_and(has_reconnect),
            codecs,
            flash_version: property("flashVer").and_then(Value::as_str).map(printable),
        }
    }
}

/// The entries of an array of strings, or the keys of an object.
fn names(list: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match list {
        Value::Array(entries) => Box::new(entries.iter().filter_map(Value::as_str)),
        // Some write an array as an ECMA array, whose keys are numbers.
        Value::Object(entries) => {
            Box::new(entries.iter().map(|(key, value)| value.as_str().unwrap_or(key.as_str())))
        }
        Value::Number(_)
        | Value::Boolean(_)
        | Value::String(_)
        | Value::Date(_)
        | Value::Null
        | Value::Undefined => Box::new(std::iter::empty()),
    }
}

fn is_four_cc(name: &str) -> bool {
    name == "*" || name.len() == 4 && name.bytes().all(|byte| matches!(byte, 0x20..=0x7E))
}

/// Whether the lowest bit is set of a number that may be anything.
fn has_reconnect(caps: f64) -> bool {
    caps.is_finite() && (0.0..f64::from(u32::MAX)).contains(&caps) && caps.trunc() % 2.0 == 1.0
}

/// What the gateway says of itself in the answer to `connect`.
pub(super) fn properties() -> [(&'static str, Amf0Value); 4] {
    let text = |name: &&str| Amf0Value::Utf8String((*name).to_owned());
    let map = |names: &[&str]| {
        let entry = |name: &&str| ((*name).to_owned(), Amf0Value::Number(CAN_FORWARD));
        Amf0Value::Object(names.iter().map(entry).collect::<HashMap<_, _>>())
    };
    let list = VIDEO.iter().chain(&AUDIO).map(text).collect();
    [
        ("fourCcList", Amf0Value::StrictArray(list)),
        ("videoFourCcInfoMap", map(&VIDEO)),
        ("audioFourCcInfoMap", map(&AUDIO)),
        ("capsEx", Amf0Value::Number(f64::from(OURS))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn object(properties: Vec<(&str, Value)>) -> Value {
        Value::Object(
            properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        )
    }

    #[test]
    fn lists_maps_and_capabilities_are_read() {
        let object = object(vec![
            ("fourCcList", Value::Array(vec![text("hvc1"), text("av01"), Value::Null])),
            ("videoFourCcInfoMap", object(vec![("*", Value::Number(4.0)), ("av01", Value::Null)])),
            ("audioFourCcInfoMap", object(vec![("ac-3", Value::Number(1.0))])),
            ("capsEx", Value::Number(15.0)),
        ]);
        let read = ClientCapabilities::read(Some(&object));
        assert!(read.enhanced && read.reconnect);
        assert_eq!(read.codecs, ["hvc1", "av01", "*", "ac-3"]);
    }

    #[test]
    fn old_clients_and_odd_values_ask_for_nothing() {
        assert_eq!(ClientCapabilities::read(None), ClientCapabilities::default());
        let old = object(vec![("app", text("live")), ("capabilities", Value::Number(15.0))]);
        assert_eq!(ClientCapabilities::read(Some(&old)), ClientCapabilities::default());
        for number in [f64::NAN, f64::INFINITY, -1.0, 1e300, 14.0] {
            let odd = object(vec![("capsEx", Value::Number(number))]);
            let read = ClientCapabilities::read(Some(&odd));
            assert!(read.enhanced && !read.reconnect, "{number}");
        }
        let names = (0..100).map(|number| text(&format!("c{number:03}"))).collect();
        let many = object(vec![("fourCcList", Value::Array(names))]);
        assert_eq!(ClientCapabilities::read(Some(&many)).codecs.len(), 32);
        let wrong = object(vec![("fourCcList", Value::Array(vec![text("h265x"), text("a\nbc")]))]);
        assert!(ClientCapabilities::read(Some(&wrong)).codecs.is_empty());
        let ecma = object(vec![("fourCcList", object(vec![("0", text("hvc1"))]))]);
        assert_eq!(ClientCapabilities::read(Some(&ecma)).codecs, ["hvc1"]);
    }
}
