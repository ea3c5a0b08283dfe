//! What a window knows of one rendition.

use std::sync::Arc;

use media::{FrameRate, InitSegment, RenditionProfile};

use super::{
    entry::{Entry, Map, Slot},
    measure::{BandwidthMeter, FrameRateMeter},
};
use crate::{
    Rendered, RenditionId,
    multivariant_playlist::{AudioVariant, BitRates, VideoVariant},
};

/// Segments after which what was measured says more than what was asked for.
const SEGMENTS_TO_TRUST: u64 = 3;

/// One rendition: what is in force, what was measured, and its playlist.
#[derive(Debug)]
pub(super) struct Rendition {
    pub(super) id: RenditionId,
    pub(super) profile: Option<RenditionProfile>,
    /// The init of its newest media. `None` until the first, which is when it can be listed.
    pub(super) map: Option<Map>,
    /// What the multivariant playlist says of it: the newest init that is not filler's. Players read that
    /// playlist once, and filler is soon over.
    pub(super) described: Option<Arc<InitSegment>>,
    pub(super) playlist: Option<Arc<Rendered>>,
    bandwidth: Option<BandwidthMeter>,
    frames: FrameRateMeter,
    /// Number of the init whose frames are counted.
    counted_map: Option<u64>,
}

impl Rendition {
    pub(super) fn new(id: RenditionId, profile: Option<RenditionProfile>) -> Self {
        Self {
            id,
            profile,
            map: None,
            described: None,
            playlist: None,
            bandwidth: None,
            frames: FrameRateMeter::default(),
            counted_map: None,
        }
    }

    /// Counts its share of a published entry.
    pub(super) fn measure(&mut self, index: usize, entry: &Entry, target_duration: u8) {
        let bandwidth = self.bandwidth.get_or_insert_with(|| BandwidthMeter::new(target_duration));
        let slot = entry.slots.get(index);
        let Some(Slot { media: Some(media), map: Some(map) }) = slot else {
            bandwidth.interrupt();
            return;
        };
        bandwidth.add(entry.ticks(), media.body_len());
        if entry.filler {
            return;
        }
        if self.counted_map.replace(map.number) != Some(map.number) {
            self.frames = FrameRateMeter::default();
        }
        self.frames.add(media);
    }

    /// It as a video variant, once its codec is known.
    pub(super) fn video_variant(&self, base: &str) -> Option<VideoVariant> {
        let parameters = &self.described.as_ref()?.track.parameters;
        let (_, picture) = parameters.picture()?;
        let frame_rate = self.frames.millihertz(picture.frame_rate);
        let stated = || picture.frame_rate.map(FrameRate::millihertz);
        Some(VideoVariant {
            uri: self.uri(base),
            bit_rates: self.bit_rates(),
            codec: parameters.rfc6381(),
            size: picture.display_size(),
            frame_rate: frame_rate.or_else(stated),
            range: picture.video_range(),
        })
    }

    /// Pixels of its picture; `None` while it has none, and where it is audio.
    pub(super) fn pixels(&self) -> Option<u64> {
        let (_, picture) = self.described.as_ref()?.track.parameters.picture()?;
        Some(u64::from(picture.width) * u64::from(picture.height))
    }

    /// It as an audio rendition, once its codec is known.
    pub(super) fn audio_variant(&self, base: &str) -> Option<AudioVariant> {
        let parameters = &self.described.as_ref()?.track.parameters;
        let sound = parameters.sound()?;
        let nth = self.id.as_str().strip_prefix("audio-");
        Some(AudioVariant {
            uri: self.uri(base),
            name: nth.map_or_else(|| "Audio".to_owned(), |nth| format!("Audio {nth}")),
            bit_rates: self.bit_rates(),
            codec: parameters.rfc6381(),
            channels: sound.channels,
        })
    }

    fn uri(&self, base: &str) -> String {
        format!("{base}/{}.m3u8", self.id)
    }

    /// Measured; as long as little was, not below what the profile asks for.
    fn bit_rates(&self) -> BitRates {
        let measured = self.bandwidth.as_ref().map(BandwidthMeter::bit_rates).unwrap_or_default();
        let segments = self.bandwidth.as_ref().map_or(0, BandwidthMeter::segments);
        let early = self.profile.as_ref().filter(|_| segments < SEGMENTS_TO_TRUST);
        let asked = early.map_or(0, |profile| u64::from(profile.bitrate));
        BitRates { peak: measured.peak.max(asked), average: measured.average }
    }
}
