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
    /// A transcoded rendition's video.
    Transcoded(RenditionName),
}

impl RenditionId {
    /// The rendition with this name in URLs; `None` when nothing can have such a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "source" => Some(Self::Source),
            "audio" => Some(Self::Audio),
            name => RenditionName::new(name).ok().map(Self::Transcoded),
        }
    }

    /// Its name in URLs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Source => "source",
            Self::Audio => "audio",
            Self::Transcoded(name) => name.as_str(),
        }
    }
}

impl fmt::Display for RenditionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
