//! RTP packets of a simulcast, by their header extensions.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peers::fuzzing::media(data));
