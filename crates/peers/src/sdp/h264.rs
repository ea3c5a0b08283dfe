//! What an H.264 format line says (RFC 6184 §8.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

/// The parameters by which a format is taken or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// `profile_idc`, from `profile-level-id`; Baseline where there is none.
    pub(crate) profile: u8,
    /// Of `packetization-mode`; zero where there is none.
    pub(crate) mode: u8,
}

impl Format {
    pub(crate) fn read(fmtp: &str) -> Self {
        let value = |name| value(fmtp, name);
        let profile = value("profile-level-id")
            .and_then(|id| id.get(..2))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        Self {
            profile: profile.unwrap_or(0x42),
            mode: value("packetization-mode").and_then(|mode| mode.parse().ok()).unwrap_or(0),
        }
    }

    /// Baseline, Main or High, in single or non-interleaved mode.
    pub(crate) const fn is_taken(self) -> bool {
        matches!(self.profile, 0x42 | 0x4D | 0x64) && self.mode <= 1
    }
}

/// Most parameter sets of a format, and most bytes of one.
const SETS_MAX: usize = 16;
const SET_BYTES_MAX: usize = 1_024;

/// The parameter sets of a format line, decoded; those that are no base64 are left out.
pub(crate) fn parameter_sets(fmtp: &str) -> Vec<Bytes> {
    let sets = value(fmtp, "sprop-parameter-sets").unwrap_or_default();
    let decoded = sets.split(',').take(SETS_MAX).filter_map(|set| STANDARD.decode(set.trim()).ok());
    decoded.filter(|set| (1..=SET_BYTES_MAX).contains(&set.len())).map(Bytes::from).collect()
}

/// The value of a parameter.
fn value<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = fmtp.split(';').filter_map(|it| it.trim().split_once('='));
    parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_are_decoded_and_bounded() {
        let sets = |fmtp| parameter_sets(fmtp);
        let format = "packetization-mode=1;sprop-parameter-sets=Z0IAHg==,aM4= ;x=1";
        assert_eq!(sets(format), [&[0x67, 0x42, 0, 0x1E][..], &[0x68, 0xCE]]);
        assert_eq!(sets("sprop-parameter-sets=Z0IAHg==,%%,,Z"), [&[0x67, 0x42, 0, 0x1E][..]]);
        assert!(sets("packetization-mode=1").is_empty());
        let many = format!("sprop-parameter-sets={}", vec!["Zw=="; 100].join(","));
        assert_eq!(sets(&many).len(), SETS_MAX);
        let long = format!("sprop-parameter-sets={}", "AAAA".repeat(1_000));
        assert!(sets(&long).is_empty());
    }
}
