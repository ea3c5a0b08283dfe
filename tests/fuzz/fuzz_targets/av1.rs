//! Configuration records and temporal units of AV1.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::av1(data));
