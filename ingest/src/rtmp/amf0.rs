//! A bounded reader of AMF0, the encoding of commands and metadata (Adobe, "AMF 0", 2007).
//!
//! It bounds depth, size and count before it believes a length, and is lenient where encoders are
//! sloppy: wrong ECMA array counts, a missing end marker at the end, text that is not UTF-8.

/// Deepest nesting of objects and arrays.
pub const MAX_DEPTH: usize = 16;
/// Longest run of values, in bytes.
pub const MAX_SIZE: usize = 64 * 1024;
/// Most values in one run, those inside objects and arrays included.
pub const MAX_VALUES: usize = 4096;

/// One AMF0 value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A double.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// A short or long string, or an XML document; bytes that are not UTF-8 are replaced.
    String(String),
    /// An object, typed object or ECMA array, in the order of the wire.
    Object(Vec<(String, Self)>),
    /// A strict array.
    Array(Vec<Self>),
    /// Milliseconds since the Unix epoch.
    Date(f64),
    /// Null.
    Null,
    /// Undefined or unsupported.
    Undefined,
}

impl Value {
    /// The text of a string.
    #[must_use]
    pub const fn as_str(&self) -> Option<&str> {
        let Self::String(text) = self else { return None };
        Some(text.as_str())
    }

    /// The value of a number.
    #[must_use]
    pub const fn as_number(&self) -> Option<f64> {
        let Self::Number(number) = self else { return None };
        Some(*number)
    }

    /// A property of an object, by name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Self> {
        let Self::Object(properties) = self else { return None };
        properties.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// Why bytes are not AMF0 we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Amf0Error {
    /// More than [`MAX_SIZE`].
    #[error("AMF0 of {0} bytes, at most {MAX_SIZE} are read")]
    TooLong(usize),
    /// Deeper than [`MAX_DEPTH`].
    #[error("AMF0 nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More than [`MAX_VALUES`].
    #[error("more than {MAX_VALUES} AMF0 values")]
    TooMany,
    /// A value ends in the middle.
    #[error("AMF0 value cut off at byte {0}")]
    Truncated(usize),
    /// A marker that can't be read: reference, movie clip, record set, AMF3.
    #[error("AMF0 marker {marker:#04x} at byte {at} can't be read")]
    Marker {
        /// The marker.
        marker: u8,
        /// Where it is.
        at: usize,
    },
}

/// Reads values until the bytes end.
///
/// # Errors
/// When a limit is passed, a value is cut off, or a marker can't be read.
pub fn decode(bytes: &[u8]) -> Result<Vec<Value>, Amf0Error> {
    let (values, error) = decode_leading(bytes);
    error.map_or(Ok(values), Err)
}

/// Reads values until the bytes end or can't be read on: what could be read, and why no more.
///
/// For metadata, where one odd value must not hide those before it.
#[must_use]
pub fn decode_leading(bytes: &[u8]) -> (Vec<Value>, Option<Amf0Error>) {
    let mut values = Vec::new();
    if bytes.len() > MAX_SIZE {
        return (values, Some(Amf0Error::TooLong(bytes.len())));
    }
    let mut reader = Reader { bytes, at: 0, values: 0 };
    while reader.at < bytes.len() {
        match reader.value(0) {
            Ok(value) => values.push(value),
            Err(error) => return (values, Some(error)),
        }
    }
    (values, None)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Amf0Error> {
        if depth > MAX_DEPTH {
            return Err(Amf0Error::TooDeep);
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Amf0Error::TooMany);
        }
        let at = self.at;
        let [marker] = self.array()?;
        Ok(match marker {
            0x00 => Value::Number(f64::from_be_bytes(self.array()?)),
            0x01 => Value::Boolean(self.array::<1>()? != [0]),
            0x02 => Value::String(self.short_string()?),
            0x03 => Value::Object(self.properties(depth)?),
            0x05 => Value::Null,
            0x06 | 0x0d => Value::Undefined,
            0x08 => {
                // The count of an ECMA array is a hint, and often zero or wrong.
                self.array::<4>()?;
                Value::Object(self.properties(depth)?)
            }
            0x0a => Value::Array(self.strict_array(depth)?),
            0x0b => {
                let milliseconds = f64::from_be_bytes(self.array()?);
                // A time zone that is reserved, and always zero.
                self.array::<2>()?;
                Value::Date(milliseconds)
            }
            0x0c | 0x0f => {
                let length = u32::from_be_bytes(self.array()?);
                Value::String(self.text(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            0x10 => {
                self.short_string()?;
                Value::Object(self.properties(depth)?)
            }
            marker => return Err(Amf0Error::Marker { marker, at }),
        })
    }

    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Amf0Error> {
        let mut properties = Vec::new();
        loop {
            // An object that ends with the bytes lacks its end marker and nothing else.
            if self.at == self.bytes.len() {
                return Ok(properties);
            }
            let name = self.short_string()?;
            if self.bytes.get(self.at) == Some(&0x09) {
                self.at += 1;
                return Ok(properties);
            }
            if name.is_empty() && self.at == self.bytes.len() {
                return Ok(properties);
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }

    fn strict_array(&mut self, depth: usize) -> Result<Vec<Value>, Amf0Error> {
        let count = u32::from_be_bytes(self.array()?);
        // Every value needs a byte at least, and the count of values is bounded as well.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }

    fn short_string(&mut self) -> Result<String, Amf0Error> {
        let length = u16::from_be_bytes(self.array()?);
        self.text(usize::from(length))
    }

    fn text(&mut self, length: usize) -> Result<String, Amf0Error> {
        let rest = self.rest();
        let text = rest.get(..length).ok_or(Amf0Error::Truncated(self.at))?;
        self.at += length;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Amf0Error> {
        let bytes = self.rest().first_chunk::<N>().ok_or(Amf0Error::Truncated(self.at))?;
        self.at += N;
        Ok(*bytes)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &str) -> Vec<u8> {
        let mut bytes = vec![2];
        bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn reads_what_encoders_write() {
        let mut bytes = string("connect");
        bytes.extend_from_slice(&[0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[3, 0, 3]);
        bytes.extend_from_slice(b"app");
        bytes.extend(string("live"));
        // fourCcList, a strict array as FFmpeg sends it.
        bytes.extend_from_slice(&[0, 1, b'f', 0x0a, 0, 0, 0, 2]);
        bytes.extend(string("av01"));
        bytes.extend(string("hvc1"));
        bytes.extend_from_slice(&[0, 0, 9]);
        let values = decode(&bytes).unwrap();
        assert_eq!(values[0].as_str(), Some("connect"));
        assert_eq!(values[1].as_number(), Some(1.0));
        assert_eq!(values[2].property("app").and_then(Value::as_str), Some("live"));
        assert!(matches!(values[2].property("f"), Some(Value::Array(list)) if list.len() == 2));
    }

    #[test]
    fn tolerates_wrong_counts_and_a_missing_end() {
        // ECMA array that claims 1000 entries, has one, and no end marker.
        let bytes = [8, 0, 0, 3, 0xe8, 0, 1, b'w', 1, 1];
        let values = decode(&bytes).unwrap();
        assert_eq!(values, [Value::Object(vec![("w".into(), Value::Boolean(true))])]);
        // Date, long string, undefined, typed object.
        let bytes =
            [11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1, b'x', 6, 16, 0, 1, b'C', 0, 0, 9];
        let values = decode(&bytes).unwrap();
        assert_eq!(values.len(), 4);
        assert_eq!(values[1].as_str(), Some("x"));
    }

    #[test]
    fn refuses_depth_references_and_false_lengths() {
        let mut deep = Vec::new();
        for _ in 0..10_000 {
            deep.extend_from_slice(&[0x0a, 0, 0, 0, 1]);
        }
        assert_eq!(decode(&deep), Err(Amf0Error::TooDeep));
        assert_eq!(decode(&[7, 0, 0]), Err(Amf0Error::Marker { marker: 7, at: 0 }));
        assert_eq!(decode(&[2, 0, 9, b'x']), Err(Amf0Error::Truncated(3)));
        assert_eq!(decode(&[12, 0xff, 0xff, 0xff, 0xff]), Err(Amf0Error::Truncated(5)));
        assert_eq!(decode(&vec![5; 5000]), Err(Amf0Error::TooMany));
        assert_eq!(decode(&vec![5; 70_000]), Err(Amf0Error::TooLong(70_000)));
        assert_eq!(decode_leading(&[5, 5, 7]).0.len(), 2);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            drop(decode(&bytes));
        }

        #[test]
        fn reads_back_what_rml_amf0_writes(
            number in any::<f64>().prop_filter("comparable", |n| !n.is_nan()),
            text in "\\PC{0,40}",
            flag in any::<bool>(),
        ) {
            use rml_rtmp::rml_amf0::{Amf0Value, serialize};
            let bytes = serialize(&vec![
                Amf0Value::Number(number),
                Amf0Value::Utf8String(text.clone()),
                Amf0Value::Object([("k".to_owned(), Amf0Value::Boolean(flag))].into()),
                Amf0Value::Null,
            ])
            .unwrap();
            prop_assert_eq!(
                decode(&bytes).unwrap(),
                vec![
                    Value::Number(number),
                    Value::String(text),
                    Value::Object(vec![("k".into(), Value::Boolean(flag))]),
                    Value::Null,
                ]
            );
        }
    }
}
