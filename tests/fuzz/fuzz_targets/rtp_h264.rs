//! RTP packets of an H.264 track.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rtp::fuzzing::rtp_h264(data));
