//! A publisher's offer: what it sends, and whether that can be taken.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    Credentials, Layer, Line, OFFER_BYTES_MAX, Simulcast, TextError, candidate::is_candidate, h264,
    lines,
};

/// Attributes that the library does not get to see.
const LEFT_OUT: [&str; 4] = ["candidate", "end-of-candidates", "rid", "simulcast"];

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// Who begins the DTLS handshake, by the offer (RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// We wait for the client's hello.
    TheyConnect,
    /// The client waits for ours, as FFmpeg does.
    WeConnect,
}

/// Why an offer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// No description.
    #[error("not a session description: {0}")]
    Text(#[from] TextError),
    /// It does not begin as one.
    #[error("not a session description: it has to begin with v=0")]
    NotADescription,
    /// A part that every WebRTC offer has.
    #[error("the offer has no usable {0}")]
    Missing(&'static str),
    /// A data channel, or something else that is not media.
    #[error("the offer has a section {0:?}; only audio and video can be published (RFC 9725 §4.2)")]
    NotMedia(String),
    /// Two of a kind.
    #[error("the offer has more than one {0} track; one of each can be published")]
    TooManyTracks(&'static str),
    /// Nothing to publish.
    #[error("the offer sends no video")]
    NoVideo,
    /// Nothing in it is H.264.
    #[error("the offer's video is {0}; this gateway takes H.264 (Baseline, Main or High)")]
    VideoCodec(String),
    /// Nothing in it is Opus.
    #[error("the offer's audio is {0}; this gateway takes Opus")]
    AudioCodec(String),
}

impl OfferError {
    /// Whether the text itself is at fault, and not what it asks for.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        matches!(self, Self::Text(_) | Self::NotADescription | Self::Missing(_))
    }
}

/// An offer that can be answered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its lines, without candidates, each ended by CR LF; a section's own SSRCs are made up where it
    /// names none.
    pub(crate) text: String,
    pub(crate) setup: Setup,
    /// SSRCs of retransmissions, each with the one it repeats (RFC 5576 §4.2, `FID`).
    pub(crate) repairs: Vec<(u32, u32)>,
    /// SSRCs that are not taken: of layers that no header extension tells apart.
    pub(crate) passed_over: Vec<u32>,
    pub(crate) simulcast: Simulcast,
    parameter_sets: Vec<Bytes>,
    has_audio: bool,
    credentials: Credentials,
    version: u64,
}

impl Offer {
    /// Reads and checks an offer.
    ///
    /// # Errors
    /// When it is none, or when what it sends can't be taken.
    pub fn parse(text: &str) -> Result<Self, OfferError> {
        let lines = lines(text, OFFER_BYTES_MAX)?;
        if lines.first().is_none_or(|line| line.whole != "v=0") {
            return Err(OfferError::NotADescription);
        }
        let first = lines.iter().position(|line| line.kind == 'm').unwrap_or(lines.len());
        let (session, media) = lines.split_at(first);
        let sections: Vec<_> =
            media.chunk_by(|_, next| next.kind != 'm').map(Section::read).collect();
        check_sections(&sections)?;
        let of_any = |name: &str| lines.iter().find_map(|line| line.attribute(name));
        let missing = |what| OfferError::Missing(what);
        let ufrag = of_any("ice-ufrag").unwrap_or_default();
        let password = of_any("ice-pwd").unwrap_or_default();
        let credentials = Credentials::new(ufrag, password)
            .ok_or_else(|| missing("ICE user name and password"))?;
        let mut fingerprints = lines.iter().filter_map(|line| line.attribute("fingerprint"));
        if !fingerprints.any(|it| it.to_ascii_lowercase().starts_with("sha-256 ")) {
            return Err(missing("sha-256 fingerprint"));
        }
        let setup = match of_any("setup") {
            Some("actpass" | "active") => Setup::TheyConnect,
            Some("passive") => Setup::WeConnect,
            _ => return Err(missing("DTLS setup")),
        };
        if !sections.iter().all(|section| section.multiplexes_rtcp) {
            return Err(missing("rtcp-mux"));
        }
        let mut groups = session.iter().filter_map(|line| line.attribute("group"));
        if sections.len() > 1 && !groups.any(|group| group.starts_with("BUNDLE ")) {
            return Err(missing("BUNDLE group"));
        }
        let origin =
            session.iter().find(|line| line.kind == 'o').ok_or_else(|| missing("origin"))?;
        let version = origin.value.split(' ').nth(2).and_then(|it| it.parse().ok());
        let repairs: Vec<_> = lines.iter().filter_map(repair).collect();
        let video = sections.iter().position(|it| it.is("video") && it.sends).unwrap_or_default();
        let section = sections.get(video);
        let mut simulcast = section.map(|it| it.simulcast(video)).unwrap_or_default();
        let parameter_sets = section.map(Section::parameter_sets).unwrap_or_default();
        let unnamed =
            if simulcast.layers.is_empty() { layers_by_source(&lines) } else { Vec::new() };
        simulcast.left_out += unnamed.len();
        Ok(Self {
            text: rewritten(session, &sections),
            setup,
            passed_over: with_repairs(&unnamed, &repairs),
            repairs,
            simulcast,
            parameter_sets,
            has_audio: sections.iter().any(|it| it.is("audio") && it.sends),
            credentials,
            version: version.ok_or_else(|| missing("origin"))?,
        })
    }

    /// Whether it sends sound.
    #[must_use]
    pub const fn has_audio(&self) -> bool {
        self.has_audio
    }

    /// The layers of its video that are taken, in the offer's order, at most [`super::LAYERS_MAX`]; empty
    /// where there is one picture only.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.simulcast.layers
    }

    /// How many layers of its video are not taken: those over the limit, those not offered as H.264, and
    /// all but the first where only SSRCs tell them apart (`a=ssrc-group:SIM`, from before RFC 8853).
    #[must_use]
    pub const fn layers_left_out(&self) -> usize {
        self.simulcast.left_out
    }

    /// The parameter sets of its video (`sprop-parameter-sets`, RFC 6184 §8.1), of the first H.264 format
    /// that is taken and has some; most clients send theirs with the pictures only.
    #[must_use]
    pub fn parameter_sets(&self) -> &[Bytes] {
        &self.parameter_sets
    }

    /// The client's ICE credentials.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The same offer after an ICE restart (RFC 8445 §9): other credentials, a later version.
    #[must_use]
    pub(crate) fn restarted(&self, credentials: Credentials) -> Self {
        let version = self.version.saturating_add(1);
        let mut text = String::with_capacity(self.text.len() + 64);
        for line in super::trimmed(&self.text) {
            if line.starts_with("a=ice-ufrag:") {
                text.extend(["a=ice-ufrag:", &credentials.ufrag]);
            } else if line.starts_with("a=ice-pwd:") {
                text.extend(["a=ice-pwd:", &credentials.password]);
            } else if line.starts_with("o=") {
                let mut parts: Vec<_> = line.split(' ').map(str::to_owned).collect();
                if let Some(part) = parts.get_mut(2) {
                    *part = version.to_string();
                }
                text.push_str(&parts.join(" "));
            } else {
                text.push_str(line);
            }
            text.push_str("\r\n");
        }
        Self { text, credentials, version, ..self.clone() }
    }
}

/// One media section.
struct Section<'a> {
    lines: &'a [Line<'a>],
    media: &'a str,
    /// Not rejected, and not only receiving.
    sends: bool,
    multiplexes_rtcp: bool,
    codecs: Vec<OfferedCodec<'a>>,
}

/// A codec of a section.
#[derive(Clone, Copy)]
struct OfferedCodec<'a> {
    payload_type: u8,
    name: &'a str,
    /// Its format parameters; empty where there are none.
    format: &'a str,
}

impl<'a> Section<'a> {
    fn read(lines: &'a [Line<'a>]) -> Self {
        let mut head = lines.first().map_or("", |line| line.value).split(' ');
        let (media, port) = (head.next().unwrap_or_default(), head.next());
        let has = |name: &str| lines.iter().any(|line| line.attribute(name).is_some());
        Self {
            lines,
            media,
            sends: port != Some("0") && !has("recvonly") && !has("inactive"),
            multiplexes_rtcp: has("rtcp-mux") || port == Some("0"),
            codecs: codecs(lines),
        }
    }

    fn is(&self, media: &str) -> bool {
        self.media == media
    }

    /// The names of its codecs, for a refusal.
    fn codec_names(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for OfferedCodec { name, .. } in &self.codecs {
            let known = ["rtx", "red", "ulpfec", "flexfec-03", "CN", "telephone-event"];
            if !known.contains(name) && !names.contains(name) && names.len() < 8 {
                names.push(name);
            }
        }
        if names.is_empty() { "of no known codec".to_owned() } else { names.join(", ") }
    }

    fn is_taken(&self) -> bool {
        if self.is("audio") {
            self.codecs.iter().any(|codec| codec.name.eq_ignore_ascii_case("opus"))
        } else {
            self.h264().next().is_some()
        }
    }

    /// The formats of H.264 that are taken, in the section's order.
    fn h264(&self) -> impl Iterator<Item = &OfferedCodec<'a>> {
        self.codecs.iter().filter(|codec| {
            codec.name.eq_ignore_ascii_case("H264") && h264::Format::read(codec.format).is_taken()
        })
    }

    fn simulcast(&self, place: usize) -> Simulcast {
        let taken: BTreeSet<u8> = self.h264().map(|codec| codec.payload_type).collect();
        Simulcast::read(place, self.lines, &taken)
    }

    fn parameter_sets(&self) -> Vec<Bytes> {
        let mut sets = self.h264().map(|codec| h264::parameter_sets(codec.format));
        sets.find(|sets| !sets.is_empty()).unwrap_or_default()
    }
}

/// The codecs of a section in its order, each payload type once, in one pass: offers are read for anybody
/// who asks.
fn codecs<'a>(lines: &[Line<'a>]) -> Vec<OfferedCodec<'a>> {
    let mut formats = BTreeMap::new();
    for (payload_type, format) in lines.iter().filter_map(|line| line.of_payload_type("fmtp")) {
        formats.entry(payload_type).or_insert(format);
    }
    let mut known = BTreeSet::new();
    let maps = lines.iter().filter_map(|line| line.of_payload_type("rtpmap"));
    maps.filter(|(payload_type, _)| known.insert(*payload_type))
        .map(|(payload_type, map)| OfferedCodec {
            payload_type,
            name: map.split('/').next().unwrap_or_default(),
            format: formats.get(&payload_type).copied().unwrap_or_default(),
        })
        .collect()
}

fn check_sections(sections: &[Section<'_>]) -> Result<(), OfferError> {
    if let Some(other) = sections.iter().find(|it| !it.is("audio") && !it.is("video")) {
        let name: String = other.media.chars().take(32).collect();
        return Err(OfferError::NotMedia(name));
    }
    for kind in ["video", "audio"] {
        if sections.iter().filter(|it| it.is(kind) && it.sends).count() > 1 {
            return Err(OfferError::TooManyTracks(kind));
        }
    }
    let sending = |kind| sections.iter().find(|it| it.is(kind) && it.sends);
    let video = sending("video").ok_or(OfferError::NoVideo)?;
    if !video.is_taken() {
        return Err(OfferError::VideoCodec(video.codec_names()));
    }
    match sending("audio") {
        Some(audio) if !audio.is_taken() => Err(OfferError::AudioCodec(audio.codec_names())),
        _ => Ok(()),
    }
}

/// `a=ssrc-group:FID primary repair`.
fn repair(line: &Line<'_>) -> Option<(u32, u32)> {
    let mut ssrcs = line.attribute("ssrc-group")?.strip_prefix("FID ")?.split(' ');
    let primary = ssrcs.next()?.parse().ok()?;
    Some((ssrcs.next()?.parse().ok()?, primary))
}

/// The SSRCs of all layers but the first of `a=ssrc-group:SIM first second …`, which is how layers were
/// told apart before RFC 8853.
fn layers_by_source(lines: &[Line<'_>]) -> Vec<u32> {
    let mut groups = lines.iter().filter_map(|line| line.attribute("ssrc-group"));
    let group = groups.find_map(|it| it.strip_prefix("SIM ")).unwrap_or_default();
    group.split_ascii_whitespace().skip(1).filter_map(|ssrc| ssrc.parse().ok()).collect()
}

/// Sources, and those that repeat them.
fn with_repairs(sources: &[u32], repairs: &[(u32, u32)]) -> Vec<u32> {
    let repaired = repairs.iter().filter(|(_, primary)| sources.contains(primary));
    sources.iter().copied().chain(repaired.map(|(repair, _)| *repair)).collect()
}

/// The offer for the library. It connects to TCP candidates and resolves names in candidates, so it gets
/// none. Layers of a simulcast are none of its concern: media leave before its tracks. And the library refuses sections without an SSRC, which are legal (RFC 8843 §9.2), so such a section gets one
/// that no packet has. Packets are told apart without it.
fn rewritten(session: &[Line<'_>], sections: &[Section<'_>]) -> String {
    let mut text = String::new();
    let mut write = |lines: &[Line<'_>]| {
        let kept =
            lines.iter().filter(|line| !LEFT_OUT.iter().any(|name| line.attribute(name).is_some()));
        kept.for_each(|line| text.extend([line.whole, "\r\n"]));
    };
    write(session);
    for (index, section) in sections.iter().enumerate() {
        write(section.lines);
        let named = section.lines.iter().any(|line| line.attribute("ssrc").is_some());
        if section.sends && !named {
            let ssrc = index + 1;
            let cname = format!("a=ssrc:{ssrc} cname:publisher");
            let stream = format!("a=ssrc:{ssrc} msid:publisher track{ssrc}");
            let made_up = [cname.as_str(), stream.as_str()];
            write(&made_up.map(|whole| Line { kind: 'a', value: whole, whole }));
        }
    }
    text
}

/// Whether a line is a candidate that can be read; kept here for what offers and fragments share.
pub(super) fn is_readable_candidate(line: &Line<'_>) -> Option<bool> {
    line.attribute("candidate").map(is_candidate)
}
