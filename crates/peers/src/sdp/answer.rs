//! The gateway's answer: the library's, with our candidates, and what was agreed on in it.

use std::collections::BTreeMap;

use super::{Credentials, Layer, Line, Simulcast, candidate::HostCandidates, fragment, lines};

/// What Chromium begins to send at, in kbit/s. Without it, it begins at 300 and changes the size of its
/// pictures four times in the first ten seconds, each time with a new initialization.
const START_BITRATE: &str = ";x-google-start-bitrate=2500";
/// The library copies the offer's parameters; without these Chromium codes mono at 32 kbit/s
/// (RFC 7587 §6.1).
const STEREO: &str = ";stereo=1;sprop-stereo=1";

/// The text for the client, and what was agreed on.
#[derive(Clone, Debug)]
pub struct Answer {
    text: String,
    credentials: Credentials,
    fragment: String,
    pub(crate) negotiated: Negotiated,
}

/// A payload type's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    H264,
    Opus,
    /// Retransmissions of packets of this payload type (RFC 4588).
    Repair {
        of: u8,
    },
}

/// What packets can carry, by the numbers that were agreed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Negotiated {
    pub(crate) codecs: BTreeMap<u8, Codec>,
    /// Ids of header extensions; zero where one was not agreed on.
    pub(crate) transport_wide: u8,
    pub(crate) layer: u8,
    pub(crate) repaired_layer: u8,
    /// Layers of the video; empty where there is one picture only.
    pub(crate) layers: Vec<Layer>,
}

impl Answer {
    /// Makes the client's answer of the library's, which knows nothing of layers. `None` when that is not
    /// usable: it rejects the video, or lacks what every answer has.
    pub(crate) fn new(
        library: &str,
        candidates: &HostCandidates,
        simulcast: &Simulcast,
    ) -> Option<Self> {
        let lines = lines(library, usize::MAX).ok()?;
        let value = |name: &str| lines.iter().find_map(|line| line.attribute(name));
        let credentials = Credentials::new(value("ice-ufrag")?, value("ice-pwd")?)?;
        let mut negotiated = Negotiated::read(&lines);
        if !negotiated.codecs.values().any(|codec| *codec == Codec::H264) {
            return None;
        }
        // Packets that can't say their layer can't be told apart.
        if negotiated.layer != 0 {
            negotiated.layers.clone_from(&simulcast.layers);
        }
        let mut text = String::with_capacity(library.len() + 256);
        let mut placed = false;
        for (index, section) in lines.chunk_by(|_, next| next.kind != 'm').enumerate() {
            for line in section {
                let ours = line.attribute("candidate").is_some()
                    || line.attribute("end-of-candidates").is_some();
                if !ours {
                    text.extend([line.whole, negotiated.addition(line), "\r\n"]);
                } else if !std::mem::replace(&mut placed, true) {
                    // Once: all sections are bundled.
                    candidates.write(&mut text);
                }
            }
            // What comes before the first section is a chunk as well.
            if index == simulcast.section + 1 && !negotiated.layers.is_empty() {
                simulcast.write(&mut text);
            }
        }
        let media = lines.iter().filter(|line| line.kind == 'm');
        let mids = lines.iter().filter(|line| line.attribute("mid").is_some());
        let sections: Vec<_> =
            media.zip(mids).map(|(m, mid)| (m.whole.to_owned(), mid.whole.to_owned())).collect();
        let fragment = fragment::write(&credentials, &sections, candidates);
        placed.then_some(Self { text, credentials, fragment, negotiated })
    }

    /// The whole answer (`application/sdp`).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its ICE half alone (`application/trickle-ice-sdpfrag`), the answer to an ICE restart.
    #[must_use]
    pub fn fragment(&self) -> &str {
        &self.fragment
    }

    /// The layers that were agreed on, in the offer's order; empty where there is one picture only.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.negotiated.layers
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

impl Negotiated {
    /// What is added to a line of the library's.
    fn addition(&self, line: &Line<'_>) -> &'static str {
        let format = line.of_payload_type("fmtp").map(|(number, _)| number);
        match format.and_then(|number| self.codecs.get(&number)) {
            Some(Codec::H264) => START_BITRATE,
            Some(Codec::Opus) => STEREO,
            Some(Codec::Repair { .. }) | None => "",
        }
    }

    fn read(lines: &[Line<'_>]) -> Self {
        let mut found = Self::default();
        for line in lines {
            if let Some((number, map)) = line.of_payload_type("rtpmap") {
                let name = map.split('/').next().unwrap_or_default();
                let codec = if name.eq_ignore_ascii_case("H264") {
                    Codec::H264
                } else if name.eq_ignore_ascii_case("opus") {
                    Codec::Opus
                } else {
                    continue;
                };
                found.codecs.insert(number, codec);
            }
            if let Some((number, format)) = line.of_payload_type("fmtp")
                && let Some(of) = format.strip_prefix("apt=").and_then(|it| it.parse().ok())
            {
                found.codecs.insert(number, Codec::Repair { of });
            }
            if let Some((id, uri)) = line.attribute("extmap").and_then(|it| it.split_once(' ')) {
                let number = id.split('/').next().and_then(|it| it.parse().ok()).unwrap_or(0);
                match uri.split(' ').next().unwrap_or_default() {
                    crate::TRANSPORT_WIDE => found.transport_wide = number,
                    crate::LAYER => found.layer = number,
                    crate::REPAIRED_LAYER => found.repaired_layer = number,
                    _ => {}
                }
            }
        }
        found
    }
}
