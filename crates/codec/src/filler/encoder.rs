//! One picture, encoded again and again: the first decodes by itself, the others repeat it.

use bytes::Bytes;
use ffmpeg_next::{Codec, Dictionary, Error, Packet, Rational, codec, encoder, frame};
use media::VideoCodec;

use super::Request;
use crate::{
    FillerProfile, FillerRendition,
    error::{FaultCause, TranscodeFault},
    library::{fault, ffmpeg_fault},
};

/// Longer than any filler: no key frame but the first.
const NO_FURTHER_KEY_FRAME: &str = "100000";

/// Of H.264's parameter sets. Encoders call theirs 0, and a decoder keeps those beside these: players that
/// take no second header (all on libavformat) show filler and what comes after it.
const H264_SETS_ID: u8 = 21;

/// Encodes the picture for one profile.
pub(super) fn encode(
    request: &Request<'_>,
    profile: &FillerProfile,
    picture: &mut frame::Video,
) -> Result<FillerRendition, TranscodeFault> {
    let mut encoder = open(request, profile, picture)?;
    let mut pictures = Vec::with_capacity(usize::from(request.pictures));
    for index in 0..i64::from(request.pictures) {
        request.check_abandoned()?;
        picture.set_pts(Some(index));
        picture.set_kind(ffmpeg_next::picture::Type::None);
        let sent = encoder.send_frame(picture).and_then(|()| collect(&mut encoder, &mut pictures));
        sent.map_err(|error| ffmpeg_fault("encoding", error))?;
    }
    let flushed = encoder.send_eof().and_then(|()| collect(&mut encoder, &mut pictures));
    flushed.map_err(|error| ffmpeg_fault("flushing the encoder", error))?;
    if pictures.len() != usize::from(request.pictures) {
        let detail = format!("{} pictures in, {} out", request.pictures, pictures.len());
        return Err(fault(FaultCause::Other, detail));
    }
    Ok(FillerRendition { pictures })
}

fn collect(encoder: &mut encoder::Video, pictures: &mut Vec<Bytes>) -> Result<(), Error> {
    loop {
        let mut packet = Packet::empty();
        match encoder.receive_packet(&mut packet) {
            Ok(()) => pictures.extend(packet.data().map(Bytes::copy_from_slice)),
            Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The machine's encoder of a codec, the one that is quicker for a still picture first.
fn find(codec: VideoCodec) -> Result<Codec, TranscodeFault> {
    let names: &[&str] = match codec {
        VideoCodec::H264 => &["libx264"],
        VideoCodec::Hevc => &["libx265"],
        VideoCodec::Av1 => &["libaom-av1", "libsvtav1"],
    };
    let found = names.iter().find_map(|name| encoder::find_by_name(name));
    found.ok_or_else(|| fault(FaultCause::EncoderNotFound, names.join(", ")))
}

fn open(
    request: &Request<'_>,
    profile: &FillerProfile,
    picture: &frame::Video,
) -> Result<encoder::Video, TranscodeFault> {
    let found = find(profile.codec)?;
    let context = codec::Context::new_with_codec(found).encoder().video();
    let mut context = context.map_err(|error| ffmpeg_fault("preparing the encoder", error))?;
    let rate = i32::from(request.frame_rate);
    let (num, den) = profile.sample_aspect_ratio;
    context.set_width(profile.width);
    context.set_height(profile.height);
    context.set_format(picture.format());
    context.set_time_base(Rational(1, rate));
    context.set_frame_rate(Some(Rational(rate, 1)));
    context.set_aspect_ratio(Rational(num.into(), den.into()));
    context.set_colorspace(picture.color_space());
    context.set_color_primaries(picture.color_primaries());
    context.set_color_transfer_characteristic(picture.color_transfer_characteristic());
    context.set_color_range(picture.color_range());
    let options = options(profile, found.name());
    context.open_with(options).map_err(|error| ffmpeg_fault("opening the encoder", error))
}

/// Constant quality below the peak that the rendition has anyway. Parameter sets stay in the first picture.
fn options(profile: &FillerProfile, encoder: &str) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    let bitrate = profile.bitrate.to_string();
    options.set("threads", "1");
    options.set("g", NO_FURTHER_KEY_FRAME);
    match encoder {
        "libx264" => {
            options.set("preset", "veryfast");
            options.set("tune", "zerolatency");
            options.set("crf", "20");
            options.set("maxrate", &bitrate);
            options.set("bufsize", &bitrate);
            options.set("sc_threshold", "0");
            options.set("x264-params", &format!("sps-id={H264_SETS_ID}"));
            if let Some([idc, _, level]) = profile.h264_profile_level {
                options.set("profile", h264_profile(idc));
                options.set("level", &format!("{}.{}", level / 10, level % 10));
            }
        }
        "libx265" => {
            options.set("preset", "ultrafast");
            options.set("crf", "20");
            options.set("maxrate", &bitrate);
            options.set("bufsize", &bitrate);
            let parameters = "log-level=none:pools=none:frame-threads=1:bframes=0:rc-lookahead=0:\
                              scenecut=0:open-gop=0:info=0:repeat-headers=1";
            options.set("x265-params", parameters);
        }
        "libaom-av1" => {
            options.set("usage", "realtime");
            options.set("cpu-used", "8");
            options.set("lag-in-frames", "0");
            options.set("crf", "30");
            options.set("b", &bitrate);
        }
        // SVT-AV1.
        _ => {
            options.set("preset", "12");
            options.set("crf", "35");
            options.set("svtav1-params", "pred-struct=1:lp=1");
        }
    }
    options
}

/// Baseline needs no more than Main, Main no more than High, and everything above takes High.
const fn h264_profile(idc: u8) -> &'static str {
    match idc {
        66 => "baseline",
        77 | 88 => "main",
        _ => "high",
    }
}
