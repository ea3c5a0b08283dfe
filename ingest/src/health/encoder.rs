//! What a publisher sends with.

use crate::printable::printable;

/// What a publisher says it sends with: text of a stranger, printable and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
    name: String,
    family: EncoderFamily,
}

/// Which settings a person finds in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncoderFamily {
    /// OBS Studio, and what is made of it.
    Obs,
    /// FFmpeg's command line, and programs with its libraries.
    Ffmpeg,
    /// A web browser.
    Browser,
    /// Anything else.
    #[default]
    Other,
}

impl Encoder {
    /// Of `encoder` in metadata, `flashVer` in `connect`, or `User-Agent`. `None` where nothing is left of it.
    #[must_use]
    pub fn new(told: &str) -> Option<Self> {
        let lower = told.to_ascii_lowercase();
        let family = if lower.contains("obs") {
            EncoderFamily::Obs
        } else if lower.contains("lavf") || lower.contains("ffmpeg") {
            EncoderFamily::Ffmpeg
        } else if lower.starts_with("mozilla/") {
            EncoderFamily::Browser
        } else {
            EncoderFamily::Other
        };
        let name = match family {
            EncoderFamily::Browser => browser(told).unwrap_or_else(|| printable(told)),
            EncoderFamily::Obs | EncoderFamily::Ffmpeg | EncoderFamily::Other => printable(told),
        };
        (!name.trim().is_empty()).then_some(Self { name, family })
    }

    /// What people know it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of program it is.
    #[must_use]
    pub const fn family(&self) -> EncoderFamily {
        self.family
    }
}

/// A browser's name and version: every one says that it is Mozilla, and most that they are Safari.
fn browser(agent: &str) -> Option<String> {
    const KNOWN: [(&str, &str); 7] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("HeadlessChrome/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Version/", "Safari"),
    ];
    KNOWN.iter().find_map(|(mark, name)| {
        let (_, rest) = agent.split_once(mark)?;
        let version: String = rest.chars().take_while(char::is_ascii_digit).take(4).collect();
        Some(format!("{name} {version}").trim_end().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::PRINTABLE_MAX;

    #[test]
    fn encoders_are_known_by_what_they_say() {
        let read = |told| Encoder::new(told).map(|it| (it.name, it.family)).unwrap();
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
            Chrome/139.0.0.0 Safari/537.36";
        assert_eq!(read(chrome), ("Chrome 139".to_owned(), EncoderFamily::Browser));
        let edge = format!("{chrome} Edg/139.0.1");
        assert_eq!(read(&edge).0, "Edge 139");
        let obs = "obs-output module (libobs version 30.2.3)";
        assert_eq!(read(obs), (obs.to_owned(), EncoderFamily::Obs));
        assert_eq!(read("Mozilla/5.0 (OBS-Studio/30.2; Linux)").1, EncoderFamily::Obs);
        assert_eq!(read("Lavf61.7.100").1, EncoderFamily::Ffmpeg);
        assert_eq!(read("Larix/1.3\n\u{202e}").0, "Larix/1.3");
        assert_eq!(read(&"x".repeat(500)).0.len(), PRINTABLE_MAX);
        assert_eq!(Encoder::new("\u{1}  "), None);
    }
}
