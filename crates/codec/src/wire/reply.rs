//! What a worker says on the pipe.

use std::io::{self, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{FilledHeader, encode_header, invalid};
use crate::{PictureComparison, Thumbnail, ThumbnailPair, TranscodeFault, job::EncodedRendition};

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It runs and waits for a job. Sent once.
    Ready,
    /// The renditions follow, in order.
    Transcoded(Vec<RenditionHeader>),
    /// The worst pair of each decodable rendition follows, in order: the source's luma, the rendition's.
    Compared(Vec<PictureComparison>),
    /// The pictures of each rendition without a fault follow, in order.
    Filled(Vec<FilledHeader>),
    /// The job can't be done; no body follows.
    Fault(TranscodeFault),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RenditionHeader {
    pub(crate) len: usize,
    width: u32,
    height: u32,
    frames: u64,
}

impl RenditionHeader {
    pub(crate) fn new(rendition: &EncodedRendition) -> Self {
        let &EncodedRendition { width, height, frames, .. } = rendition;
        Self { len: rendition.data.len(), width, height, frames }
    }

    pub(crate) fn with_body(self, data: Bytes) -> EncodedRendition {
        let Self { width, height, frames, .. } = self;
        let pixels = u64::from(width).saturating_mul(height.into()).saturating_mul(frames);
        EncodedRendition { data, width, height, frames, pixels }
    }
}

/// Bytes that follow for each decodable rendition.
pub(crate) const PAIR_LEN: usize = Thumbnail::LEN * 2;

impl PictureComparison {
    /// Checks what came without its body.
    pub(crate) fn check(&self) -> io::Result<()> {
        let &Self { difference_permille, similarity_permille, .. } = self;
        if difference_permille > 1_000 || similarity_permille > 1_000 {
            return Err(invalid("a measure out of range"));
        }
        if self.decodable != self.fault.is_none() {
            return Err(invalid("a fault of a decodable rendition, or none of another"));
        }
        Ok(())
    }

    /// Adds what follows it when it is decodable; `body` has [`PAIR_LEN`] bytes.
    pub(crate) fn with_body(self, body: &[u8]) -> Self {
        let (source, rendition) = body.split_at(body.len() / 2);
        let thumbnail = |luma: &[u8]| Thumbnail::from_luma(luma.to_vec());
        let pair = ThumbnailPair { source: thumbnail(source), rendition: thumbnail(rendition) };
        Self { worst_pair: Some(pair), ..self }
    }
}

/// The child's half: one reply without a body.
pub(crate) fn write_reply(to: impl Write, reply: &Reply) -> io::Result<()> {
    write_with_bodies(to, reply, std::iter::empty())
}

/// The child's half: what a transcode gave.
pub(crate) fn write_transcoded(to: impl Write, done: &[EncodedRendition]) -> io::Result<()> {
    let reply = Reply::Transcoded(done.iter().map(RenditionHeader::new).collect());
    write_with_bodies(to, &reply, done.iter().map(|rendition| rendition.data.as_ref()))
}

/// The child's half: what a comparison gave.
pub(crate) fn write_compared(to: impl Write, mut done: Vec<PictureComparison>) -> io::Result<()> {
    let bodies: Vec<ThumbnailPair> =
        done.iter_mut().filter_map(|one| one.worst_pair.take()).collect();
    let bodies = bodies.iter().flat_map(|pair| [&*pair.source.luma, &*pair.rendition.luma]);
    write_with_bodies(to, &Reply::Compared(done), bodies)
}

pub(super) fn write_with_bodies<'a>(
    mut to: impl Write,
    reply: &Reply,
    bodies: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    to.write_all(&encode_header(reply)?)?;
    for body in bodies {
        to.write_all(body)?;
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FaultCause, wire};

    fn comparison() -> PictureComparison {
        let source = Thumbnail::from_luma(vec![7; Thumbnail::LEN]);
        let rendition = Thumbnail::from_luma(vec![9; Thumbnail::LEN]);
        PictureComparison {
            decodable: true,
            pictures: 31,
            difference_permille: 8,
            similarity_permille: 990,
            source_mean: 7,
            rendition_mean: 9,
            source_deviation: 0,
            rendition_deviation: 0,
            worst_pair: Some(ThumbnailPair { source, rendition }),
            fault: None,
        }
    }

    fn undecodable() -> PictureComparison {
        let fault = TranscodeFault::new(FaultCause::InvalidData, "nothing in it");
        PictureComparison { decodable: false, worst_pair: None, fault: Some(fault), ..comparison() }
    }

    #[test]
    fn comparisons_survive_the_pipe_with_pairs_for_the_decodable() {
        let sent = vec![comparison(), undecodable(), comparison()];
        let mut pipe = Vec::new();
        write_compared(&mut pipe, sent.clone()).unwrap();
        let header_len = wire::header_len(pipe[..4].try_into().unwrap()).unwrap();
        let (header, bodies) = pipe[4..].split_at(header_len);
        let Reply::Compared(received) = wire::decode_header(header).unwrap() else { panic!() };
        let mut bodies = bodies.chunks(PAIR_LEN);
        let received: Vec<_> = received
            .into_iter()
            .map(|one| if one.decodable { one.with_body(bodies.next().unwrap()) } else { one })
            .collect();
        assert_eq!(received, sent);
        assert_eq!(bodies.next(), None);
    }

    #[test]
    fn what_no_worker_measures_is_refused() {
        assert!(comparison().check().is_ok() && undecodable().check().is_ok());
        let out_of_range = PictureComparison { similarity_permille: 1_001, ..comparison() };
        assert!(out_of_range.check().is_err());
        let contradiction = PictureComparison { decodable: true, ..undecodable() };
        assert!(contradiction.check().is_err());
    }
}
