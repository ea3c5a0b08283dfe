//! Audio specific configurations and ADTS frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::asc(data));
