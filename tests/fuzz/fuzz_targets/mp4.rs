//! MP4 files, fragmented and progressive.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::mp4(data));
