use proptest::prelude::*;
use rml_rtmp::{
    chunk_io::{ChunkDeserializer, ChunkSerializer},
    messages::{MessagePayload, RtmpMessage},
    rml_amf0::{Amf0Value, serialize},
    time::RtmpTimestamp,
};

use super::*;
use crate::rtmp::ChunkErrorKind;

/// A client that speaks through rml_rtmp, and a session past its handshake.
struct Client {
    session: RtmpSession,
    serializer: ChunkSerializer,
    deserializer: ChunkDeserializer,
    now: Instant,
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

impl Client {
    fn new() -> Self {
        let now = crate::shell::now();
        let mut session = RtmpSession::new(SessionConfig::default(), now);
        let mut bytes = vec![0; HANDSHAKE_LEN];
        bytes[0] = 3;
        assert_eq!(session.handle_input(now, &bytes).unwrap(), HANDSHAKE_LEN);
        assert_eq!(session.writes().len(), HANDSHAKE_LEN);
        session.writes().clear();
        Self {
            session,
            serializer: ChunkSerializer::new(),
            deserializer: ChunkDeserializer::new(),
            now,
        }
    }

    fn connected() -> Self {
        let mut client = Self::new();
        let object = Amf0Value::Object([("app".to_owned(), text("live"))].into());
        client.command(0, vec![text("connect"), Amf0Value::Number(1.0), object]).unwrap();
        client.replies();
        client
    }

    fn publishing() -> Self {
        let mut client = Self::connected();
        client.call(1, "publish", vec![text("key"), text("live")]).unwrap();
        assert!(matches!(client.session.poll_output(), Some(Output::Publish(_))));
        client.session.accept_publish(client.now).unwrap();
        client.replies();
        client
    }

    fn send(&mut self, kind: u8, stream_id: u32, data: Vec<u8>) -> Result<usize, SessionError> {
        let payload = MessagePayload {
            timestamp: RtmpTimestamp::new(0),
            type_id: kind,
            message_stream_id: stream_id,
            data: data.into(),
        };
        let packet = self.serializer.serialize(&payload, false, false).unwrap();
        self.session.handle_input(self.now, &packet.bytes)
    }

    fn command(&mut self, stream_id: u32, values: Vec<Amf0Value>) -> Result<usize, SessionError> {
        self.send(20, stream_id, serialize(&values).unwrap())
    }

    fn call(
        &mut self,
        stream_id: u32,
        name: &str,
        arguments: Vec<Amf0Value>,
    ) -> Result<usize, SessionError> {
        let mut values = vec![text(name), Amf0Value::Number(2.5), Amf0Value::Null];
        values.extend(arguments);
        self.command(stream_id, values)
    }

    /// Everything the session wants to say, in a word each.
    fn replies(&mut self) -> Vec<String> {
        let bytes = std::mem::take(self.session.writes());
        let mut replies = Vec::new();
        let mut input: &[u8] = &bytes;
        while let Some(payload) = self.deserializer.get_next_message(input).unwrap() {
            input = &[];
            let word = match payload.to_rtmp_message().unwrap() {
                RtmpMessage::SetChunkSize { size } => {
                    self.deserializer.set_max_chunk_size(usize::try_from(size).unwrap()).unwrap();
                    format!("chunk size {size}")
                }
                RtmpMessage::Amf0Command {
                    command_name,
                    transaction_id,
                    mut additional_arguments,
                    ..
                } => match additional_arguments.pop() {
                    Some(Amf0Value::Object(status)) => {
                        let field = |name: &str| match status.get(name) {
                            Some(Amf0Value::Utf8String(text)) => text.clone(),
                            _ => String::new(),
                        };
                        format!("{command_name} {} {}", field("level"), field("code"))
                    }
                    Some(Amf0Value::Number(value)) => {
                        format!("{command_name} {transaction_id} {value}")
                    }
                    _ => format!("{command_name} {transaction_id}"),
                },
                RtmpMessage::UserControl { event_type, stream_id, timestamp, .. } => {
                    format!("{event_type:?} {stream_id:?} {:?}", timestamp.map(|t| t.value))
                }
                RtmpMessage::Acknowledgement { sequence_number } => {
                    format!("ack {sequence_number}")
                }
                RtmpMessage::WindowAcknowledgement { .. } => "window".to_owned(),
                RtmpMessage::SetPeerBandwidth { .. } => "bandwidth".to_owned(),
                RtmpMessage::Unknown { .. }
                | RtmpMessage::Abort { .. }
                | RtmpMessage::Amf0Data { .. }
                | RtmpMessage::AudioData { .. }
                | RtmpMessage::VideoData { .. } => "unexpected".to_owned(),
            };
            replies.push(word);
        }
        replies
    }
}

#[test]
fn connect_sets_sizes_first() {
    let mut client = Client::new();
    let object = Amf0Value::Object([("app".to_owned(), text("live"))].into());
    client.command(0, vec![text("connect"), Amf0Value::Number(1.0), object]).unwrap();
    assert_eq!(
        client.replies(),
        ["window", "bandwidth", "chunk size 65536", "_result status NetConnection.Connect.Success"]
    );
}

/// A client that says what FFmpeg 9 and the specification's example say.
fn enhanced_client(caps: f64) -> (Client, String) {
    let mut client = Client::new();
    let list = Amf0Value::StrictArray(vec![text("hvc1"), text("av01")]);
    let object = Amf0Value::Object(
        [
            ("app".to_owned(), text("live")),
            ("fourCcList".to_owned(), list),
            ("capsEx".to_owned(), Amf0Value::Number(caps)),
        ]
        .into(),
    );
    client.command(0, vec![text("connect"), Amf0Value::Number(1.0), object]).unwrap();
    let said = String::from_utf8_lossy(client.session.writes()).into_owned();
    client.replies();
    (client, said)
}

#[test]
fn who_speaks_enhanced_rtmp_is_told_what_is_taken() {
    let (client, said) = enhanced_client(14.0);
    let names = ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"];
    let codecs = ["avc1", "hvc1", "av01", "mp4a", "Opus"];
    assert!(names.iter().chain(&codecs).all(|name| said.contains(name)), "{said}");
    assert_eq!(client.session.client().codecs, ["hvc1", "av01"]);
    assert!(!client.session.client().reconnect);
    let mut old = Client::new();
    let object = Amf0Value::Object([("app".to_owned(), text("live"))].into());
    old.command(0, vec![text("connect"), Amf0Value::Number(1.0), object]).unwrap();
    let said = String::from_utf8_lossy(old.session.writes()).into_owned();
    assert!(!names.iter().any(|name| said.contains(name)), "{said}");
}

#[test]
fn only_a_publisher_that_announced_it_is_asked_to_reconnect() {
    for (caps, asked) in [(1.0, true), (15.0, true), (14.0, false)] {
        let (mut client, _) = enhanced_client(caps);
        assert!(!client.session.request_reconnect("moving").unwrap(), "not publishing yet");
        client.call(1, "publish", vec![text("key"), text("live")]).unwrap();
        client.session.poll_output();
        client.session.accept_publish(client.now).unwrap();
        client.replies();
        assert_eq!(client.session.request_reconnect("moving").unwrap(), asked);
        let expected: &[&str] = match asked {
            true => &["onStatus status NetConnection.Connect.ReconnectRequest"],
            false => &[],
        };
        assert_eq!(client.replies(), expected);
        // It publishes on until it leaves.
        client.send(9, 1, vec![0x17, 1, 0, 0, 0, 9]).unwrap();
        assert!(matches!(client.session.poll_output(), Some(Output::Media(_))));
    }
}

#[test]
fn every_encoder_s_preamble_is_answered() {
    let mut client = Client::connected();
    client.call(0, "releaseStream", vec![text("key")]).unwrap();
    client.call(0, "FCPublish", vec![text("key")]).unwrap();
    client.call(0, "createStream", vec![]).unwrap();
    client.call(0, "createStream", vec![]).unwrap();
    client.call(0, "_checkbw", vec![]).unwrap();
    client.call(0, "getStreamLength", vec![text("key")]).unwrap();
    client.call(0, "somethingNew", vec![text("key")]).unwrap();
    assert_eq!(
        client.replies(),
        [
            "_result 2.5",
            "onFCPublish status NetStream.Publish.Start",
            "_result 2.5",
            "_result 2.5 1",
            "_result 2.5 2",
            "_result 2.5",
            "_result 2.5 0"
        ]
    );
    client.call(2, "publish", vec![text("a/b?token=x")]).unwrap();
    let Some(Output::Publish(attempt)) = client.session.poll_output() else { panic!() };
    assert_eq!(attempt.name, publish_name("live", "a/b?token=x"));
    client.session.accept_publish(client.now).unwrap();
    assert_eq!(
        client.replies(),
        ["StreamBegin Some(2) None", "onStatus status NetStream.Publish.Start"]
    );
}

#[test]
fn refusals_name_their_reason_and_close() {
    for (refusal, code) in [
        (Refusal::UnknownKey, "NetStream.Publish.BadName"),
        (Refusal::AlreadyPublishing, "NetStream.Publish.Denied"),
        (Refusal::ShuttingDown, "NetStream.Publish.Rejected"),
    ] {
        let mut client = Client::connected();
        client.call(1, "publish", vec![text("key")]).unwrap();
        client.session.poll_output();
        client.session.refuse_publish(refusal.clone()).unwrap();
        assert_eq!(client.replies(), [format!("onStatus error {code}")]);
        let end = SessionEnd::Refused(refusal);
        assert_eq!(client.session.poll_output(), Some(Output::Close(end)));
        // Closing: nothing is read any more.
        assert_eq!(client.session.handle_input(client.now, &[1, 2, 3]).unwrap(), 0);
    }
    let mut client = Client::connected();
    client.session.app.clear();
    client.call(1, "publish", vec![]).unwrap();
    assert_eq!(client.replies(), ["onStatus error NetStream.Publish.BadName"]);

    let mut client = Client::connected();
    client.call(1, "play", vec![text("key")]).unwrap();
    assert_eq!(client.replies(), ["onStatus error NetStream.Play.Failed"]);
    assert_eq!(client.session.poll_output(), Some(Output::Close(SessionEnd::Play)));
}

#[test]
fn nothing_is_read_while_a_publish_waits() {
    let mut client = Client::connected();
    client.call(1, "publish", vec![text("key")]).unwrap();
    assert_eq!(client.send(9, 1, vec![0x17, 1]).unwrap(), 0);
    assert_eq!(client.session.poll_timeout(), None);
}

#[test]
fn media_count_only_on_the_stream_that_publishes() {
    let mut client = Client::publishing();
    client.send(9, 1, vec![1]).unwrap();
    client.send(8, 0, vec![2]).unwrap();
    client.send(9, 2, vec![3]).unwrap();
    client.send(8, 1, vec![]).unwrap();
    client.call(2, "publish", vec![text("other")]).unwrap();
    assert_eq!(client.replies(), ["onStatus error NetStream.Publish.Denied"]);
    let bodies: Vec<_> = std::iter::from_fn(|| client.session.poll_output())
        .map(|output| {
            let Output::Media(media) = output else { panic!("{output:?}") };
            media.body[0]
        })
        .collect();
    assert_eq!(bodies, [1, 2]);
}

#[test]
fn every_way_to_unpublish_and_publish_again() {
    let ways: [(u32, &str, Vec<Amf0Value>); 3] = [
        (0, "FCUnpublish", vec![text("key")]),
        (0, "deleteStream", vec![Amf0Value::Number(1.0)]),
        (1, "closeStream", vec![]),
    ];
    for (stream_id, name, arguments) in ways {
        let mut client = Client::publishing();
        client.call(stream_id, name, arguments).unwrap();
        assert_eq!(client.session.poll_output(), Some(Output::Unpublished), "{name}");
        client.call(1, "publish", vec![text("key")]).unwrap();
        assert!(matches!(client.session.poll_output(), Some(Output::Publish(_))));
    }
    let mut client = Client::publishing();
    client.call(0, "deleteStream", vec![Amf0Value::Number(9.0)]).unwrap();
    assert_eq!(client.session.poll_output(), None);
}

#[test]
fn pings_are_answered_and_bytes_acknowledged_in_total() {
    let mut client = Client::publishing();
    client.send(4, 0, vec![0, 6, 0, 0, 4, 0]).unwrap();
    assert_eq!(client.replies(), ["PingResponse None Some(1024)"]);
    client.send(5, 0, 20_000_u32.to_be_bytes().to_vec()).unwrap();
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        client.send(9, 1, vec![0x17; 12_000]).unwrap();
        let total = client.session.position();
        acknowledged.push(client.replies() == [format!("ack {total}")]);
    }
    assert_eq!(acknowledged, [true; 3]);
}

#[test]
fn deadlines_run_out_by_phase() {
    let config = SessionConfig::default();
    let start = crate::shell::now();
    let mut session = RtmpSession::new(config.clone(), start);
    // A slow-loris client gains nothing by dribbling.
    let later = start + config.handshake_timeout;
    session.handle_input(later - Duration::from_millis(1), &[3, 0, 0]).unwrap();
    assert_eq!(session.poll_timeout(), Some(later));
    assert!(session.handle_timeout(later - Duration::from_millis(1)).is_ok());
    assert!(matches!(session.handle_timeout(later), Err(SessionError::HandshakeTimeout(_))));

    let mut client = Client::connected();
    let late = client.now + config.publish_timeout;
    client.call(0, "_checkbw", vec![]).unwrap();
    assert!(matches!(client.session.handle_timeout(late), Err(SessionError::PublishTimeout(_))));

    let mut client = Client::publishing();
    client.now += Duration::from_secs(9);
    client.send(9, 1, vec![1]).unwrap();
    let late = client.now + config.idle_timeout;
    assert_eq!(client.session.poll_timeout(), Some(late));
    assert!(matches!(client.session.handle_timeout(late), Err(SessionError::Silent(_))));
}

#[test]
fn strangers_get_small_messages_only() {
    let mut client = Client::connected();
    let big = vec![0; 100_000];
    let error = client.send(20, 0, big.clone()).unwrap_err();
    assert!(matches!(
        error,
        SessionError::Chunk(ChunkError { kind: ChunkErrorKind::MessageTooLong { .. }, .. })
    ));
    let mut client = Client::publishing();
    client.send(9, 1, big).unwrap();
    assert!(client.session.poll_output().is_some());
}

#[test]
fn commands_out_of_place_and_deep_amf0_end_the_session() {
    let mut client = Client::new();
    assert!(matches!(
        client.call(0, "publish", vec![text("key")]),
        Err(SessionError::Command { source: CommandError::BeforeConnect("publish"), .. })
    ));
    let mut client = Client::connected();
    assert!(matches!(
        client.call(0, "connect", vec![]),
        Err(SessionError::Command { source: CommandError::ConnectedTwice, .. })
    ));
    let mut deep = serialize(&vec![text("connect"), Amf0Value::Number(1.0)]).unwrap();
    for _ in 0..10_000 {
        deep.extend_from_slice(&[0x0a, 0, 0, 0, 1]);
    }
    let mut client = Client::new();
    let error = client.send(20, 0, deep).unwrap_err();
    assert!(error.to_string().contains("nested deeper than 16"), "{error}");
}

#[test]
fn handshake_comes_in_pieces_and_with_connect_behind_it() {
    let now = crate::shell::now();
    let object = Amf0Value::Object([("app".to_owned(), text("live"))].into());
    let connect = serialize(&vec![text("connect"), Amf0Value::Number(1.0), object]).unwrap();
    let payload = MessagePayload {
        timestamp: RtmpTimestamp::new(0),
        type_id: 20,
        message_stream_id: 0,
        data: connect.into(),
    };
    let packet = ChunkSerializer::new().serialize(&payload, true, false).unwrap();
    // A version in C1, as old Flash players and librtmp write it.
    let mut bytes = vec![9; HANDSHAKE_LEN];
    bytes[0] = 3;
    bytes.extend_from_slice(&packet.bytes);
    for piece in [1, 3, 1536, 1537, 3072, 10_000] {
        let mut session = RtmpSession::new(SessionConfig::default(), now);
        for piece in bytes.chunks(piece) {
            session.handle_input(now, piece).unwrap();
        }
        assert_eq!(session.state, State::Connected);
        assert!(session.writes().len() > HANDSHAKE_LEN + 100);
    }
    let mut session = RtmpSession::new(SessionConfig::default(), now);
    assert!(matches!(
        session.handle_input(now, b"GET / HTTP/1.1\r\n"),
        Err(SessionError::Handshake(_))
    ));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        crate::fuzzing::session(&bytes);
    }
}
