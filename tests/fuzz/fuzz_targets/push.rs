//! A pushed segment: path, header fields, body.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingest::fuzzing::push(data));
