//! FLV messages of one publish, with any number of tracks.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingest::fuzzing::demux(data));
