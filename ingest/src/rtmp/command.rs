//! Commands of NetConnection and NetStream (`rtmp` §7.2).

use super::{
    amf0::{self, Amf0Error, Value},
    enhanced::ClientCapabilities,
};
use crate::printable::printable;

/// Why a command message can't be acted on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Its body is not AMF0 we read.
    #[error("command can't be read: {0}")]
    Amf0(#[from] Amf0Error),
    /// Its body does not start with a name.
    #[error("command without a name")]
    NoName,
    /// It came before `connect`.
    #[error("{0} before connect")]
    BeforeConnect(&'static str),
    /// A second `connect`.
    #[error("connect on a connected connection")]
    ConnectedTwice,
}

/// A command, as far as a server that takes publishers cares. Transaction ids are echoed as they
/// came: encoders use 0, and fractions.
#[derive(Debug)]
pub(super) enum Command {
    Connect { transaction: f64, app: String, object_encoding: f64, client: ClientCapabilities },
    ReleaseStream { transaction: f64 },
    FcPublish { transaction: f64 },
    CreateStream { transaction: f64 },
    Publish { name: String },
    FcUnpublish,
    DeleteStream { stream_id: f64 },
    CloseStream,
    CheckBandwidth { transaction: f64 },
    GetStreamLength { transaction: f64 },
    Play,
    Other,
}

impl Command {
    /// Reads the body of a command message; `amf3` for message type 17.
    pub(super) fn parse(body: &[u8], amf3: bool) -> Result<Self, CommandError> {
        let values = amf0::decode(strip_format_byte(body, amf3))?;
        let mut values = values.into_iter();
        let Some(Value::String(name)) = values.next() else { return Err(CommandError::NoName) };
        let transaction = values.next().and_then(|value| value.as_number()).unwrap_or(0.0);
        let object = values.next();
        let argument = values.next();
        Ok(match name.as_str() {
            "connect" => Self::Connect {
                transaction,
                app: application(object.as_ref()),
                object_encoding: object
                    .as_ref()
                    .and_then(|object| object.property("objectEncoding"))
                    .and_then(Value::as_number)
                    .unwrap_or(0.0),
                client: ClientCapabilities::read(object.as_ref()),
            },
            "releaseStream" => Self::ReleaseStream { transaction },
            "FCPublish" => Self::FcPublish { transaction },
            "createStream" => Self::CreateStream { transaction },
            "publish" => Self::Publish {
                name: match argument {
                    Some(Value::String(name)) => name,
                    _ => String::new(),
                },
            },
            "FCUnpublish" => Self::FcUnpublish,
            "deleteStream" => Self::DeleteStream {
                stream_id: argument.and_then(|value| value.as_number()).unwrap_or(f64::NAN),
            },
            "closeStream" => Self::CloseStream,
            "_checkbw" => Self::CheckBandwidth { transaction },
            "getStreamLength" => Self::GetStreamLength { transaction },
            "play" | "play2" => Self::Play,
            _ => Self::Other,
        })
    }
}

/// Types 15 and 17 carry a format byte, zero for AMF0, before values that are AMF0 all the same.
fn strip_format_byte(body: &[u8], amf3: bool) -> &[u8] {
    match body {
        [0, rest @ ..] if amf3 => rest,
        body => body,
    }
}

/// The application of `connect`: its `app`, else the path of its `tcUrl`.
fn application(object: Option<&Value>) -> String {
    let text = |name| object.and_then(|object| object.property(name)).and_then(Value::as_str);
    if let Some(app) = text("app") {
        return app.to_owned();
    }
    let path = text("tcUrl").and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
    path.and_then(|rest| rest.split_once('/')).map(|(_, app)| app.to_owned()).unwrap_or_default()
}

/// What metadata says about the publisher: hints for people, never for parsing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Name of the encoder, printable and short.
    pub(super) encoder: Option<String>,
    /// Pictures a second, in thousandths.
    pub(super) frame_rate: Option<u32>,
}

impl Metadata {
    /// Reads a data message: `@setDataFrame`, `onMetaData` or `onMetaData` alone; `None` for others.
    pub(super) fn parse(body: &[u8], amf3: bool) -> Option<Self> {
        let (values, _) = amf0::decode_leading(strip_format_byte(body, amf3));
        let mut values = values.iter();
        let mut name = values.next()?.as_str()?;
        if name == "@setDataFrame" {
            name = values.next()?.as_str()?;
        }
        if name != "onMetaData" {
            return None;
        }
        let object = values.next();
        let property = |name| object.and_then(|object| object.property(name));
        let rate = ["framerate", "videoframerate"].into_iter().find_map(property);
        Some(Self {
            encoder: property("encoder").and_then(Value::as_str).map(printable),
            frame_rate: rate.and_then(Value::as_number).and_then(thousandths),
        })
    }
}

/// A frame rate in thousandths, of those that there are: at most 1000 a second.
fn thousandths(rate: f64) -> Option<u32> {
    const MOST: f64 = 1_000.0;
    let whole =
        (rate.is_finite() && rate > 0.0 && rate <= MOST).then(|| (rate * 1_000.0).round())?;
    // A float that is whole and small is written without fraction or exponent.
    format!("{whole:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use rml_rtmp::rml_amf0::{Amf0Value, serialize};

    use super::*;

    fn body(values: Vec<Amf0Value>) -> Vec<u8> {
        serialize(&values).unwrap()
    }

    fn text(text: &str) -> Amf0Value {
        Amf0Value::Utf8String(text.to_owned())
    }

    #[test]
    fn takes_the_app_from_tc_url_when_there_is_no_other() {
        let object = Amf0Value::Object(
            [("tcUrl".to_owned(), text("rtmps://u:p@[::1]:1936/live/sub?x=1"))].into(),
        );
        let body = body(vec![text("connect"), Amf0Value::Number(1.0), object]);
        let Command::Connect { app, .. } = Command::parse(&body, false).unwrap() else { panic!() };
        assert_eq!(app, "live/sub?x=1");
    }

    #[test]
    fn amf3_commands_are_amf0_behind_a_format_byte() {
        let mut bytes = vec![0];
        bytes.extend(body(vec![text("createStream"), Amf0Value::Number(2.5), Amf0Value::Null]));
        let command = Command::parse(&bytes, true).unwrap();
        assert!(matches!(command, Command::CreateStream { transaction } if transaction == 2.5));
        let command = Command::parse(&bytes[1..], true).unwrap();
        assert!(matches!(command, Command::CreateStream { .. }));
    }

    #[test]
    fn publish_may_lack_type_and_name() {
        let bytes = body(vec![text("publish"), Amf0Value::Number(0.0), Amf0Value::Null]);
        assert!(matches!(
            Command::parse(&bytes, false).unwrap(),
            Command::Publish { name } if name.is_empty()
        ));
        assert_eq!(Command::parse(&[5], false).unwrap_err(), CommandError::NoName);
    }

    #[test]
    fn metadata_wrapped_or_bare_and_never_multi_line() {
        let object =
            Amf0Value::Object([("encoder".to_owned(), text("obs-output\nmodule (29)"))].into());
        let wrapped = body(vec![text("@setDataFrame"), text("onMetaData"), object.clone()]);
        let bare = body(vec![text("onMetaData"), object]);
        let encoder = Some("obs-outputmodule (29)".to_owned());
        let expected = Metadata { encoder, frame_rate: None };
        assert_eq!(Metadata::parse(&wrapped, false), Some(expected.clone()));
        assert_eq!(Metadata::parse(&bare, false), Some(expected));
        assert_eq!(Metadata::parse(&body(vec![text("onTextData")]), false), None);
    }
}
