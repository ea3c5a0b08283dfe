//! Opus outside of its sound: identification headers and the first byte of packets (RFC 7845 §5.1, RFC
//! 6716 §3.1).

mod silence;

use bytes::Bytes;
use media::OpusParameters;
use thiserror::Error;

pub use silence::silent_packet;

/// First bytes of an identification header.
const MAGIC: &[u8; 8] = b"OpusHead";
/// Of an identification header without a mapping table.
const HEADER_LEN: usize = 19;
/// Samples a decoder throws away where no header says: 80 ms (RFC 7845 §4.2 asks for that much).
const USUAL_PRE_SKIP: u16 = 3_840;
/// Longest packet: 120 ms at 48 kHz.
const MAX_PACKET_SAMPLES: u32 = 5_760;

/// Why Opus bytes can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpusError {
    /// An identification header that ends too early, or does not begin as one.
    #[error("no Opus identification header in {len} bytes")]
    Header {
        /// Bytes there are.
        len: usize,
    },
    /// A version of the header whose layout is not known.
    #[error("Opus header version {version}")]
    Version {
        /// The version.
        version: u8,
    },
    /// More than two channels: their streams are not told apart here.
    #[error("Opus with {channels} channels, mapping family {family}, is not supported")]
    Channels {
        /// Output channels.
        channels: u8,
        /// How they are mapped.
        family: u8,
    },
    /// A packet that lasts no time, or longer than 120 ms.
    #[error("Opus packet of {samples} samples")]
    PacketDuration {
        /// Its length, at 48 kHz.
        samples: u32,
    },
}

/// What an identification header says, with the first packet, which says how long packets are. An empty
/// header is allowed in Enhanced RTMP: then the packet tells mono from stereo.
///
/// # Errors
///
/// `Header`, `Version`, `Channels`, `PacketDuration`.
pub fn parse_parameters(header: &[u8], packet: &[u8]) -> Result<OpusParameters, OpusError> {
    let packet_samples = packet_samples(packet)?;
    if header.is_empty() {
        let stereo = packet.first().is_some_and(|toc| toc & 0x04 != 0);
        return Ok(OpusParameters {
            channels: if stereo { 2 } else { 1 },
            pre_skip: USUAL_PRE_SKIP,
            input_sample_rate: OpusParameters::SAMPLING_RATE,
            output_gain: 0,
            packet_samples,
        });
    }
    let short = OpusError::Header { len: header.len() };
    let Some(
        &[
            m0,
            m1,
            m2,
            m3,
            m4,
            m5,
            m6,
            m7,
            version,
            channels,
            p0,
            p1,
            r0,
            r1,
            r2,
            r3,
            g0,
            g1,
            family,
        ],
    ) = header.first_chunk::<HEADER_LEN>()
    else {
        return Err(short);
    };
    if [m0, m1, m2, m3, m4, m5, m6, m7] != *MAGIC {
        return Err(short);
    }
    // The upper half of the version tells of changes in the layout.
    if version >> 4 != 0 {
        return Err(OpusError::Version { version });
    }
    if family != 0 || !(1..=2).contains(&channels) {
        return Err(OpusError::Channels { channels, family });
    }
    Ok(OpusParameters {
        channels,
        pre_skip: u16::from_le_bytes([p0, p1]),
        input_sample_rate: u32::from_le_bytes([r0, r1, r2, r3]),
        output_gain: i16::from_le_bytes([g0, g1]),
        packet_samples,
    })
}

/// How long a packet sounds, in samples at 48 kHz (RFC 6716 §3.1, §3.2).
///
/// # Errors
///
/// `PacketDuration`.
pub fn packet_samples(packet: &[u8]) -> Result<u32, OpusError> {
    let &toc = packet.first().ok_or(OpusError::PacketDuration { samples: 0 })?;
    let configuration = toc >> 3;
    let frame = match configuration {
        0..=11 => [480, 960, 1_920, 2_880].get(usize::from(configuration & 3)),
        12..=15 => [480, 960].get(usize::from(configuration & 1)),
        _ => [120, 240, 480, 960].get(usize::from(configuration & 3)),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).copied().unwrap_or(0) & 0x3F),
    };
    let samples = frame.copied().unwrap_or(0) * frames;
    if samples == 0 || samples > MAX_PACKET_SAMPLES {
        return Err(OpusError::PacketDuration { samples });
    }
    Ok(samples)
}

pub(crate) fn fuzz_header(header: &Bytes) {
    if let Ok(read) = parse_parameters(header, &[0xFC]) {
        assert!((1..=2).contains(&read.channels), "mono or stereo");
    }
}

pub(crate) fn fuzz_packet(packet: &Bytes) {
    if let Ok(samples) = packet_samples(packet) {
        assert!((120..=MAX_PACKET_SAMPLES).contains(&samples), "2.5 to 120 ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stereo, pre-skip 312, 48 kHz, as libopus has it.
    const HEADER: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";

    #[test]
    fn headers_say_channels_and_pre_skip() {
        let read = parse_parameters(HEADER, &[0xFC]).unwrap();
        assert_eq!((read.channels, read.pre_skip, read.input_sample_rate), (2, 312, 48_000));
        assert_eq!(read.packet_samples, 960);
        let bare = parse_parameters(&[], &[0xF8]).unwrap();
        assert_eq!((bare.channels, bare.packet_samples), (1, 960));
        assert_eq!(parse_parameters(&[], &[0xFC]).unwrap().channels, 2);
    }

    #[test]
    fn what_is_no_header_of_one_stream_is_refused() {
        let read = |header: &[u8]| parse_parameters(header, &[0xFC]).unwrap_err();
        assert_eq!(read(&HEADER[..18]), OpusError::Header { len: 18 });
        assert_eq!(read(&[b"OpusTags", &HEADER[8..]].concat()), OpusError::Header { len: 19 });
        let mut surround = HEADER.to_vec();
        (surround[9], surround[18]) = (6, 1);
        assert_eq!(read(&surround), OpusError::Channels { channels: 6, family: 1 });
        let mut later = HEADER.to_vec();
        later[8] = 0x10;
        assert_eq!(read(&later), OpusError::Version { version: 16 });
    }

    #[test]
    fn packets_last_what_their_first_byte_says() {
        // SILK 60 ms, hybrid 10 ms twice, CELT 2.5 ms, and 48 of those.
        for (packet, samples) in
            [(&[0x18_u8][..], 2_880), (&[0x61], 960), (&[0x80], 120), (&[0x83, 48], 5_760)]
        {
            assert_eq!(packet_samples(packet), Ok(samples));
        }
        assert_eq!(packet_samples(&[]), Err(OpusError::PacketDuration { samples: 0 }));
        assert_eq!(packet_samples(&[0x9B, 0]), Err(OpusError::PacketDuration { samples: 0 }));
        assert_eq!(packet_samples(&[0x9B, 63]), Err(OpusError::PacketDuration { samples: 60_480 }));
    }
}
