//! Offers of WebRTC clients.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peers::fuzzing::offer(data));
