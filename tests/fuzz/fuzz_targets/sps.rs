//! H.264 sequence parameter sets.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::sps(data));
