//! FLV bodies under the extended header of Enhanced RTMP, and what they carry.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fuzzing::enhanced_rtmp(data));
