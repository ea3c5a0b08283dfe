//! What tests begin with.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use media::{CodecParameters, InitSegment, OpusParameters, Timescale, Track, TrackId};

/// An instant that many milliseconds after a fixed one.
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
pub(crate) fn instant(millis: u64) -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(|| Instant::now() + Duration::from_secs(3_600))
        + Duration::from_millis(millis)
}

/// A header of nothing.
pub(crate) fn init() -> Arc<InitSegment> {
    let parameters = CodecParameters::Opus(Arc::new(OpusParameters {
        channels: 2,
        pre_skip: 0,
        input_sample_rate: 48_000,
        output_gain: 0,
        packet_samples: 960,
    }));
    let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
    Arc::new(InitSegment { track, bytes: bytes::Bytes::new() })
}
