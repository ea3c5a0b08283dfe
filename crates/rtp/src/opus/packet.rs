//! The framing of an Opus packet (RFC 6716 §3), checked to its last byte.

use thiserror::Error;

/// Longest packet in samples at 48 kHz: 120 ms (R5).
pub(crate) const SAMPLES_MAX: u32 = 5_760;
/// Longest frame, in bytes (R2).
const FRAME_BYTES_MAX: usize = 1_275;

/// Why a packet is refused; the names are of RFC 6716 §3.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum OpusError {
    /// R1: a packet has one byte at least.
    #[error("no byte")]
    Empty,
    /// R2: a frame of more than 1275 bytes.
    #[error("a frame of {0} bytes")]
    FrameTooLong(usize),
    /// R3: two frames of equal size in an odd number of bytes.
    #[error("two frames of equal size don't share the bytes evenly")]
    Odd,
    /// R4, R7: a frame's length reaches past the end, or is cut short.
    #[error("a frame is cut short")]
    Truncated,
    /// R5: no frame, or more than 120 ms of them.
    #[error("{0} frames")]
    FrameCount(u8),
    /// R6, R7: padding reaches past the end.
    #[error("padding reaches past the end")]
    Padding,
    /// R6: frames of equal size don't share the bytes evenly.
    #[error("frames of equal size don't share the bytes evenly")]
    Uneven,
}

/// What a packet says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    /// Length of all its frames, in samples at 48 kHz.
    pub(crate) samples: u32,
    /// 1 or 2.
    pub(crate) channels: u8,
}

/// Reads a packet's framing.
///
/// # Errors
///
/// See [`OpusError`].
pub(crate) fn parse(packet: &[u8]) -> Result<Framing, OpusError> {
    let (&toc, rest) = packet.split_first().ok_or(OpusError::Empty)?;
    let frame = frame_samples(toc >> 3);
    let frames = match toc & 0x03 {
        0 => {
            check_frame(rest.len())?;
            1
        }
        1 => {
            if rest.len() % 2 != 0 {
                return Err(OpusError::Odd);
            }
            check_frame(rest.len() / 2)?;
            2
        }
        2 => {
            let (first, rest) = frame_length(rest)?;
            let second = rest.len().checked_sub(first).ok_or(OpusError::Truncated)?;
            check_frame(second)?;
            2
        }
        _ => check_many(rest, frame)?,
    };
    let samples = frame * u32::from(frames);
    // Only frames of 60 ms in pairs come near, and they may.
    if samples > SAMPLES_MAX {
        return Err(OpusError::FrameCount(frames));
    }
    Ok(Framing { samples, channels: if toc & 0x04 == 0 { 1 } else { 2 } })
}

/// Samples at 48 kHz of one frame (§3.1, table 2).
const fn frame_samples(configuration: u8) -> u32 {
    match (configuration, configuration & 0x03) {
        // SILK: 10, 20, 40, 60 ms.
        (0..=11, 0) => 480,
        (0..=11, 1) => 960,
        (0..=11, 2) => 1_920,
        (0..=11, _) => 2_880,
        // Hybrid: 10, 20 ms.
        (12..=15, 0 | 2) => 480,
        (12..=15, _) => 960,
        // CELT: 2.5, 5, 10, 20 ms.
        (_, 0) => 120,
        (_, 1) => 240,
        (_, 2) => 480,
        (_, _) => 960,
    }
}

const fn check_frame(bytes: usize) -> Result<(), OpusError> {
    if bytes > FRAME_BYTES_MAX { Err(OpusError::FrameTooLong(bytes)) } else { Ok(()) }
}

/// A frame's length in one or two bytes, and what is behind it (§3.2.1).
fn frame_length(bytes: &[u8]) -> Result<(usize, &[u8]), OpusError> {
    match bytes {
        [length @ 0..=251, rest @ ..] => Ok((usize::from(*length), rest)),
        [low, high, rest @ ..] => Ok((usize::from(*high) * 4 + usize::from(*low), rest)),
        [] | [_] => Err(OpusError::Truncated),
    }
}

/// Code 3: any number of frames (§3.2.5). Answers how many.
fn check_many(rest: &[u8], frame: u32) -> Result<u8, OpusError> {
    let (&head, mut rest) = rest.split_first().ok_or(OpusError::Truncated)?;
    let (variable, padded, frames) = (head & 0x80 != 0, head & 0x40 != 0, head & 0x3F);
    // Ahead of everything else: the count bounds the work below.
    if frames == 0 || frame * u32::from(frames) > SAMPLES_MAX {
        return Err(OpusError::FrameCount(frames));
    }
    let mut padding = 0_usize;
    let mut more = padded;
    while more {
        let (&byte, after) = rest.split_first().ok_or(OpusError::Padding)?;
        rest = after;
        more = byte == 255;
        padding += if more { 254 } else { usize::from(byte) };
    }
    if !variable {
        let bytes = rest.len().checked_sub(padding).ok_or(OpusError::Padding)?;
        if bytes % usize::from(frames) != 0 {
            return Err(OpusError::Uneven);
        }
        check_frame(bytes / usize::from(frames))?;
        return Ok(frames);
    }
    let mut stated = 0_usize;
    for _ in 1..frames {
        let (length, after) = frame_length(rest)?;
        rest = after;
        stated += length;
    }
    let bytes = rest.len().checked_sub(padding).ok_or(OpusError::Padding)?;
    check_frame(bytes.checked_sub(stated).ok_or(OpusError::Truncated)?)?;
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(toc: u8, body: &[u8]) -> Result<Framing, OpusError> {
        parse(&[&[toc], body].concat())
    }

    #[test]
    fn durations_are_those_of_the_table() {
        let samples = |configuration: u8| of(configuration << 3, &[0]).unwrap().samples;
        assert_eq!([0, 1, 2, 3].map(samples), [480, 960, 1_920, 2_880]);
        assert_eq!([11, 12, 13, 14, 15].map(samples), [2_880, 480, 960, 480, 960]);
        assert_eq!([16, 17, 18, 19, 31].map(samples), [120, 240, 480, 960, 960]);
    }

    #[test]
    fn reads_every_code() {
        // What browsers send: CELT or hybrid at 20 ms, one frame, stereo or not.
        assert_eq!(of(0xFC, &[1, 2, 3]), Ok(Framing { samples: 960, channels: 2 }));
        assert_eq!(of(0x78, &[]), Ok(Framing { samples: 960, channels: 1 }));
        assert_eq!(of(0xF9, &[1, 2]).unwrap().samples, 1_920);
        assert_eq!(of(0xFA, &[1, 9, 8, 8]).unwrap().samples, 1_920);
        assert_eq!(of(0xFB, &[3, 1, 2, 3]).unwrap().samples, 2_880);
        assert_eq!(of(0xFB, &[0x43, 2, 1, 2, 3, 0, 0]).unwrap().samples, 2_880);
        assert_eq!(of(0xFB, &[0x83, 1, 0, 7, 8, 8]).unwrap().samples, 2_880);
        // 2.5 ms, 48 of them.
        assert_eq!(of(0xE3, &[48]).unwrap().samples, SAMPLES_MAX);
        assert_eq!(of(0x19, &[]).unwrap().samples, SAMPLES_MAX);
    }

    #[test]
    fn refuses_what_the_rules_do_not_allow() {
        use OpusError::{Empty, FrameCount, FrameTooLong, Odd, Padding, Truncated, Uneven};
        assert_eq!(parse(&[]), Err(Empty));
        assert_eq!(of(0xF8, &[0; 1_276]), Err(FrameTooLong(1_276)));
        assert_eq!(of(0xF9, &[0; 3]), Err(Odd));
        assert_eq!(of(0xF9, &[0; 2_552]), Err(FrameTooLong(1_276)));
        assert_eq!(of(0xFA, &[]), Err(Truncated));
        assert_eq!(of(0xFA, &[252]), Err(Truncated));
        assert_eq!(of(0xFA, &[5, 1]), Err(Truncated));
        assert_eq!(of(0xFB, &[]), Err(Truncated));
        assert_eq!(of(0xFB, &[0]), Err(FrameCount(0)));
        assert_eq!(of(0xFB, &[7]), Err(FrameCount(7)));
        assert_eq!(of(0xE3, &[0xBF, 0, 0]), Err(FrameCount(63)));
        assert_eq!(of(0x1B, &[3]), Err(FrameCount(3)));
        assert_eq!(of(0xFB, &[0x41]), Err(Padding));
        assert_eq!(of(0xFB, &[0x41, 255, 255]), Err(Padding));
        assert_eq!(of(0xFB, &[0x41, 9, 1]), Err(Padding));
        assert_eq!(of(0xFB, &[2, 1]), Err(Uneven));
        assert_eq!(of(0xFB, &[0x82, 5, 1]), Err(Truncated));
        assert_eq!(of(0xFB, &[0x83, 1]), Err(Truncated));
    }

    proptest! {
        #[test]
        fn no_packet_is_longer_than_allowed(packet in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(framing) = parse(&packet) {
                prop_assert!((120..=SAMPLES_MAX).contains(&framing.samples));
                prop_assert!(matches!(framing.channels, 1 | 2));
            }
        }
    }
}
