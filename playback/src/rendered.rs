//! A playlist as it goes out.

use std::{
    hash::{DefaultHasher, Hasher as _},
    io::Write as _,
    sync::OnceLock,
    time::SystemTime,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// Text rendered once and shared by every viewer, with what HTTP says about it.
#[derive(Debug)]
pub struct Rendered {
    body: Bytes,
    gzip: OnceLock<Bytes>,
    tag: u64,
    modified: SystemTime,
}

impl Rendered {
    pub(crate) fn new(body: impl Into<Bytes>, modified: SystemTime) -> Self {
        let body = body.into();
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        Self { tag: hasher.finish(), body, gzip: OnceLock::new(), modified }
    }

    /// The text.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The text compressed with gzip: made for the first viewer that asks, then shared.
    #[must_use]
    pub fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            // Writing into memory can't fail; an empty result would be refused by every client.
            match encoder.write_all(&self.body).and_then(|()| encoder.finish()) {
                Ok(compressed) => Bytes::from(compressed),
                Err(_) => Bytes::new(),
            }
        })
    }

    /// A number that stands for the content: equal texts have equal tags.
    #[must_use]
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// When this content replaced another.
    #[must_use]
    pub const fn modified(&self) -> SystemTime {
        self.modified
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, time::UNIX_EPOCH};

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn gzip_is_made_once_and_unpacks_to_the_text() {
        let rendered = Rendered::new("#EXTM3U\n".repeat(40), UNIX_EPOCH);
        let first = rendered.gzip().as_ptr();
        assert_eq!(rendered.gzip().as_ptr(), first);
        let mut text = Vec::new();
        GzDecoder::new(rendered.gzip().as_ref()).read_to_end(&mut text).unwrap();
        assert_eq!(&text, rendered.body());
    }

    #[test]
    fn tags_tell_contents_apart() {
        let tag = |text: &'static str| Rendered::new(text, UNIX_EPOCH).tag();
        assert_eq!(tag("a"), tag("a"));
        assert_ne!(tag("a"), tag("b"));
    }
}
