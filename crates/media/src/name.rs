//! Names of streams, and the public ids under which they play.

use std::{fmt, sync::Arc};

/// Playback ids that can't be created: they are, or will be, paths of our own HTTP service.
pub const RESERVED_PLAYBACK_IDS: &[&str] = &[
    "admin",
    "api",
    "assets",
    "dashboard",
    "favicon",
    "healthz",
    "hls",
    "live",
    "metrics",
    "player",
    "publish",
    "readyz",
    "recordings",
    "robots",
    "stream",
    "v1",
    "video",
    "watch",
    "webhooks",
    "whep",
    "whip",
];

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than the limit.
    #[error("must have 1 to {max} characters, has {len}")]
    Length {
        /// Characters found.
        len: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A character that does not belong in a URL path segment.
    #[error("may hold letters, digits, '-', '_' and '.', not {0:?}")]
    Character(char),
    /// Starts with a dot.
    #[error("must not start with '.'")]
    LeadingDot,
    /// One of [`RESERVED_PLAYBACK_IDS`].
    #[error("{0:?} is one of our own paths")]
    Reserved(String),
}

pub(crate) fn check(text: &str, max: usize) -> Result<(), NameError> {
    if text.is_empty() || text.len() > max {
        return Err(NameError::Length { len: text.len(), max });
    }
    if text.starts_with('.') {
        return Err(NameError::LeadingDot);
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        Some(c) => Err(NameError::Character(c)),
        None => Ok(()),
    }
}

/// The operator's name for a stream: 1 to 128 of `[A-Za-z0-9._-]`. Safe to log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// When it is empty, too long, or holds another character.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, 128)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public id under which a stream plays: 1 to 128 of `[A-Za-z0-9._-]`, and none of our own paths.
///
/// It is not a secret, and differs from the stream key, which is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaybackId(Arc<str>);

impl PlaybackId {
    /// Checks and wraps an id.
    ///
    /// # Errors
    /// When it is empty, too long, holds another character, or is reserved.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, 128)?;
        let stem = text.split('.').next().unwrap_or(text).to_ascii_lowercase();
        if RESERVED_PLAYBACK_IDS.contains(&stem.as_str()) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlaybackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_would_escape_a_path() {
        assert_eq!(PlaybackId::new("../etc"), Err(NameError::LeadingDot));
        assert_eq!(PlaybackId::new("a/b"), Err(NameError::Character('/')));
        assert_eq!(PlaybackId::new(""), Err(NameError::Length { len: 0, max: 128 }));
        assert!(PlaybackId::new(&"x".repeat(129)).is_err());
        assert!(PlaybackId::new("Abc-9_z").is_ok());
    }

    #[test]
    fn refuses_our_own_paths_in_any_case_and_with_any_extension() {
        for id in ["live", "Watch", "v1", "whip", "stream.m3u8", "METRICS"] {
            assert!(matches!(PlaybackId::new(id), Err(NameError::Reserved(_))), "{id}");
        }
        assert!(PlaybackId::new("live2").is_ok());
    }
}
