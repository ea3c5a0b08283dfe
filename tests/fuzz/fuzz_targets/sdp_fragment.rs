//! SDP fragments of WebRTC clients.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peers::fuzzing::fragment(data));
