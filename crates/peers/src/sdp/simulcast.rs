//! Layers of a simulcast: what a section offers (RFC 8853, RFC 8851), and what the answer takes of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Line;

/// Most layers that are taken; an answer leaves further ones out, which their client then does not send
/// (RFC 8853 §5.3.2). OBS sends up to four.
pub const LAYERS_MAX: usize = 4;
/// Most layers of a list that are read, and most alternatives of each.
const LISTED_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
/// Most payload types of a layer that are read: there are no more.
const PAYLOAD_TYPES_MAX: usize = 128;

/// A layer of a simulcast, by the id that its packets carry (RFC 8852).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layer(pub(crate) String);

impl Layer {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }
}

/// The layers of a section, in the order of its `a=simulcast` line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simulcast {
    /// The section's place among all.
    pub(crate) section: usize,
    /// Those that are taken; none, or at least two.
    pub(crate) layers: Vec<Layer>,
    /// How many are not: over [`LAYERS_MAX`], not offered as H.264, or told apart by nothing but SSRCs.
    pub(crate) left_out: usize,
    /// What the section says of each layer that is taken.
    restrictions: Vec<Option<String>>,
}

impl Simulcast {
    /// Reads the lines of the section at this place. `taken` are the payload types of H.264 that is taken.
    /// Empty where there is one layer only, or nothing by which its packets tell their layer.
    pub(super) fn read(section: usize, lines: &[Line<'_>], taken: &BTreeSet<u8>) -> Self {
        let told = lines.iter().filter_map(|line| line.attribute("extmap"));
        if !told.filter_map(|it| it.split(' ').nth(1)).any(|uri| uri == crate::LAYER) {
            return Self::default();
        }
        let line = lines.iter().find_map(|line| line.attribute("simulcast")).unwrap_or_default();
        let mut found = Self { section, ..Self::default() };
        let rids = Rid::by_name(lines);
        // Alternatives of a layer are separated by commas; the first that can be taken is.
        for alternatives in sent(line).split(';').take(LISTED_MAX) {
            let names = alternatives.split(',').map(|name| name.trim_start_matches('~'));
            let fits = names.take(ALTERNATIVES_MAX).find_map(|name| {
                let fresh = found.layers.iter().all(|layer| layer.0 != name);
                rids.get(name).filter(|rid| fresh && rid.is_taken(taken))
            });
            match fits {
                Some(rid) if found.layers.len() < LAYERS_MAX => {
                    found.layers.push(Layer(rid.name.to_owned()));
                    found.restrictions.push(rid.restrictions_of(taken));
                }
                Some(_) | None => found.left_out += usize::from(!alternatives.is_empty()),
            }
        }
        if found.layers.len() > 1 { found } else { Self::default() }
    }

    /// The answer's lines.
    pub(super) fn write(&self, out: &mut String) {
        if self.layers.is_empty() {
            return;
        }
        for (layer, restrictions) in self.layers.iter().zip(&self.restrictions) {
            out.extend(["a=rid:", layer.id(), " recv"]);
            if let Some(restrictions) = restrictions {
                out.extend([" ", restrictions]);
            }
            out.push_str("\r\n");
        }
        let names: Vec<_> = self.layers.iter().map(Layer::id).collect();
        out.extend(["a=simulcast:recv ", &names.join(";"), "\r\n"]);
    }
}

/// The list of what is sent, of a line that may also have one of what is received.
fn sent(line: &str) -> &str {
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == "send").and_then(|_| words.next()).unwrap_or_default()
}

/// An `a=rid` line that sends.
#[derive(Clone, Copy, Debug)]
struct Rid<'a> {
    name: &'a str,
    restrictions: &'a str,
}

impl<'a> Rid<'a> {
    /// All of them; of two with one name the first.
    fn by_name(lines: &[Line<'a>]) -> BTreeMap<&'a str, Self> {
        let mut rids = BTreeMap::new();
        for rid in lines.iter().filter_map(Self::read) {
            rids.entry(rid.name).or_insert(rid);
        }
        rids
    }

    /// Its name is one that a header extension can carry: Chromium's has up to 16 characters, the text
    /// allows 255.
    fn read(line: &Line<'a>) -> Option<Self> {
        let (name, rest) = line.attribute("rid")?.split_once(' ')?;
        let (direction, restrictions) = rest.split_once(' ').unwrap_or((rest, ""));
        let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
        let fits = (1..=255).contains(&name.len()) && name.bytes().all(plain);
        (direction == "send" && fits).then(|| Self { name, restrictions: restrictions.trim() })
    }

    /// The payload types it is restricted to, where it is.
    fn payload_types(self) -> Option<impl Iterator<Item = u8>> {
        let list = self.restrictions.split(';').find_map(|it| it.trim().strip_prefix("pt="))?;
        let numbers = list.split(',').take(PAYLOAD_TYPES_MAX);
        Some(numbers.filter_map(|number| number.trim().parse().ok()))
    }

    fn is_taken(self, taken: &BTreeSet<u8>) -> bool {
        self.payload_types().is_none_or(|mut types| types.any(|it| taken.contains(&it)))
    }

    /// What it is restricted to, less the payload types that are not taken (RFC 8851 §6.3).
    fn restrictions_of(self, taken: &BTreeSet<u8>) -> Option<String> {
        let kept = self.restrictions.split(';').map(str::trim).filter(|it| !it.is_empty());
        let kept = kept.filter(|it| !it.starts_with("pt=")).map(str::to_owned);
        let types = self.payload_types().map(|types| {
            let types = types.filter(|it| taken.contains(it));
            let types: Vec<_> = types.map(|it| it.to_string()).collect();
            format!("pt={}", types.join(","))
        });
        let all: Vec<_> = types.into_iter().chain(kept).collect();
        (!all.is_empty()).then(|| all.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::lines;

    const EXTENSION: &str = "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n";

    fn read(text: &str) -> Simulcast {
        let text = format!("m=video 9 X 96 97\r\n{EXTENSION}{text}");
        Simulcast::read(0, &lines(&text, 4_096).unwrap(), &BTreeSet::from([97]))
    }

    fn answered(text: &str) -> String {
        let mut out = String::new();
        read(text).write(&mut out);
        out
    }

    #[test]
    fn all_layers_are_answered_in_the_order_of_the_offer() {
        let offer = "a=rid:l send\r\na=rid:h send\r\na=rid:m send\r\na=simulcast:send h;~m;l\r\n";
        let answer = "a=rid:h recv\r\na=rid:m recv\r\na=rid:l recv\r\na=simulcast:recv h;m;l\r\n";
        assert_eq!((answered(offer).as_str(), read(offer).left_out), (answer, 0));
        let both = offer.replace("send h;~m;l", "recv x send h;~m;l");
        assert_eq!(answered(&both), answer);
    }

    #[test]
    fn layers_over_the_limit_are_left_out() {
        let rids: String = (0..6).map(|it| format!("a=rid:r{it} send\r\n")).collect();
        let offer = format!("{rids}a=simulcast:send r5;r4;r3;r2;r1;r0\r\n");
        assert!(answered(&offer).ends_with("a=simulcast:recv r5;r4;r3;r2\r\n"));
        assert_eq!(read(&offer).left_out, 2);
    }

    #[test]
    fn of_alternatives_the_first_that_is_h264_is_taken() {
        let offer = "a=rid:a send pt=96\r\na=rid:b send pt=96,97;max-width=640\r\n\
a=rid:c send max-fps=15\r\na=rid:d send pt=96\r\na=simulcast:send a,b;c;d\r\n";
        let answer = "a=rid:b recv pt=97;max-width=640\r\na=rid:c recv max-fps=15\r\n\
a=simulcast:recv b;c\r\n";
        assert_eq!((answered(offer).as_str(), read(offer).left_out), (answer, 1));
    }

    #[test]
    fn what_is_no_simulcast_is_answered_without_layers() {
        for offer in [
            "",
            "a=rid:h send\r\na=rid:l send\r\n",
            "a=rid:h send\r\na=simulcast:send h\r\n",
            "a=rid:h recv\r\na=rid:l recv\r\na=simulcast:recv h;l\r\n",
            "a=simulcast:send h;l\r\n",
            "a=rid:h send\r\na=simulcast:send h;h;h\r\n",
            "a=rid:h@ send\r\na=rid:l@ send\r\na=simulcast:send h@;l@\r\n",
            "a=rid:h send\r\na=rid:l send\r\na=simulcast:\r\n",
            "a=rid:h send\r\na=rid:l send\r\na=simulcast:send\r\n",
        ] {
            assert_eq!(read(offer), Simulcast::default(), "{offer}");
        }
        let mute = "m=video 9 X 97\r\na=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n";
        let lines = lines(mute, 4_096).unwrap();
        assert_eq!(Simulcast::read(0, &lines, &BTreeSet::from([97])), Simulcast::default());
    }
}
