//! What viewers see while a publisher is away: the last picture, or a slate, and silence.
//!
//! A stream remembers what it showed (`shown.rs`), asks for filler when its publisher has gone
//! ([`StreamFiller`]), and hands it to its segmenter. Making it takes FFmpeg, and so a worker process
//! ([`FillerWorkers`]); silence takes none. Where there is no filler, or not yet, stand-ins are gaps.

#[cfg(feature = "local")]
mod coded;
#[cfg(test)]
mod departure_tests;
mod shown;
#[cfg(feature = "local")]
mod slates;
mod stream_filler;
#[cfg(test)]
mod tests;
#[cfg(feature = "local")]
mod workers;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use media::{Chain, InitSegment, RenditionName};
use router::BoxFuture;
use segmenter::Filler;

pub(crate) use self::stream_filler::StreamFiller;
#[cfg(feature = "local")]
pub(crate) use self::workers::FillerWorkers;

/// What makes filler.
pub(crate) trait FillerMaking: fmt::Debug + Send + Sync {
    /// Makes what is ordered, as far as that is possible.
    ///
    /// # Errors
    /// When it is not possible at all.
    fn make(&self, order: FillerOrder) -> BoxFuture<'static, Result<Filler, NoFiller>>;
}

/// Why there is no filler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "local", test)), expect(dead_code, reason = "only workers say it"))]
pub(crate) enum NoFiller {
    /// It may be possible a little later.
    Now,
    /// Another try would end like this one.
    Ever,
}

/// What a stream's filler has to show.
#[derive(Debug)]
#[cfg_attr(not(feature = "local"), expect(dead_code, reason = "only workers look into it"))]
pub(crate) struct FillerOrder {
    /// The segments whose last picture is to be shown, in one file; begins with a key frame.
    pub(crate) last: Chain,
    /// An image instead.
    pub(crate) slate: Option<PathBuf>,
    /// The video renditions.
    pub(crate) pictures: Vec<PictureOrder>,
    /// How long a stand-in is.
    pub(crate) length: Duration,
    /// What needs no making: silence.
    pub(crate) silence: Filler,
}

/// One video rendition, as viewers have it.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "local"), expect(dead_code, reason = "only workers look into it"))]
pub(crate) struct PictureOrder {
    /// Its name; `None`: the source.
    pub(crate) name: Option<RenditionName>,
    /// The header it had.
    pub(crate) init: Arc<InitSegment>,
    /// Bits per second it had.
    pub(crate) bitrate: u32,
}
