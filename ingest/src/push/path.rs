//! `/live/{manifest}/{seq}.{ts|mp4}`.

use percent_encoding::percent_decode_str;

use super::PushContainer;
use crate::publish::StreamKey;

/// Why a path is not one of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not have three parts.
    #[error("segments go to /live/{{manifest}}/{{number}}.ts or .mp4")]
    Shape,
    /// The manifest is empty, too long, no UTF-8, or holds control characters.
    #[error("the manifest in the path can't be a name")]
    Manifest,
    /// Neither `.ts` nor `.mp4`, such as the playlist that FFmpeg's HLS muxer uploads.
    #[error("only .ts and .mp4 segments are taken")]
    Extension,
}

/// What a path says. The manifest can be a secret, as a stream key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushPath {
    /// Percent-decoded (RFC 3986 §2.1; a `%` that escapes nothing stands for itself), 1 to
    /// [`StreamKey::MAX_LEN`] bytes.
    pub manifest: StreamKey,
    /// The segment's number; 0 when unreadable.
    pub sequence: u64,
    /// By the extension.
    pub container: PushContainer,
}

impl PushPath {
    /// Reads a path as it stands in the request line, without query.
    ///
    /// # Errors
    /// [`PathError`], for which the answer is 400.
    pub fn read(path: &str) -> Result<Self, PathError> {
        let rest = path.strip_prefix("/live/").ok_or(PathError::Shape)?;
        let (manifest, file) = rest.split_once('/').ok_or(PathError::Shape)?;
        if file.contains('/') {
            return Err(PathError::Shape);
        }
        let (number, extension) = file.rsplit_once('.').ok_or(PathError::Extension)?;
        let container = PushContainer::of_extension(extension).ok_or(PathError::Extension)?;
        let manifest = percent_decode_str(manifest)
            .decode_utf8()
            .ok()
            .filter(|manifest| !manifest.chars().any(|c| c.is_control() || c == '/'))
            .and_then(|manifest| StreamKey::new(manifest.into_owned()))
            .ok_or(PathError::Manifest)?;
        Ok(Self { manifest, sequence: number.parse().unwrap_or(0), container })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(path: &str) -> Result<(String, u64, &'static str), PathError> {
        PushPath::read(path).map(|path| {
            (path.manifest.expose().to_owned(), path.sequence, path.container.extension())
        })
    }

    #[test]
    fn takes_what_clients_of_the_network_send() {
        let is = |manifest: &str, number, extension| Ok((manifest.to_owned(), number, extension));
        assert_eq!(read("/live/movie/12.ts"), is("movie", 12, "ts"));
        assert_eq!(read("/live/a%20b%2Bc/0.mp4"), is("a b+c", 0, "mp4"));
        assert_eq!(read("/live/50%/0.ts"), is("50%", 0, "ts"), "nothing is escaped");
        assert_eq!(read("/live/m/stream12.ts"), is("m", 0, "ts"), "unreadable numbers are 0");
        assert_eq!(read("/live/m/-3.ts"), is("m", 0, "ts"));
        assert_eq!(read("/live/m/99999999999999999999.ts"), is("m", 0, "ts"));
        assert_eq!(read("/live/m/1.2.ts"), is("m", 0, "ts"));
    }

    #[test]
    fn refuses_the_rest_by_name() {
        for path in ["/", "/live", "/live/1.ts", "/live/a/b/1.ts", "/hls/a/1.ts", ""] {
            assert_eq!(read(path), Err(PathError::Shape), "{path}");
        }
        for path in ["/live/m/index.m3u8", "/live/m/1", "/live/m/1.TS", "/live/m/1.ts "] {
            assert_eq!(read(path), Err(PathError::Extension), "{path}");
        }
        for path in ["/live//1.ts", "/live/a%2Fb/1.ts", "/live/a%0a/1.ts"] {
            assert_eq!(read(path), Err(PathError::Manifest), "{path}");
        }
        assert_eq!(read("/live/%ff/1.ts"), Err(PathError::Manifest));
        let long = format!("/live/{}/1.ts", "m".repeat(StreamKey::MAX_LEN + 1));
        assert_eq!(read(&long), Err(PathError::Manifest));
    }

    proptest! {
        #[test]
        fn any_manifest_survives_encoding(manifest in "[^/\\p{Cc}]{1,40}", number in any::<u64>()) {
            let encoded: String = manifest.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let path = PushPath::read(&format!("/live/{encoded}/{number}.mp4")).unwrap();
            prop_assert_eq!(path.manifest.expose(), &manifest);
            prop_assert_eq!(path.sequence, number);
        }

        #[test]
        fn any_path_is_read_or_refused(path in ".{0,60}", tail in "/live/.{0,30}") {
            let _answer = PushPath::read(&path);
            let _answer = PushPath::read(&tail);
        }
    }
}
