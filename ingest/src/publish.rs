//! Who wants to publish, and why not.

use std::{
    fmt,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use media::Redacted;

/// Number of a publisher's connection, unique within the process. Safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// The next one.
    #[must_use]
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The secret by which a publisher is known. Never printed; [`StreamKey::expose`] is the way to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamKey(Redacted<String>);

impl StreamKey {
    /// Longest key taken, in bytes. FFmpeg cuts whole URLs at 1024.
    pub const MAX_LEN: usize = 1024;

    /// `None` when it is empty or longer than [`StreamKey::MAX_LEN`].
    #[must_use]
    pub fn new(key: String) -> Option<Self> {
        (1..=Self::MAX_LEN).contains(&key.len()).then_some(Self(Redacted::new(key)))
    }

    /// The key itself. Never log what this returns; compare it in constant time.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(***)")
    }
}

/// A publisher at the door. `app` and `key` are the two halves of its URL as
/// [`publish_name`](crate::rtmp::publish_name) takes them apart. Its `Debug` shows neither.
#[derive(Clone)]
pub struct PublishRequest {
    /// Its connection.
    pub connection: ConnectionId,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Application, without query and outer slashes. Any is taken; it can hold a manifest id
    /// (go-livepeer) and must not be logged.
    pub app: String,
    /// The complete publish name without query and outer slashes: it can hold slashes.
    pub key: StreamKey,
    /// Query of the publish name or the application, without `?`; can hold tokens.
    pub query: Option<Redacted<String>>,
}

impl PublishRequest {
    /// Application and name as one path, the same however the encoder split the URL.
    #[must_use]
    pub fn path(&self) -> Redacted<String> {
        let (app, key) = (self.app.as_str(), self.key.expose());
        Redacted::new(if app.is_empty() { key.to_owned() } else { format!("{app}/{key}") })
    }
}

impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishRequest")
            .field("connection", &self.connection)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Why a publisher is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No stream has this key.
    #[error("stream key is not known")]
    UnknownKey,
    /// Another publisher holds the stream and is not silent.
    #[error("stream is already being published")]
    AlreadyPublishing,
    /// The gateway is about to end.
    #[error("gateway is shutting down")]
    ShuttingDown,
    /// The gateway takes no more streams.
    #[error("gateway has no room for another stream")]
    TooManyStreams,
    /// Another reason, told to the publisher as it is.
    #[error("{0}")]
    Rejected(String),
}

impl Refusal {
    /// The NetStream status code that says so.
    ///
    /// OBS's librtmp and FFmpeg treat every one of these as final for the connection and show code
    /// and description. BadName is what an encoder's user reads as "check the key"; Denied is kept
    /// for a right key at the wrong moment, so that a support log tells the two apart.
    #[must_use]
    pub const fn status_code(&self) -> &'static str {
        match self {
            Self::UnknownKey => "NetStream.Publish.BadName",
            Self::AlreadyPublishing => "NetStream.Publish.Denied",
            Self::ShuttingDown | Self::TooManyStreams | Self::Rejected(_) => {
                "NetStream.Publish.Rejected"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_prints_no_part_of_the_url() {
        let request = PublishRequest {
            connection: ConnectionId(1),
            peer: ([127, 0, 0, 1], 1).into(),
            app: "secret-app".to_owned(),
            key: StreamKey::new("secret-key".to_owned()).unwrap(),
            query: Some(Redacted::new("secret-token".to_owned())),
        };
        assert!(!format!("{request:?}").contains("secret"));
        assert_eq!(request.path().expose(), "secret-app/secret-key");
    }

    #[test]
    fn keys_have_a_length() {
        assert!(StreamKey::new(String::new()).is_none());
        assert!(StreamKey::new("k".repeat(1025)).is_none());
    }
}
