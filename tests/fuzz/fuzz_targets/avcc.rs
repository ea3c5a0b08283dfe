//! AVC decoder configuration records.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::avcc(data));
