//! From a segment's bytes to its decoder: what transcoding and comparing have in common.

mod composition;
mod source;

use std::num::NonZeroU8;

use ffmpeg_next::{Codec, Dictionary, Error, codec, decoder};

pub(crate) use self::source::{Source, SourceTrack};

/// 8192 x 8192: what a picture may cost in memory is decided here, not by the input.
pub(crate) const MAX_PIXELS: &str = "67108864";

/// A decoder for the track, with so many threads.
pub(crate) fn open_decoder(
    threads: NonZeroU8,
    video: &SourceTrack,
) -> Result<decoder::Video, Error> {
    let mut context = codec::Context::from_parameters(video.parameters.clone())?;
    let mut threading = codec::threading::Config::count(usize::from(threads.get()));
    threading.kind = codec::threading::Type::Frame;
    context.set_threading(threading);
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(video.time_base);
    let found = find_decoder(video.parameters.id()).ok_or(Error::DecoderNotFound)?;
    let mut options = Dictionary::new();
    options.set("max_pixels", MAX_PIXELS);
    decoder.open_as_with(found, options)?.video()
}

/// The decoder of a codec. FFmpeg's own of AV1 only drives hardware; dav1d does without.
fn find_decoder(id: codec::Id) -> Option<Codec> {
    if id == codec::Id::AV1 { decoder::find_by_name("libdav1d") } else { decoder::find(id) }
}
