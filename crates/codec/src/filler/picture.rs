//! The picture that stands still: where it comes from, and how it is brought to a rendition's size.

use std::num::NonZeroU8;

use bytes::Bytes;
use ffmpeg_next::{
    Codec, Dictionary, Error, Packet, Rational, codec, color, decoder, format::Pixel, frame,
    software::scaling,
};

use crate::{
    FillerProfile,
    decode::{self, MAX_PIXELS, Source},
    error::{FaultCause, TranscodeFault},
    library::{fault, ffmpeg_fault},
    transcode::picture::{Size, fit},
};

/// One thread: there are other streams.
const THREADS: NonZeroU8 = NonZeroU8::MIN;
/// First bytes of the two kinds of image.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";
/// Luma and chroma of black, in the range that players expect.
const BLACK: [u8; 3] = [16, 128, 128];

/// A decoded picture.
pub(super) struct Still {
    picture: frame::Video,
    /// It keeps its shape.
    slate: bool,
}

impl Still {
    /// The picture of these segments that is shown last.
    pub(super) fn last_of(
        segments: &Bytes,
        mut go_on: impl FnMut() -> Result<(), TranscodeFault>,
    ) -> Result<Self, TranscodeFault> {
        let track = Source::read(segments, None)?.video;
        let decoder = decode::open_decoder(THREADS, &track);
        let mut decoder = decoder.map_err(|error| ffmpeg_fault("opening the decoder", error))?;
        let mut last = None;
        for packet in &track.packets {
            go_on()?;
            match decoder.send_packet(packet) {
                // One that is refused is not the one to be shown.
                Ok(()) | Err(Error::InvalidData) => keep_last(&mut decoder, &mut last)?,
                Err(error) => return Err(ffmpeg_fault("decoding", error)),
            }
        }
        decoder.send_eof().map_err(|error| ffmpeg_fault("flushing the decoder", error))?;
        keep_last(&mut decoder, &mut last)?;
        let picture = last.ok_or_else(|| fault(FaultCause::InvalidData, "no picture decodes"))?;
        Ok(Self { picture, slate: false })
    }

    /// A PNG or JPEG file.
    pub(super) fn of_image(image: &Bytes) -> Result<Self, TranscodeFault> {
        let kind = if image.starts_with(PNG) {
            codec::Id::PNG
        } else if image.starts_with(JPEG) {
            codec::Id::MJPEG
        } else {
            return Err(fault(FaultCause::UnsupportedCodec, "an image that is no PNG and no JPEG"));
        };
        let found = decoder::find(kind)
            .ok_or_else(|| fault(FaultCause::DecoderNotFound, format!("{kind:?}")))?;
        let picture = decode_image(found, image).map_err(|error| ffmpeg_fault("image", error))?;
        Ok(Self { picture, slate: true })
    }

    /// Whether its samples have more than eight bits.
    pub(super) fn is_deep(&self) -> bool {
        use Pixel as P;
        let deep = matches!(
            self.picture.format(),
            P::YUV420P10LE | P::YUV422P10LE | P::YUV444P10LE | P::YUV420P12LE
        );
        deep && !self.slate
    }

    /// It as a rendition shows it, with ten bits in a sample or eight.
    pub(super) fn in_size(
        &self,
        profile: &FillerProfile,
        deep: bool,
    ) -> Result<frame::Video, TranscodeFault> {
        let whole = Size { width: profile.width, height: profile.height };
        let format = if deep { Pixel::YUV420P10LE } else { Pixel::YUV420P };
        if !self.slate {
            let mut picture = self.scaled(whole, format)?;
            self.describe(&mut picture);
            return Ok(picture);
        }
        // How wide a sample of the image is, counted in samples of the rendition.
        let (num, den) = profile.sample_aspect_ratio;
        let image = Size { width: self.picture.width(), height: self.picture.height() };
        let inner = fit(image, Rational(den.into(), num.into()), whole);
        let mut picture = bars(whole, &self.scaled(inner, format)?, inner);
        self.describe(&mut picture);
        Ok(picture)
    }

    fn scaled(&self, to: Size, format: Pixel) -> Result<frame::Video, TranscodeFault> {
        let from = &self.picture;
        let mut scaled = frame::Video::empty();
        scaling::Context::get(
            from.format(),
            from.width(),
            from.height(),
            format,
            to.width,
            to.height,
            scaling::Flags::BICUBIC | scaling::Flags::ACCURATE_RND,
        )
        .and_then(|mut scaler| scaler.run(from, &mut scaled))
        .map_err(|error| ffmpeg_fault("scaling", error))?;
        Ok(scaled)
    }

    /// Puts down what the colours mean.
    fn describe(&self, picture: &mut frame::Video) {
        picture.set_color_range(color::Range::MPEG);
        if self.slate {
            // The scaler turns an image's colours with this matrix; the primaries are sRGB's.
            picture.set_color_space(color::Space::SMPTE170M);
            picture.set_color_primaries(color::Primaries::BT709);
            picture.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        } else {
            let from = &self.picture;
            picture.set_color_space(from.color_space());
            picture.set_color_primaries(from.color_primaries());
            picture.set_color_transfer_characteristic(from.color_transfer_characteristic());
        }
    }
}

fn keep_last(
    decoder: &mut decoder::Video,
    last: &mut Option<frame::Video>,
) -> Result<(), TranscodeFault> {
    loop {
        let mut picture = frame::Video::empty();
        match decoder.receive_frame(&mut picture) {
            Ok(()) => *last = Some(picture),
            Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
            Err(Error::InvalidData) => {}
            Err(error) => return Err(ffmpeg_fault("decoding", error)),
        }
    }
}

fn decode_image(found: Codec, image: &Bytes) -> Result<frame::Video, Error> {
    let mut options = Dictionary::new();
    options.set("max_pixels", MAX_PIXELS);
    options.set("threads", "1");
    let context = codec::Context::new_with_codec(found);
    let mut decoder = context.decoder().open_as_with(found, options)?.video()?;
    decoder.send_packet(&Packet::copy(image))?;
    decoder.send_eof()?;
    let mut picture = frame::Video::empty();
    decoder.receive_frame(&mut picture)?;
    Ok(picture)
}

/// `inner` in the middle of black. Eight bits in a sample, chroma halved both ways.
fn bars(whole: Size, inner: &frame::Video, size: Size) -> frame::Video {
    let mut picture = frame::Video::new(Pixel::YUV420P, whole.width, whole.height);
    // Even, so that chroma stays where it belongs.
    let left = (whole.width.saturating_sub(size.width) / 4).saturating_mul(2);
    let top = (whole.height.saturating_sub(size.height) / 4).saturating_mul(2);
    for (plane, black) in BLACK.into_iter().enumerate() {
        let shift = u32::from(plane > 0);
        let width = usize::try_from(size.width >> shift).unwrap_or(0);
        let height = usize::try_from(size.height >> shift).unwrap_or(0);
        let left = usize::try_from(left >> shift).unwrap_or(0);
        let top = usize::try_from(top >> shift).unwrap_or(0);
        let (stride, inner_stride) = (picture.stride(plane).max(1), inner.stride(plane).max(1));
        let data = picture.data_mut(plane);
        data.fill(black);
        let rows = data.chunks_mut(stride).skip(top);
        for (row, from) in rows.zip(inner.data(plane).chunks(inner_stride)).take(height) {
            let from = from.get(..width).unwrap_or_default();
            if let Some(to) = row.get_mut(left..left.saturating_add(width)) {
                to.copy_from_slice(from);
            }
        }
    }
    picture
}
