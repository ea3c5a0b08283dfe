//! `application/trickle-ice-sdpfrag` (RFC 8840 §9): what a PATCH brings, and what answers it.

use super::{
    Credentials, FRAGMENT_BYTES_MAX, TextError, candidate::HostCandidates, lines,
    offer::is_readable_candidate,
};

/// Why a fragment is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// No fragment.
    #[error("not an SDP fragment: {0}")]
    Text(#[from] TextError),
    /// A candidate that can't be read.
    #[error("a candidate can't be read")]
    Candidate,
    /// One of user name and password, or neither with their lengths and characters.
    #[error("the ICE user name and password are not usable")]
    Credentials,
    /// Nothing in it.
    #[error("the fragment has neither candidates nor ICE credentials")]
    Empty,
}

/// What a client tells of its side of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Its credentials, where it says them. Others than those it has ask for an ICE restart.
    pub credentials: Option<Credentials>,
    /// How many candidates it has. They are checked, and not used.
    pub candidates: usize,
}

impl Fragment {
    /// Reads a fragment.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, FragmentError> {
        let lines = lines(text, FRAGMENT_BYTES_MAX)?;
        let mut candidates = 0;
        for readable in lines.iter().filter_map(is_readable_candidate) {
            if !readable {
                return Err(FragmentError::Candidate);
            }
            candidates += 1;
        }
        let value = |name: &str| lines.iter().find_map(|line| line.attribute(name));
        let credentials = match (value("ice-ufrag"), value("ice-pwd")) {
            (None, None) => None,
            (Some(ufrag), Some(password)) => {
                Some(Credentials::new(ufrag, password).ok_or(FragmentError::Credentials)?)
            }
            (Some(_), None) | (None, Some(_)) => return Err(FragmentError::Credentials),
        };
        let ends = value("end-of-candidates").is_some();
        if credentials.is_none() && candidates == 0 && !ends {
            return Err(FragmentError::Empty);
        }
        Ok(Self { credentials, candidates })
    }
}

/// The gateway's side after an ICE restart. `sections` are the answer's `m=` lines with their `a=mid`.
pub(super) fn write(
    credentials: &Credentials,
    sections: &[(String, String)],
    candidates: &HostCandidates,
) -> String {
    let mut text = String::from("a=ice-lite\r\n");
    let Credentials { ufrag, password } = credentials;
    text.extend(["a=ice-ufrag:", ufrag, "\r\na=ice-pwd:", password, "\r\n"]);
    // All sections are bundled: the first stands for all (RFC 8840 §9.2).
    if let Some((media, mid)) = sections.first() {
        text.extend([media, "\r\n", mid, "\r\n"]);
    }
    candidates.write(&mut text);
    text
}
