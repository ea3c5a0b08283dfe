//! A packet of silence (RFC 6716 §3).

use bytes::Bytes;
use media::OpusParameters;

/// Full band, CELT only: the configurations of 2.5, 5, 10 and 20 ms, the longest first.
const FRAMES: [(u32, u8); 4] = [(960, 31), (480, 30), (240, 29), (120, 28)];
/// A CELT frame whose first bit says that it is silent (§4.3).
const SILENT: [u8; 2] = [0xFF, 0xFE];
/// Most frames in a packet.
const MAX_FRAMES: u32 = 48;

/// One packet that sounds like nothing and lasts what the track's packets do. `None` for a length that no
/// packet has.
#[must_use]
pub fn silent_packet(parameters: &OpusParameters) -> Option<Bytes> {
    let samples = parameters.packet_samples;
    let (frame, configuration) =
        FRAMES.into_iter().find(|(frame, _)| samples > 0 && samples.is_multiple_of(*frame))?;
    let count = samples / frame;
    let stereo = u8::from(parameters.channels > 1);
    let toc = configuration << 3 | stereo << 2;
    let mut packet = match count {
        1 => vec![toc],
        // Any number of frames of one length.
        2..=MAX_FRAMES => vec![toc | 3, u8::try_from(count).ok()?],
        _ => return None,
    };
    (0..count).for_each(|_| packet.extend(SILENT));
    Some(packet.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opus::packet_samples;

    #[test]
    fn packets_last_as_long_as_those_they_stand_in_for() {
        for samples in [120, 240, 480, 960, 1_920, 2_880, 3_840, 4_800, 5_760] {
            for channels in [1, 2] {
                let parameters = OpusParameters {
                    channels,
                    pre_skip: 312,
                    input_sample_rate: 48_000,
                    output_gain: 0,
                    packet_samples: samples,
                };
                let packet = silent_packet(&parameters).unwrap();
                assert_eq!(packet_samples(&packet), Ok(samples));
                assert_eq!(packet[0] & 4 != 0, channels == 2);
                assert_eq!(
                    silent_packet(&OpusParameters { packet_samples: 121, ..parameters }),
                    None
                );
            }
        }
    }
}
