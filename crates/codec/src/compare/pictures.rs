//! Wanted pictures of one track, decoded and shrunk.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::sync::atomic::{AtomicBool, Ordering};

use ffmpeg_next::{Discard, Error, decoder, frame};

use super::shrink::{self, Shape};
use crate::{
    Thumbnail,
    decode::{self, SourceTrack},
    error::{FaultCause, TranscodeFault},
    library::{fault, ffmpeg_fault},
};

/// Threads of each decoder. More of them take more work altogether, and other cores have other jobs.
const THREADS: NonZeroU8 = NonZeroU8::MIN;

/// Decodes tracks as far as needed.
pub(super) struct PictureReader<'a> {
    /// Set when nobody waits for the result any more.
    pub(super) abandoned: &'a AtomicBool,
}

impl PictureReader<'_> {
    /// The pictures of these packets, which have timestamps. The shape `into` fills a thumbnail; without
    /// one, that of the first picture wanted does.
    pub(super) fn read(
        &self,
        track: &SourceTrack,
        wanted: &BTreeSet<usize>,
        into: Option<Shape>,
    ) -> Pictures {
        let times =
            wanted.iter().filter_map(|packet| Some((track.packets.get(*packet)?.pts()?, *packet)));
        let mut pictures = Pictures {
            wanted: times.collect(),
            shape: into,
            thumbnails: BTreeMap::new(),
            decoded: 0,
            fault: None,
        };
        if let Err(fault) = self.decode(track, wanted, &mut pictures) {
            pictures.fault = Some(fault);
        }
        pictures
    }

    fn decode(
        &self,
        track: &SourceTrack,
        wanted: &BTreeSet<usize>,
        pictures: &mut Pictures,
    ) -> Result<(), TranscodeFault> {
        let decoder = decode::open_decoder(THREADS, track);
        let mut decoder = decoder.map_err(|error| ffmpeg_fault("opening the decoder", error))?;
        // In decoding order nothing after a picture is needed for it.
        let last = wanted.last().copied().unwrap_or(0);
        for (index, packet) in track.packets.iter().enumerate().take(last.saturating_add(1)) {
            self.check_abandoned()?;
            // What no other picture refers to need not be decoded.
            let is_wanted = wanted.contains(&index);
            decoder.skip_frame(if is_wanted { Discard::Default } else { Discard::NonReference });
            match decoder.send_packet(packet) {
                // A refused packet shows in the pictures that miss it.
                Ok(()) | Err(Error::InvalidData) => pictures.take_from(&mut decoder)?,
                Err(error) => return Err(ffmpeg_fault("decoding", error)),
            }
        }
        decoder.send_eof().map_err(|error| ffmpeg_fault("flushing the decoder", error))?;
        pictures.take_from(&mut decoder)
    }

    /// An error when nobody waits for the result any more.
    pub(super) fn check_abandoned(&self) -> Result<(), TranscodeFault> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(fault(FaultCause::Other, "abandoned"));
        }
        Ok(())
    }
}

/// What came of the wanted pictures of one track.
pub(super) struct Pictures {
    /// Packets by their timestamps, until their pictures come.
    wanted: BTreeMap<i64, usize>,
    shape: Option<Shape>,
    thumbnails: BTreeMap<usize, Thumbnail>,
    decoded: u64,
    /// What ended the decoding early.
    fault: Option<TranscodeFault>,
}

impl Pictures {
    /// The picture of this packet.
    pub(super) fn get(&self, packet: usize) -> Result<&Thumbnail, TranscodeFault> {
        self.thumbnails.get(&packet).ok_or_else(|| {
            let undecodable =
                || fault(FaultCause::InvalidData, format!("no picture from frame {packet}"));
            self.fault.clone().unwrap_or_else(undecodable)
        })
    }

    /// The shape that fills a thumbnail.
    pub(super) const fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// Pictures that came out of the decoder.
    pub(super) const fn decoded(&self) -> u64 {
        self.decoded
    }

    fn take_from(&mut self, decoder: &mut decoder::Video) -> Result<(), TranscodeFault> {
        loop {
            let mut picture = frame::Video::empty();
            match decoder.receive_frame(&mut picture) {
                Ok(()) => self.take(&picture)?,
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => {
                    return Ok(());
                }
                Err(Error::InvalidData) => {}
                Err(error) => return Err(ffmpeg_fault("decoding", error)),
            }
        }
    }

    fn take(&mut self, picture: &frame::Video) -> Result<(), TranscodeFault> {
        self.decoded = self.decoded.saturating_add(1);
        let packet = picture.pts().and_then(|pts| self.wanted.remove(&pts));
        let Some(packet) = packet else { return Ok(()) };
        let into = *self.shape.get_or_insert_with(|| Shape::of(picture));
        let thumbnail = shrink::shrink(picture, into);
        let thumbnail = thumbnail.map_err(|error| ffmpeg_fault("scaling", error))?;
        self.thumbnails.insert(packet, thumbnail);
        Ok(())
    }
}
