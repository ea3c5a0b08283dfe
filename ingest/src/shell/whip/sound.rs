//! The port through which a publisher's Opus becomes AAC.

use std::sync::Arc;

use bytes::Bytes;
use media::AacParameters;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

/// A packet of Opus, or a frame of AAC.
#[derive(Clone, Debug)]
pub struct Sound {
    /// When it begins, in samples at 48 kHz.
    pub pts: i64,
    /// Its bytes.
    pub payload: Bytes,
}

/// One publisher's way through an encoder. Dropping it ends the encoder.
#[derive(Debug)]
pub struct SoundLine {
    /// What comes out.
    pub parameters: Arc<AacParameters>,
    /// Where Opus goes in. Nobody waits for room: packets that have none are lost, which is heard as
    /// silence.
    pub packets: mpsc::Sender<Sound>,
    /// Where AAC comes out, in order, each frame where the last one ended but for holes in time.
    pub frames: mpsc::Receiver<Sound>,
}

/// Makes AAC of publishers' Opus. The root implements it.
pub trait SoundEncoding: Send + Sync + 'static {
    /// Begins with one publisher. `lost` counts the frames that are dropped because nobody takes them in
    /// time; packets that find no room are counted by who hands them in.
    fn begin(&self, lost: Counter) -> SoundLine;
}

/// The next frame; never, where there is no line, or where it has ended.
pub(super) async fn next_frame(line: &mut Option<SoundLine>) -> Sound {
    if let Some(open) = line
        && let Some(frame) = open.frames.recv().await
    {
        return frame;
    }
    std::future::pending().await
}
