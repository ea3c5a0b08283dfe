//! The multivariant playlist: what a player can choose from (HLS rules MV-1 to MV-8).

use std::collections::HashMap;

use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, ClosedCaptionGroupId, MasterPlaylist, QuotedOrUnquoted,
    Resolution, VariantStream,
};
use media::VideoRange;

/// The audio group's id.
const AUDIO_GROUP: &str = "aud";

/// Bit rates in bit/s, container included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BitRates {
    /// Of the most expensive stretch.
    pub(crate) peak: u64,
    /// Of all that was published.
    pub(crate) average: u64,
}

/// A video rendition as the playlist shows it.
#[derive(Debug)]
pub(crate) struct VideoVariant {
    /// Its media playlist, relative to the multivariant playlist.
    pub(crate) uri: String,
    pub(crate) bit_rates: BitRates,
    /// RFC 6381.
    pub(crate) codec: String,
    /// Width and height as shown.
    pub(crate) size: (u32, u32),
    /// Thousandths of a frame per second.
    pub(crate) frame_rate: Option<u64>,
    pub(crate) range: VideoRange,
}

/// An audio rendition as the playlist shows it.
#[derive(Debug)]
pub(crate) struct AudioVariant {
    /// Its media playlist, relative to the multivariant playlist.
    pub(crate) uri: String,
    /// For people; no other audio rendition has it.
    pub(crate) name: String,
    pub(crate) bit_rates: BitRates,
    /// RFC 6381.
    pub(crate) codec: String,
    pub(crate) channels: u8,
}

/// Renders the playlist. `video` and `audio` are in the order to list; the first audio is what players
/// start with.
///
/// `None` when there is nothing to choose from.
pub(crate) fn render(
    video: &[VideoVariant],
    audio: &[AudioVariant],
    independent_segments: bool,
) -> Option<Vec<u8>> {
    let sound = Sound::new(audio);
    let mut variants: Vec<_> = video.iter().map(|variant| stream_inf(variant, &sound)).collect();
    let mut alternatives: Vec<_> = audio.iter().enumerate().map(member).collect();
    if variants.is_empty() {
        variants.extend(audio.first().map(|first| audio_only(first, &sound)));
        // A group of one says no more than the variant does.
        if audio.len() < 2 {
            alternatives.clear();
        }
    }
    if variants.is_empty() {
        return None;
    }
    let playlist = MasterPlaylist {
        version: Some(6),
        independent_segments,
        alternatives,
        variants,
        ..MasterPlaylist::default()
    };
    let mut text = Vec::new();
    playlist.write_to(&mut text).ok()?;
    Some(text)
}

/// What the audio group adds to each variant.
#[derive(Debug)]
struct Sound<'a> {
    /// Of the most expensive member (HLS rule MV-1).
    bit_rates: BitRates,
    /// Each format once (HLS rule MV-2).
    codecs: Vec<&'a str>,
    members: usize,
}

impl<'a> Sound<'a> {
    fn new(audio: &'a [AudioVariant]) -> Self {
        let most = |rate: fn(&AudioVariant) -> u64| audio.iter().map(rate).max().unwrap_or(0);
        let mut codecs: Vec<&str> = Vec::new();
        for member in audio {
            if !codecs.contains(&member.codec.as_str()) {
                codecs.push(&member.codec);
            }
        }
        let bit_rates = BitRates {
            peak: most(|member| member.bit_rates.peak),
            average: most(|member| member.bit_rates.average),
        };
        Self { bit_rates, codecs, members: audio.len() }
    }
}

fn stream_inf(video: &VideoVariant, sound: &Sound<'_>) -> VariantStream {
    let codecs: Vec<&str> =
        [video.codec.as_str()].into_iter().chain(sound.codecs.iter().copied()).collect();
    let (width, height) = video.size;
    // The library's own field prints a float as short as it can be; three decimals are wanted.
    let frame_rate = video
        .frame_rate
        .map(|rate| ("FRAME-RATE".to_owned(), format!("{}.{:03}", rate / 1_000, rate % 1_000)));
    // The standard range is what a player assumes.
    let range = (video.range != VideoRange::Sdr)
        .then(|| ("VIDEO-RANGE".to_owned(), video.range.as_str().to_owned()));
    let attributes: HashMap<_, _> = frame_rate
        .into_iter()
        .chain(range)
        .map(|(name, value)| (name, QuotedOrUnquoted::Unquoted(value)))
        .collect();
    VariantStream {
        uri: video.uri.clone(),
        bandwidth: video.bit_rates.peak + sound.bit_rates.peak,
        average_bandwidth: Some(video.bit_rates.average + sound.bit_rates.average),
        codecs: Some(codecs.join(",")),
        resolution: Some(Resolution { width: width.into(), height: height.into() }),
        other_attributes: (!attributes.is_empty()).then_some(attributes),
        audio: (sound.members > 0).then(|| AUDIO_GROUP.to_owned()),
        closed_captions: Some(ClosedCaptionGroupId::None),
        ..VariantStream::default()
    }
}

/// The first audio as a variant, with the others as its alternatives.
fn audio_only(first: &AudioVariant, sound: &Sound<'_>) -> VariantStream {
    VariantStream {
        uri: first.uri.clone(),
        bandwidth: sound.bit_rates.peak,
        average_bandwidth: Some(sound.bit_rates.average),
        codecs: Some(sound.codecs.join(",")),
        audio: (sound.members > 1).then(|| AUDIO_GROUP.to_owned()),
        closed_captions: Some(ClosedCaptionGroupId::None),
        ..VariantStream::default()
    }
}

/// A member of the audio group. Nothing is known of their languages, and players choose among members by
/// language on their own (RFC 8216 §4.3.4.1): only the first may be chosen so.
fn member((index, audio): (usize, &AudioVariant)) -> AlternativeMedia {
    AlternativeMedia {
        media_type: AlternativeMediaType::Audio,
        uri: Some(audio.uri.clone()),
        group_id: AUDIO_GROUP.to_owned(),
        language: Some("und".to_owned()),
        name: audio.name.clone(),
        default: index == 0,
        autoselect: index == 0,
        channels: Some(audio.channels.to_string()),
        ..AlternativeMedia::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(name: &str, peak: u64) -> VideoVariant {
        VideoVariant {
            uri: format!("cam/{name}.m3u8"),
            bit_rates: BitRates { peak, average: peak / 2 },
            codec: "avc1.64001f".to_owned(),
            size: (1280, 720),
            frame_rate: Some(29_970),
            range: VideoRange::Sdr,
        }
    }

    fn audio() -> AudioVariant {
        AudioVariant {
            uri: "cam/audio.m3u8".to_owned(),
            name: "Audio".to_owned(),
            bit_rates: BitRates { peak: 140_000, average: 128_000 },
            codec: "mp4a.40.2".to_owned(),
            channels: 2,
        }
    }

    fn text(video: &[VideoVariant], audio: &[AudioVariant]) -> String {
        String::from_utf8(render(video, audio, false).unwrap()).unwrap()
    }

    #[test]
    fn lists_variants_with_their_audio_group() {
        let expected = "\
            #EXTM3U\n\
            #EXT-X-VERSION:6\n\
            #EXT-X-MEDIA:TYPE=AUDIO,URI=\"cam/audio.m3u8\",GROUP-ID=\"aud\",LANGUAGE=\"und\",\
            NAME=\"Audio\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=3140000,AVERAGE-BANDWIDTH=1628000,\
            CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"aud\",\
            CLOSED-CAPTIONS=NONE\n\
            cam/720p.m3u8\n";
        assert_eq!(text(&[video("720p", 3_000_000)], &[audio()]), expected);
    }

    #[test]
    fn audio_alone_is_a_variant_and_video_alone_has_no_group() {
        let sound = text(&[], &[audio()]);
        assert!(sound.contains("CODECS=\"mp4a.40.2\""), "{sound}");
        assert!(sound.ends_with("cam/audio.m3u8\n") && !sound.contains("EXT-X-MEDIA"), "{sound}");
        let pictures = text(&[video("source", 1)], &[]);
        assert!(!pictures.contains("AUDIO") && !pictures.contains("mp4a"), "{pictures}");
        assert!(render(&[], &[], false).is_none());
    }

    #[test]
    fn several_audio_tracks_are_one_group_and_the_dearest_counts() {
        let tracks = [
            audio(),
            AudioVariant {
                uri: "cam/audio-2.m3u8".to_owned(),
                name: "Audio 2".to_owned(),
                bit_rates: BitRates { peak: 300_000, average: 250_000 },
                ..audio()
            },
            AudioVariant { name: "Audio 3".to_owned(), codec: "opus".to_owned(), ..audio() },
        ];
        let shown = text(&[video("720p", 3_000_000)], &tracks);
        let (_, read) = m3u8_rs::parse_master_playlist(shown.as_bytes()).unwrap();
        let listed = |it: &AlternativeMedia| (it.name.clone(), it.default, it.autoselect);
        let members: Vec<_> = read.alternatives.iter().map(listed).collect();
        let name = |name: &str| name.to_owned();
        let expected = [
            (name("Audio"), true, true),
            (name("Audio 2"), false, false),
            (name("Audio 3"), false, false),
        ];
        assert_eq!(members, expected);
        assert!(read.alternatives.iter().all(|it| it.group_id == "aud"), "{shown}");
        let variant = &read.variants[0];
        assert_eq!((variant.bandwidth, variant.average_bandwidth), (3_300_000, Some(1_750_000)));
        assert_eq!(variant.codecs.as_deref(), Some("avc1.64001f,mp4a.40.2,opus"));
        let radio = text(&[], &tracks);
        assert!(radio.contains(",AUDIO=\"aud\"") && radio.ends_with("cam/audio.m3u8\n"), "{radio}");
        assert_eq!(radio.matches("#EXT-X-MEDIA").count(), 3, "{radio}");
    }

    #[test]
    fn a_high_dynamic_range_is_told() {
        let hdr = VideoVariant { range: VideoRange::Pq, ..video("source", 1) };
        let text = text(&[hdr], &[]);
        assert!(text.contains(",VIDEO-RANGE=PQ") && text.contains("FRAME-RATE=29.970"), "{text}");
    }

    #[test]
    fn another_parser_reads_the_same() {
        let text = text(&[video("480p", 1_000_000), video("source", 4_000_000)], &[audio()]);
        let (_, read) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
        assert_eq!(read.variants.len(), 2);
        let first = &read.variants[0];
        assert_eq!((first.bandwidth, first.frame_rate), (1_140_000, Some(29.97)));
        assert_eq!(read.alternatives[0].uri.as_deref(), Some("cam/audio.m3u8"));
    }
}
