//! What a segment's or an init's URI leads to.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use media::{InitSegment, TrackSegment};

/// Name of a file below a rendition's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileName<'a> {
    /// `{epoch}-{sequence}.m4s`: a media segment.
    Segment {
        /// Process start it belongs to.
        epoch: &'a str,
        /// Its media sequence number.
        sequence: u64,
    },
    /// `{epoch}-init-{number}.mp4`: a media initialization section.
    Init {
        /// Process start it belongs to.
        epoch: &'a str,
        /// Media sequence number of the first segment that needs it.
        number: u64,
    },
}

impl<'a> FileName<'a> {
    /// Reads a name as playlists write it; any other spelling is `None`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(stem) = text.strip_suffix(".m4s") {
            let (epoch, sequence) = stem.split_once('-')?;
            return Some(Self::Segment { epoch, sequence: decimal(sequence)? });
        }
        let (epoch, number) = text.strip_suffix(".mp4")?.split_once("-init-")?;
        Some(Self::Init { epoch, number: decimal(number)? })
    }
}

/// The one way a playlist writes a number: digits, without leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// A file of a rendition, shared with the window that lists it.
#[derive(Clone, Debug)]
pub struct MediaFile {
    /// Its content.
    pub content: FileContent,
    /// When it was published.
    pub published: SystemTime,
    /// How long it stays downloadable once no playlist lists it.
    pub retention: Duration,
}

/// The bytes of a [`MediaFile`], by reference.
#[derive(Clone, Debug)]
pub enum FileContent {
    /// A media segment.
    Segment(Arc<TrackSegment>),
    /// A media initialization section.
    Init(Arc<InitSegment>),
}

impl FileContent {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Segment(segment) => segment.body_len(),
            Self::Init(init) => init.bytes.len(),
        }
    }

    /// Whether it holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_its_own_spelling_only() {
        let segment = FileName::Segment { epoch: "k3x", sequence: 12 };
        assert_eq!(FileName::parse("k3x-12.m4s"), Some(segment));
        let init = FileName::Init { epoch: "k3x", number: 1 };
        assert_eq!(FileName::parse("k3x-init-1.mp4"), Some(init));
        for other in [
            "k3x-012.m4s",
            "k3x-+1.m4s",
            "k3x-.m4s",
            "k3x-1.mp4",
            "k3x-init-1.m4s",
            "k3x-99999999999999999999.m4s",
            "12.m4s",
            "",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn reads_anything_without_panic(text in ".{0,40}") {
            let _name = FileName::parse(&text);
        }

        #[test]
        fn reads_back_every_number(epoch in "[0-9a-z]{1,12}", number: u64) {
            let text = format!("{epoch}-{number}.m4s");
            let name = FileName::Segment { epoch: &epoch, sequence: number };
            prop_assert_eq!(FileName::parse(&text), Some(name));
        }
    }
}
