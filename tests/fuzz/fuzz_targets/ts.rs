//! MPEG transport streams.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::ts(data));
