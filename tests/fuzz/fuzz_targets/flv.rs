//! FLV video and audio bodies.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::flv(data));
