//! A frame of silence (ISO/IEC 14496-3 §4.4.2).

use bytes::Bytes;
use media::AacParameters;

use super::config;

/// `id_syn_ele` of each element.
const SINGLE: u32 = 0;
const PAIR: u32 = 1;
const LOW_FREQUENCY: u32 = 3;
const END: u32 = 7;

/// One raw frame that sounds like nothing, in whatever place of a stream. `None` where the configuration
/// names its channels in a program config element, or has more than eight.
#[must_use]
pub fn silent_frame(parameters: &AacParameters) -> Option<Bytes> {
    let read = config::read(&parameters.audio_specific_config).ok()?;
    // Table 1.19: the elements of each channel configuration.
    let elements: &[u32] = match read.channel_configuration {
        1 => &[SINGLE],
        2 => &[PAIR],
        3 => &[SINGLE, PAIR],
        4 => &[SINGLE, PAIR, SINGLE],
        5 => &[SINGLE, PAIR, PAIR],
        6 => &[SINGLE, PAIR, PAIR, LOW_FREQUENCY],
        7 => &[SINGLE, PAIR, PAIR, PAIR, LOW_FREQUENCY],
        _ => return None,
    };
    let mut bits = BitWriter::default();
    let mut tags = [0; 4];
    for element in elements {
        let tag = tags.get_mut(usize::try_from(*element).ok()?)?;
        bits.put(3, *element);
        bits.put(4, *tag);
        *tag += 1;
        if *element == PAIR {
            // common_window, then no mid/side stereo.
            bits.put(1, 1);
            bits.window();
            bits.put(2, 0);
            bits.channel();
            bits.channel();
        } else {
            bits.put(8, GLOBAL_GAIN);
            bits.window();
            bits.put(3, 0);
        }
    }
    bits.put(3, END);
    Some(bits.finish())
}

/// Any will do: there is no band to which it applies.
const GLOBAL_GAIN: u32 = 0;

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    fn put(&mut self, count: u32, value: u32) {
        for place in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = u8::from(value >> place & 1 == 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.used % 8);
            }
            self.used += 1;
        }
    }

    /// `ics_info`: one long window with a sine's shape, no bands, no prediction.
    fn window(&mut self) {
        self.put(1 + 2 + 1 + 6 + 1, 0);
    }

    /// `individual_channel_stream` in a pair with a common window: no pulses, no noise shaping, no gain
    /// control.
    fn channel(&mut self) {
        self.put(8, GLOBAL_GAIN);
        self.put(3, 0);
    }

    fn finish(self) -> Bytes {
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aac::parse_audio_specific_config;

    fn frame(config: &[u8]) -> Option<Bytes> {
        silent_frame(&parse_audio_specific_config(&Bytes::copy_from_slice(config)).unwrap())
    }

    #[test]
    fn mono_and_stereo_are_written_by_the_syntax() {
        // LC, 48 kHz. A single element has 29 bits and the end 3.
        assert_eq!(frame(&[0x11, 0x88]).unwrap()[..], [0, 0, 0, 0b0000_0111]);
        // 3 + 4 + 1 + 11 + 2 + 11 + 11 and the end.
        let stereo = frame(&[0x11, 0x90]).unwrap();
        assert_eq!(stereo[..], [0b0010_0001, 0, 0, 0, 0, 0b0001_1100]);
    }

    #[test]
    fn every_numbered_layout_has_one_and_others_have_none() {
        for (configuration, len) in [(3, 10), (4, 13), (5, 15), (6, 19), (7, 24)] {
            let second = 0x80 | configuration << 3;
            let len_of = frame(&[0x11, second]).unwrap().len();
            assert!(len_of.abs_diff(len) <= 1, "{configuration}: {len_of}");
        }
        // HE-AAC has its core's.
        assert!(frame(&[0x2b, 0x11, 0x88, 0x00]).is_some());
        let layout_by_element = AacParameters {
            audio_specific_config: Bytes::from_static(&[
                0x11, 0x80, 0x04, 0xC8, 0x44, 0, 0, 0, 0, 0, 0,
            ]),
            object_type: 2,
            sampling_rate: 48_000,
            channels: 2,
            frame_samples: 1_024,
        };
        assert_eq!(silent_frame(&layout_by_element), None);
    }
}
