//! The pipe between a pool and its workers: a length, a JSON header, then bodies as they are.
//!
//! Frame: 4 bytes of header length (big endian), the header, then the bodies whose lengths the header
//! names. A worker says [`Reply::Ready`] once, then answers each job with one reply.

mod filler;
mod job;
mod reply;

use std::io::{self, Read};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::filler::{FillHeader, FilledHeader, check_filled, write_filled};
pub(crate) use self::job::{JobHeader, ReceivedJob, read_job};
pub(crate) use self::reply::{PAIR_LEN, Reply, write_compared, write_reply, write_transcoded};

/// Most bytes of a header: twelve profiles with names of 256 bytes take less than 8 KiB.
pub(crate) const MAX_HEADER: u32 = 64 << 10;

/// The length and the header, ready to be written.
pub(crate) fn encode_header(header: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let len = u32::try_from(json.len()).ok().filter(|len| *len <= MAX_HEADER);
    let len = len.ok_or_else(|| io::Error::other("header exceeds its limit"))?;
    let mut frame = Vec::with_capacity(json.len().saturating_add(4));
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(&json);
    Ok(frame)
}

/// Checks an announced header length.
pub(crate) fn header_len(announced: [u8; 4]) -> io::Result<usize> {
    let len = u32::from_be_bytes(announced);
    if len > MAX_HEADER {
        let text = format!("header of {len} bytes exceeds {MAX_HEADER}");
        return Err(invalid(text));
    }
    usize::try_from(len).map_err(io::Error::other)
}

pub(crate) fn decode_header<T: DeserializeOwned>(json: &[u8]) -> io::Result<T> {
    serde_json::from_slice(json).map_err(invalid)
}

/// What the other half of the pipe should never say.
pub(crate) fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn read_body(from: impl Read, len: usize) -> io::Result<Bytes> {
    let mut body = Vec::with_capacity(len);
    let limit = u64::try_from(len).map_err(io::Error::other)?;
    let read = from.take(limit).read_to_end(&mut body)?;
    if read < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(body.into()) }
}
