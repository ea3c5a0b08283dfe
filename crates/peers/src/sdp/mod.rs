//! Session descriptions (RFC 8866) as WHIP clients send them, with limits.
//!
//! Only what the gateway decides by is read; the rest is the library's. Nothing recurses, and what is kept
//! is bounded by [`OFFER_BYTES_MAX`].

mod answer;
mod candidate;
mod fragment;
mod h264;
mod offer;
mod simulcast;

use std::{fmt, str::Lines};

pub use answer::Answer;
pub(crate) use answer::{Codec, Negotiated};
pub(crate) use candidate::HostCandidates;
pub use fragment::{Fragment, FragmentError};
pub(crate) use offer::Setup;
pub use offer::{MediaKind, Offer, OfferError};
pub(crate) use simulcast::Simulcast;
pub use simulcast::{LAYERS_MAX, Layer};

/// Most bytes of an offer. Chromium's, with every codec it has and three layers, are 8 KiB.
pub const OFFER_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a fragment (RFC 8840 §9).
pub const FRAGMENT_BYTES_MAX: usize = 16 * 1024;
/// Most lines of either.
const LINES_MAX: usize = 2_000;
/// Most media sections of either.
const SECTIONS_MAX: usize = 16;
/// Most bytes of one line.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// A user name fragment and its password (RFC 8839 §5.4), of which the password is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
}

impl Credentials {
    /// `None` when either has not the length or characters that RFC 8839 §5.4 asks for.
    pub(crate) fn new(ufrag: &str, password: &str) -> Option<Self> {
        let fits = |text: &str, least| {
            (least..=256).contains(&text.len()) && text.bytes().all(is_ice_char)
        };
        (fits(ufrag, 4) && fits(password, 22))
            .then(|| Self { ufrag: ufrag.to_owned(), password: password.to_owned() })
    }

    /// The public half.
    #[must_use]
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

const fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

/// Why a text is not taken for a description at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than is read.
    #[error("more than {0} bytes")]
    TooLong(usize),
    /// More lines than are read.
    #[error("more than {LINES_MAX} lines")]
    TooManyLines,
    /// A line longer than is read.
    #[error("line {0} has more than {LINE_BYTES_MAX} bytes")]
    LongLine(usize),
    /// Not `x=value`.
    #[error("line {0} is not of the form x=value")]
    NotALine(usize),
    /// More media sections than are read.
    #[error("more than {SECTIONS_MAX} media sections")]
    TooManySections,
}

/// The lines of a text of at most `bytes_max` bytes, checked.
fn lines(text: &str, bytes_max: usize) -> Result<Vec<Line<'_>>, TextError> {
    if text.len() > bytes_max {
        return Err(TextError::TooLong(bytes_max));
    }
    let mut sections = 0;
    let mut found = Vec::new();
    for (index, line) in trimmed(text).enumerate() {
        if index >= LINES_MAX {
            return Err(TextError::TooManyLines);
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(TextError::LongLine(index + 1));
        }
        let line = Line::parse(line).ok_or(TextError::NotALine(index + 1))?;
        sections += usize::from(line.kind == 'm');
        if sections > SECTIONS_MAX {
            return Err(TextError::TooManySections);
        }
        found.push(line);
    }
    Ok(found)
}

/// Lines without what ends them; the empty line at the end, which some clients send, is none.
fn trimmed(text: &str) -> impl Iterator<Item = &str> {
    let lines: Lines<'_> = text.trim_end_matches(['\r', '\n']).lines();
    lines.map(|line| line.trim_end_matches('\r'))
}

/// One line: `kind=value`.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    kind: char,
    value: &'a str,
    whole: &'a str,
}

impl<'a> Line<'a> {
    fn parse(whole: &'a str) -> Option<Self> {
        let (kind, value) = whole.split_once('=')?;
        let mut letters = kind.chars();
        let kind = letters.next().filter(char::is_ascii_lowercase)?;
        let plain = !whole.bytes().any(|byte| byte == 0 || byte == b'\r');
        (letters.next().is_none() && plain).then_some(Self { kind, value, whole })
    }

    /// The value of attribute `name`: what follows `a=name:`; empty for a flag.
    fn attribute(&self, name: &str) -> Option<&'a str> {
        let rest = (self.kind == 'a').then_some(self.value)?.strip_prefix(name)?;
        match rest.strip_prefix(':') {
            Some(value) => Some(value.trim()),
            None => rest.trim().is_empty().then_some(""),
        }
    }

    /// A payload type and what follows it: `a=name:96 rest`.
    fn of_payload_type(&self, name: &str) -> Option<(u8, &'a str)> {
        let (number, rest) = self.attribute(name)?.split_once(' ')?;
        Some((number.parse().ok().filter(|number| *number < 128)?, rest.trim()))
    }
}

#[cfg(test)]
mod tests;
