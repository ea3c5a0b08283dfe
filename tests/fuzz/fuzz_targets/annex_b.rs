//! Annex B streams and length-prefixed access units.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::annex_b(data));
