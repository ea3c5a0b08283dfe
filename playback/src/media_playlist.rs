//! Media playlists: one rendition's segments (HLS rules PL-1 to PL-28).

use std::{
    fmt::{self, Write as _},
    time::SystemTime,
};

use media::MediaDuration;

use crate::{config::Epoch, date};

/// What a media playlist says of itself.
#[derive(Debug)]
pub(crate) struct MediaPlaylist<'a> {
    pub(crate) target_duration: u8,
    pub(crate) media_sequence: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) independent_segments: bool,
    pub(crate) epoch: &'a Epoch,
    /// The rendition's name in URLs.
    pub(crate) rendition: &'a str,
    pub(crate) ended: bool,
}

/// What a media playlist says of one segment.
#[derive(Debug)]
pub(crate) struct MediaSegment {
    pub(crate) sequence: u64,
    pub(crate) duration: MediaDuration,
    pub(crate) program_date_time: SystemTime,
    pub(crate) discontinuity: bool,
    /// Number of the init in force.
    pub(crate) map: Option<u64>,
    pub(crate) gap: bool,
}

/// Bytes that one segment's lines need, roughly.
const SEGMENT_LINES: usize = 200;

impl MediaPlaylist<'_> {
    /// The whole text.
    pub(crate) fn render(&self, segments: impl ExactSizeIterator<Item = MediaSegment>) -> String {
        let mut text = String::with_capacity(SEGMENT_LINES * (segments.len() + 1));
        let written = self.write(&mut text, segments);
        debug_assert!(written.is_ok(), "writing into a string can't fail");
        text
    }

    fn write(
        &self,
        text: &mut String,
        segments: impl Iterator<Item = MediaSegment>,
    ) -> fmt::Result {
        let (epoch, rendition) = (self.epoch, self.rendition);
        text.push_str("#EXTM3U\n#EXT-X-VERSION:6\n");
        writeln!(text, "#EXT-X-TARGETDURATION:{}", self.target_duration)?;
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence)?;
        writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence)?;
        if self.independent_segments {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        let mut map_in_force = None;
        for segment in segments {
            if segment.discontinuity {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if let Some(number) = segment.map.filter(|_| segment.map != map_in_force) {
                writeln!(text, "#EXT-X-MAP:URI=\"{rendition}/{epoch}-init-{number}.mp4\"")?;
                map_in_force = segment.map;
            }
            let date = date::iso8601(segment.program_date_time);
            writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{date}")?;
            if segment.gap {
                text.push_str("#EXT-X-GAP\n");
            }
            writeln!(text, "#EXTINF:{},", segment.duration)?;
            writeln!(text, "{rendition}/{epoch}-{}.m4s", segment.sequence)?;
        }
        if self.ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use media::Timescale;

    use super::*;

    #[test]
    fn writes_every_tag_in_its_place() {
        let epoch = Epoch::starting_at(UNIX_EPOCH + Duration::from_millis(35));
        let segment = |sequence, discontinuity, map, gap| MediaSegment {
            sequence,
            duration: MediaDuration::new(180_180, Timescale::VIDEO),
            program_date_time: UNIX_EPOCH + Duration::from_millis(sequence * 2_002),
            discontinuity,
            map: Some(map),
            gap,
        };
        let segments =
            [segment(7, false, 1, false), segment(8, false, 1, true), segment(9, true, 9, false)];
        let playlist = MediaPlaylist {
            target_duration: 2,
            media_sequence: 7,
            discontinuity_sequence: 3,
            independent_segments: true,
            epoch: &epoch,
            rendition: "720p",
            ended: true,
        };
        let expected = "\
            #EXTM3U\n\
            #EXT-X-VERSION:6\n\
            #EXT-X-TARGETDURATION:2\n\
            #EXT-X-MEDIA-SEQUENCE:7\n\
            #EXT-X-DISCONTINUITY-SEQUENCE:3\n\
            #EXT-X-INDEPENDENT-SEGMENTS\n\
            #EXT-X-MAP:URI=\"720p/z-init-1.mp4\"\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:14.014Z\n\
            #EXTINF:2.002000,\n\
            720p/z-7.m4s\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:16.016Z\n\
            #EXT-X-GAP\n\
            #EXTINF:2.002000,\n\
            720p/z-8.m4s\n\
            #EXT-X-DISCONTINUITY\n\
            #EXT-X-MAP:URI=\"720p/z-init-9.mp4\"\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:18.018Z\n\
            #EXTINF:2.002000,\n\
            720p/z-9.m4s\n\
            #EXT-X-ENDLIST\n";
        assert_eq!(playlist.render(segments.into_iter()), expected);
    }
}
