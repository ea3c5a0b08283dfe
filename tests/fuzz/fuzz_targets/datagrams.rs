//! Datagrams on the shared WebRTC port.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peers::fuzzing::routes(data));
