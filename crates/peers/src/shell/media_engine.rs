//! What the library may agree on with a client.

use rtc::{
    peer_connection::configuration::media_engine::{
        MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MediaEngine,
    },
    rtp_transceiver::rtp_sender::{
        RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability,
        RtpCodecKind,
    },
    shared::error::Error,
};

use crate::{LAYER, REPAIRED_LAYER, SECTION, TRANSPORT_WIDE};

/// Formats of H.264: profile and packetization mode. One that is missing is a refused encoder.
const H264_FORMATS: [(&str, u8); 8] = [
    ("64001f", 1),
    ("4d001f", 1),
    ("42e01f", 1),
    ("42001f", 1),
    ("64001f", 0),
    ("4d001f", 0),
    ("42e01f", 0),
    ("42001f", 0),
];
/// The answer takes the offer's numbers; these only have to differ.
const FIRST_PAYLOAD_TYPE: u8 = 96;
const OPUS_PAYLOAD_TYPE: u8 = 63;
/// What clients may be told about pictures: lost packets, the wish for a key frame, congestion.
const VIDEO_FEEDBACK: [(&str, &str); 4] =
    [("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("transport-cc", "")];

/// H.264 with retransmissions, and Opus. Rotation is not agreed on: a browser then turns pictures itself.
pub(super) fn media_engine() -> Result<MediaEngine, Error> {
    let mut engine = MediaEngine::default();
    let mut number = FIRST_PAYLOAD_TYPE;
    for (profile, mode) in H264_FORMATS {
        let format = format!(
            "level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"
        );
        let video = |mime_type: &str, sdp_fmtp_line, payload_type| RTCRtpCodecParameters {
            rtp_codec: RTCRtpCodec {
                mime_type: mime_type.to_owned(),
                clock_rate: 90_000,
                channels: 0,
                sdp_fmtp_line,
                rtcp_feedback: Vec::new(),
            },
            payload_type,
        };
        let repeats = video(MIME_TYPE_RTX, format!("apt={number}"), number + 1);
        engine.register_codec(video(MIME_TYPE_H264, format, number), RtpCodecKind::Video)?;
        engine.register_codec(repeats, RtpCodecKind::Video)?;
        number += 2;
    }
    let opus = RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type: OPUS_PAYLOAD_TYPE,
    };
    engine.register_codec(opus, RtpCodecKind::Audio)?;
    let feedback = |(typ, parameter): (&str, &str)| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    for wish in VIDEO_FEEDBACK {
        engine.register_feedback(feedback(wish), RtpCodecKind::Video);
    }
    engine.register_feedback(feedback(("transport-cc", "")), RtpCodecKind::Audio);
    let mut extend = |uri: &str, kind| {
        let uri = uri.to_owned();
        engine.register_header_extension(RTCRtpHeaderExtensionCapability { uri }, kind, None)
    };
    for uri in [SECTION, TRANSPORT_WIDE] {
        extend(uri, RtpCodecKind::Video)?;
        extend(uri, RtpCodecKind::Audio)?;
    }
    for uri in [LAYER, REPAIRED_LAYER] {
        extend(uri, RtpCodecKind::Video)?;
    }
    Ok(engine)
}
