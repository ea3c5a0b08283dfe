//! Which playlist of a presentation.

use std::fmt;

use media::RenditionName;

/// One media playlist of a presentation, and the folder of its segments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RenditionId {
    /// The publisher's video.
    Source,
    /// The publisher's audio.
    Audio,
    /// What was transcoded, or a further layer or audio track of the publisher.
    Named(RenditionName),
}

impl RenditionId {
    /// The rendition with this name in URLs; `None` when nothing can have such a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "source" => Some(Self::Source),
            "audio" => Some(Self::Audio),
            name => RenditionName::parse(name).ok().map(Self::Named),
        }
    }

    /// Its name in URLs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Source => "source",
            Self::Audio => "audio",
            Self::Named(name) => name.as_str(),
        }
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
