//! FFmpeg workers behind the port.

use codec::{FaultCause, Gop, OutputContainer, TranscodeJob, TranscodeJobError, WorkerPool};
use futures_util::future::BoxFuture;
use tracing::debug;

use super::{
    EncodeProfile, EncodedRendition, GopLength, TranscodeFailure, TranscodeRequest, Transcoder,
};
use crate::{MediaFault, OutputFormat};

impl Transcoder for WorkerPool {
    fn transcode(
        &self,
        request: TranscodeRequest,
    ) -> BoxFuture<'_, Result<Vec<EncodedRendition>, TranscodeFailure>> {
        Box::pin(async move {
            let output = Self::transcode(self, job(request)).await.map_err(failure)?;
            let renditions = output.renditions.into_iter();
            Ok(renditions
                .map(|codec::EncodedRendition { data, pixels, .. }| EncodedRendition {
                    data,
                    pixels,
                })
                .collect())
        })
    }
}

fn job(request: TranscodeRequest) -> TranscodeJob {
    let output = match request.output {
        OutputFormat::MpegTs => OutputContainer::MpegTs,
        OutputFormat::Mp4 => OutputContainer::Mp4,
    };
    let renditions = request.profiles.into_iter().map(profile).collect();
    TranscodeJob { input: request.input, renditions, output }
}

fn profile(profile: EncodeProfile) -> codec::EncodeProfile {
    let EncodeProfile { name, width, height, bitrate, frame_rate, h264_profile, gop } = profile;
    let gop = match gop {
        GopLength::Default => Gop::Segment,
        GopLength::IntraOnly => Gop::IntraOnly,
        GopLength::Every(interval) => Gop::Every(interval),
    };
    codec::EncodeProfile { name, width, height, bitrate, frame_rate, h264_profile, gop }
}

fn failure(error: TranscodeJobError) -> TranscodeFailure {
    use TranscodeJobError::{Busy, Fault, ShuttingDown, Start};

    if let Fault(fault) = &error {
        debug!(cause = %fault, detail = fault.detail(), "segment refused by the transcoder");
        fault_failure(fault.cause)
    } else if matches!(error, Busy { .. } | Start(_) | ShuttingDown) {
        TranscodeFailure::Unavailable
    } else {
        TranscodeFailure::Failed(error.to_string())
    }
}

fn fault_failure(cause: FaultCause) -> TranscodeFailure {
    use FaultCause::{
        DecoderNotFound, EncoderNotFound, InvalidData, MuxerNotFound, OptionNotFound,
    };

    // The machine lacks something another orchestrator may have; the network's text for it would
    // make gateways give the segment up.
    if matches!(cause, DecoderNotFound | EncoderNotFound | MuxerNotFound | OptionNotFound) {
        return TranscodeFailure::Unavailable;
    }
    // The bytes are what the gateway meant to send, their hash says so: nobody else will read them.
    if cause == InvalidData {
        return TranscodeFailure::Media(MediaFault::INVALID_VIDEO);
    }
    let text = cause.to_string();
    MediaFault::find(&text).map_or_else(|| TranscodeFailure::Failed(text), TranscodeFailure::Media)
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use super::*;

    #[test]
    fn only_faults_of_the_segment_keep_gateways_from_trying_elsewhere() {
        use TranscodeFailure::{Failed, Media, Unavailable};

        let no_keyframe = fault_failure(FaultCause::NoKeyframes);
        assert_eq!(no_keyframe, Media(MediaFault::NO_KEYFRAME));
        assert_eq!(fault_failure(FaultCause::InvalidData), Media(MediaFault::INVALID_VIDEO));
        assert_eq!(fault_failure(FaultCause::EncoderNotFound), Unavailable);
        assert!(matches!(fault_failure(FaultCause::Other), Failed(_)));
        let started = failure(TranscodeJobError::Start(io::Error::other("no program")));
        assert_eq!(started, Unavailable);
        for error in [
            TranscodeJobError::WorkerDied { status: "killed by signal 11".into() },
            TranscodeJobError::TimedOut { after: Duration::from_secs(1) },
        ] {
            let Failed(text) = failure(error) else { panic!("another may do better") };
            assert_eq!(MediaFault::find(&text), None);
        }
    }
}
