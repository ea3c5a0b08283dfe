//! Request paths.

use media::PlaybackId;

use super::metrics::ResourceKind;
use crate::{FileName, RenditionId};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    /// `/{id}.m3u8`
    Multivariant(PlaybackId),
    /// `/{id}/{rendition}.m3u8`
    MediaPlaylist(PlaybackId, RenditionId),
    /// `/{id}/{rendition}/{file}`
    File(PlaybackId, RenditionId, FileName<'a>),
    /// `/watch/{id}`
    WatchPage(PlaybackId),
    /// `/watch/assets/{name}`
    WatchAsset(&'a str),
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    /// None of our paths looks like that.
    Unknown,
    /// It holds a character that none of our paths has: escapes included, so that no two spellings
    /// of a path exist.
    Malformed,
}

impl<'a> Resource<'a> {
    /// Reads a path as it stands in the request line, escapes not resolved.
    pub(super) fn parse(path: &'a str) -> Result<Self, PathError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !path.bytes().all(|byte| plain(byte) || byte == b'/') {
            return Err(PathError::Malformed);
        }
        let path = path.strip_prefix('/').ok_or(PathError::Malformed)?;
        let mut names = path.split('/');
        let found = match (names.next(), names.next(), names.next(), names.next()) {
            (Some(playlist), None, None, None) => multivariant(playlist),
            (Some("watch"), Some(id), None, None) => id_of(id).map(Self::WatchPage),
            (Some("watch"), Some("assets"), Some(name), None) => Some(Self::WatchAsset(name)),
            (Some(id), Some(playlist), None, None) => media_playlist(id, playlist),
            (Some(id), Some(rendition), Some(name), None) => file(id, rendition, name),
            _ => None,
        };
        found.ok_or(PathError::Unknown)
    }

    /// What metrics count it as.
    pub(super) const fn kind(&self) -> ResourceKind {
        match self {
            Self::Multivariant(_) => ResourceKind::Multivariant,
            Self::MediaPlaylist(..) => ResourceKind::MediaPlaylist,
            Self::File(_, _, FileName::Segment { .. }) => ResourceKind::Segment,
            Self::File(_, _, FileName::Init { .. }) => ResourceKind::Init,
            Self::WatchPage(_) | Self::WatchAsset(_) => ResourceKind::Watch,
        }
    }
}

fn id_of(text: &str) -> Option<PlaybackId> {
    PlaybackId::new(text).ok()
}

fn multivariant(playlist: &str) -> Option<Resource<'_>> {
    playlist.strip_suffix(".m3u8").and_then(id_of).map(Resource::Multivariant)
}

fn media_playlist<'a>(id: &str, playlist: &str) -> Option<Resource<'a>> {
    let rendition = playlist.strip_suffix(".m3u8").and_then(RenditionId::parse)?;
    Some(Resource::MediaPlaylist(id_of(id)?, rendition))
}

fn file<'a>(id: &str, rendition: &str, name: &'a str) -> Option<Resource<'a>> {
    let (rendition, name) = (RenditionId::parse(rendition)?, FileName::parse(name)?);
    Some(Resource::File(id_of(id)?, rendition, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_our_paths() {
        let id = || PlaybackId::new("cam.1").unwrap();
        let segment = FileName::Segment { epoch: "e", sequence: 7 };
        for (path, resource) in [
            ("/cam.1.m3u8", Resource::Multivariant(id())),
            ("/cam.1/audio.m3u8", Resource::MediaPlaylist(id(), RenditionId::Audio)),
            ("/cam.1/source/e-7.m4s", Resource::File(id(), RenditionId::Source, segment)),
            ("/watch/cam.1", Resource::WatchPage(id())),
            ("/watch/assets/watch-1.css", Resource::WatchAsset("watch-1.css")),
        ] {
            assert_eq!(Resource::parse(path), Ok(resource), "{path}");
        }
    }

    #[test]
    fn refuses_every_other_spelling() {
        for path in ["/cam%2e1.m3u8", "/cam/..%2fsource.m3u8", "/cam\\x", "/cam;x.m3u8", "", "*"] {
            assert_eq!(Resource::parse(path), Err(PathError::Malformed), "{path}");
        }
        for path in [
            "/",
            "//",
            "/..",
            "/../cam.m3u8",
            "/cam/../source.m3u8",
            "/cam/./source.m3u8",
            "/cam//source.m3u8",
            "/cam.m3u8/",
            "/cam/source/e-7.m4s/",
            "/cam/source/../e-7.m4s",
            "/cam/source/e-07.m4s",
            "/live.m3u8",
            "/watch.m3u8",
            "/watch/",
            "/watch/v1",
            "/.m3u8",
            "/cam",
        ] {
            assert_eq!(Resource::parse(path), Err(PathError::Unknown), "{path}");
        }
    }

    proptest! {
        #[test]
        fn reads_anything_without_panic(path in "(/[a-z0-9./%-]{0,12}){0,5}|.{0,30}") {
            let _resource = Resource::parse(&path);
        }
    }
}
