//! An RTMP session after its handshake, and what follows it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingest::fuzzing::session(data));
