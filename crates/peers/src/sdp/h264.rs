//! What an H.264 format line says (RFC 6184 §8.1).

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
        let value = |name: &str| {
            let mut parameters = fmtp.split(';').filter_map(|it| it.trim().split_once('='));
            parameters
                .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
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
