//! Media that stands for what a recording leaves out.

use std::sync::Arc;

use bytes::Bytes;
use media::{
    Chain, CodecParameters, H264Parameters, InitSegment, MediaDuration, Part, Sample, Timescale,
    Track, TrackId, TrackSegment,
};

/// A video track with one picture.
pub(super) fn video() -> TrackSegment {
    let parameters = CodecParameters::H264(Arc::new(H264Parameters {
        sps: Vec::new(),
        pps: Vec::new(),
        profile_level: [0; 3],
        width: 0,
        height: 0,
        sample_aspect_ratio: (1, 1),
        frame_rate: None,
        may_reorder: false,
    }));
    let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
    let init = Arc::new(InitSegment { track, bytes: Bytes::new() });
    let payload = Chain::from(Bytes::new());
    let sample = Sample { duration: 1, composition_offset: 0, sync: true, payload };
    let duration = MediaDuration::new(1, Timescale::VIDEO);
    let part = Part { duration, independent: true, body: Chain::from(Bytes::new()) };
    TrackSegment { init, base_decode_time: 0, samples: vec![sample], parts: vec![part] }
}
