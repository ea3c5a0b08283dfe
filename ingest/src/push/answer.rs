//! The renditions of a segment, and the multipart body that carries them.

use std::fmt::Write as _;

use bytes::Bytes;
use media::{Chain, RenditionName};

use super::{PushContainer, PushedSegment};

/// One rendition of a pushed segment, as a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRendition {
    /// Its name in the ladder.
    pub name: RenditionName,
    /// How it is packed.
    pub container: PushContainer,
    /// The file.
    pub body: Chain,
}

/// Every rendition of a pushed segment, in the ladder's order. Empty where nothing was to be
/// transcoded, or where the client wants none back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushAnswer {
    /// The renditions.
    pub renditions: Vec<PushedRendition>,
}

impl PushAnswer {
    /// The client's own bytes as every rendition: the answer to a segment without video.
    #[must_use]
    pub fn copies(segment: &PushedSegment, names: impl IntoIterator<Item = RenditionName>) -> Self {
        let rendition = |name| PushedRendition {
            name,
            container: segment.container,
            body: Chain::from(segment.body.clone()),
        };
        Self { renditions: names.into_iter().map(rendition).collect() }
    }

    /// Bytes of all renditions.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.renditions.iter().map(|rendition| rendition.body.len()).sum()
    }

    /// The body of a `multipart/mixed` answer to segment `sequence` (RFC 2046 §5.1), the renditions'
    /// bytes by reference. `boundary` must not occur in them: make it long and random.
    #[must_use]
    pub fn multipart(&self, sequence: u64, boundary: &str) -> Chain {
        let pieces = self.renditions.iter().map(|rendition| rendition.body.piece_count() + 1);
        let mut chain = Chain::with_capacity(1 + pieces.sum::<usize>());
        let mut line_end = "";
        for rendition in &self.renditions {
            let mut head = String::with_capacity(256);
            let (name, container) = (&rendition.name, rendition.container);
            let (kind, extension) = (container.content_type(), container.extension());
            // Names hold letters, digits, '-', '_' and '.' only: no quotes are needed.
            write!(
                head,
                "{line_end}--{boundary}\r\n\
                 Content-Disposition: attachment; filename={name}_{sequence}.{extension}\r\n\
                 Content-Length: {length}\r\n\
                 Content-Type: {kind}\r\n\
                 Rendition-Name: {name}\r\n\r\n",
                length = rendition.body.len(),
            )
            .unwrap_or_default();
            chain.push(Bytes::from(head));
            chain.append(&rendition.body);
            line_end = "\r\n";
        }
        chain.push(Bytes::from(format!("{line_end}--{boundary}--\r\n")));
        chain
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendition(name: &str, container: PushContainer, pieces: &[&[u8]]) -> PushedRendition {
        PushedRendition {
            name: RenditionName::new(name).unwrap(),
            container,
            body: pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect(),
        }
    }

    #[test]
    fn parts_look_as_clients_expect_them() {
        let answer = PushAnswer {
            renditions: vec![
                rendition("720p0", PushContainer::MpegTs, &[b"abc", b"de"]),
                rendition("P240p30fps16x9", PushContainer::Mp4, &[b"\r\n--x"]),
            ],
        };
        let body = answer.multipart(17, "b0undary").to_contiguous();
        let expected = "--b0undary\r\n\
            Content-Disposition: attachment; filename=720p0_17.ts\r\n\
            Content-Length: 5\r\n\
            Content-Type: video/mp2t\r\n\
            Rendition-Name: 720p0\r\n\
            \r\n\
            abcde\r\n\
            --b0undary\r\n\
            Content-Disposition: attachment; filename=P240p30fps16x9_17.mp4\r\n\
            Content-Length: 5\r\n\
            Content-Type: video/mp4\r\n\
            Rendition-Name: P240p30fps16x9\r\n\
            \r\n\
            \r\n--x\r\n\
            --b0undary--\r\n";
        assert_eq!(std::str::from_utf8(&body).unwrap(), expected);
        assert_eq!(answer.byte_len(), 10);
    }

    #[test]
    fn bytes_of_renditions_are_not_copied() {
        let answer = PushAnswer {
            renditions: vec![rendition("a", PushContainer::MpegTs, &[&[1; 100], &[2; 100]])],
        };
        let given: Vec<_> = answer.renditions[0].body.pieces().map(|p| p.as_ptr()).collect();
        let sent: Vec<_> = answer.multipart(0, "x").pieces().map(|p| p.as_ptr()).collect();
        assert_eq!(sent[1..3], given);
    }

    proptest! {
        #[test]
        fn what_is_between_the_boundaries_is_what_went_in(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..5),
            sequence in any::<u64>(),
        ) {
            let renditions = bodies.iter().enumerate().map(|(index, body)| {
                rendition(&format!("r{index}"), PushContainer::MpegTs, &[body])
            });
            let answer = PushAnswer { renditions: renditions.collect() };
            let whole = answer.multipart(sequence, "0123456789abcdef").to_contiguous();
            let mut rest = &whole[..];
            for body in &bodies {
                let head = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                prop_assert_eq!(&rest[head..head + body.len()], &body[..]);
                rest = &rest[head + body.len() + 2..];
            }
            prop_assert_eq!(rest, b"--0123456789abcdef--\r\n");
        }
    }
}
