//! The containers that segments come and go in.

/// How a pushed segment, or a rendition of one, is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PushContainer {
    /// MPEG transport stream.
    MpegTs,
    /// MP4, progressive or fragmented.
    Mp4,
}

impl PushContainer {
    /// By the extension of a path, without its dot.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "ts" => Some(Self::MpegTs),
            "mp4" => Some(Self::Mp4),
            _ => None,
        }
    }

    /// The extension of its files, without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::MpegTs => "ts",
            Self::Mp4 => "mp4",
        }
    }

    /// The `Content-Type` of its files, as clients of the network know it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::MpegTs => "video/mp2t",
            Self::Mp4 => "video/mp4",
        }
    }
}
