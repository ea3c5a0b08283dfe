//! Configuration records, parameter sets and access units of H.265.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::hevc(data));
