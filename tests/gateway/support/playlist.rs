//! Reads playlists strictly, line by line, apart from the code under test.

use std::collections::BTreeMap;

/// One listed segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) uri: String,
    pub(crate) duration: f64,
    pub(crate) discontinuity: bool,
    pub(crate) gap: bool,
    /// Milliseconds since the epoch.
    pub(crate) program_date_time: Option<i64>,
    pub(crate) map: Option<String>,
}

/// A media playlist.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaPlaylist {
    pub(crate) target_duration: u64,
    pub(crate) media_sequence: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) ended: bool,
    pub(crate) independent: bool,
    pub(crate) entries: Vec<Entry>,
}

/// Tags that may stand once (rule PL-6).
const ONCE: [&str; 6] = [
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-ENDLIST",
];

impl MediaPlaylist {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut playlist = Self::default();
        let mut seen = BTreeMap::<&str, u32>::new();
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            return Err("does not begin with #EXTM3U (PL-1)".to_owned());
        }
        let mut next = Pending::default();
        let mut map = None;
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            *seen.entry(tag).or_default() += 1;
            match tag {
                "#EXT-X-TARGETDURATION" => playlist.target_duration = number(value)?,
                "#EXT-X-MEDIA-SEQUENCE" => playlist.media_sequence = number(value)?,
                "#EXT-X-DISCONTINUITY-SEQUENCE" => playlist.discontinuity_sequence = number(value)?,
                "#EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent = true,
                "#EXT-X-ENDLIST" => playlist.ended = true,
                "#EXT-X-DISCONTINUITY" => next.discontinuity = true,
                "#EXT-X-GAP" => next.gap = true,
                "#EXT-X-PROGRAM-DATE-TIME" => next.program_date_time = Some(millis(value)?),
                "#EXT-X-MAP" => {
                    map = Some(value.split('"').nth(1).ok_or("EXT-X-MAP without URI")?.to_owned())
                }
                "#EXTINF" => next.duration = Some(extinf(value)?),
                _ if line.starts_with('#') || line.is_empty() => {}
                _ => playlist.entries.push(std::mem::take(&mut next).entry(line, map.clone())?),
            }
        }
        for tag in ONCE {
            if seen.get(tag).is_some_and(|count| *count > 1) {
                return Err(format!("{tag} stands twice (PL-6)"));
            }
        }
        for tag in
            ["#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"]
        {
            if !seen.contains_key(tag) {
                return Err(format!("{tag} is missing"));
            }
        }
        Ok(playlist)
    }

    /// Entries with their media sequence numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (self.media_sequence..).zip(&self.entries)
    }
}

#[derive(Default)]
struct Pending {
    duration: Option<f64>,
    discontinuity: bool,
    gap: bool,
    program_date_time: Option<i64>,
}

impl Pending {
    fn entry(self, uri: &str, map: Option<String>) -> Result<Entry, String> {
        Ok(Entry {
            uri: uri.to_owned(),
            duration: self.duration.ok_or("a URI without EXTINF")?,
            discontinuity: self.discontinuity,
            gap: self.gap,
            program_date_time: self.program_date_time,
            map,
        })
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

/// With decimals, at least three of them (PL-12).
fn extinf(text: &str) -> Result<f64, String> {
    let (value, _title) = text.split_once(',').ok_or("EXTINF without comma")?;
    let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals < 3 {
        return Err(format!("EXTINF {value} has {decimals} decimals (PL-12)"));
    }
    value.parse().map_err(|_| format!("EXTINF {value} is not a number"))
}

/// `2026-01-02T03:04:05.678Z`, to milliseconds since the epoch.
fn millis(text: &str) -> Result<i64, String> {
    let bad = || format!("PROGRAM-DATE-TIME {text:?} is not as wanted");
    let field = |range: std::ops::Range<usize>| {
        text.get(range).and_then(|digits| digits.parse::<i64>().ok()).ok_or_else(bad)
    };
    if text.len() != 24 || !text.ends_with('Z') {
        return Err(bad());
    }
    let (year, month, day) = (field(0..4)?, field(5..7)?, field(8..10)?);
    // Days from civil, H. Hinnant's formula.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + field(11..13)? * 3_600 + field(14..16)? * 60 + field(17..19)?;
    Ok(seconds * 1_000 + field(20..23)?)
}

/// Media playlists a multivariant playlist names: `(uri, attributes)`.
pub(crate) fn renditions(multivariant: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut variant = None;
    for line in multivariant.lines() {
        if let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            variant = Some(attributes.to_owned());
        } else if let Some(attributes) = line.strip_prefix("#EXT-X-MEDIA:") {
            let uri = attributes.split("URI=\"").nth(1).and_then(|rest| rest.split('"').next());
            found.extend(uri.map(|uri| (uri.to_owned(), attributes.to_owned())));
        } else if !line.starts_with('#') && !line.is_empty() {
            found.push((line.to_owned(), variant.take().unwrap_or_default()));
        }
    }
    found
}
