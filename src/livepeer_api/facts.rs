//! What the gateway tells of itself: the port that the composition root fills.

use std::{fmt::Debug, num::NonZeroU32, time::Duration};

use media::{Ladder, RenditionName, StreamName};
use orchestrator::{OrchestratorAddress, PixelPrice};

/// What the endpoints show and set.
pub trait GatewayFacts: Debug + Send + Sync + 'static {
    /// The live streams, the newest last.
    fn streams(&self) -> Vec<StreamFacts>;

    /// The orchestrators that work can go to, whatever the source of their list.
    fn orchestrators(&self) -> Vec<OrchestratorFacts>;

    /// The ladder of streams that have none of their own; `None`: it is fitted to each source.
    fn ladder(&self) -> Option<Ladder>;

    /// The most that is paid; `None`: any price.
    fn max_price(&self) -> Option<PixelPrice>;

    /// How much is logged, as go-livepeer counts: 0 to 3 is for operators, 6 is everything.
    fn log_level(&self) -> u8;

    /// Who pays orchestrators; `None`: nothing is paid.
    fn payer(&self) -> Option<PayerFacts>;

    /// Streams that start from now on, and have no ladder of their own, get this one.
    fn set_ladder(&self, ladder: Ladder);

    /// From now on no more than this is paid; `None`: any price.
    ///
    /// # Errors
    /// When the gateway can't change it.
    fn set_max_price(&self, price: Option<PixelPrice>) -> Result<(), SettingRefused>;

    /// From now on no more streams than these may be live. Those that are go on.
    fn set_streams_max(&self, streams: NonZeroU32);
}

/// Why a setting stays as it is, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingRefused(pub String);

/// A live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    /// Its name in playback URLs.
    pub manifest: StreamName,
    /// The name in the URL it is pushed to, where that is another.
    pub pushed_as: Option<String>,
    /// Its renditions, the source first.
    pub renditions: Vec<RenditionFacts>,
    /// Bytes of closed segments of the source.
    pub source_bytes: u64,
    /// Bytes of renditions that orchestrators have delivered.
    pub transcoded_bytes: u64,
}

/// A variant of a live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionFacts {
    /// Its name; `None`: the source.
    pub name: Option<RenditionName>,
    /// Width and height in pixels; `None`: not known, or no picture.
    pub size: Option<(u32, u32)>,
    /// Peak bit/s, as playlists state it.
    pub bandwidth: u32,
}

/// An orchestrator that work can go to.
#[derive(Clone, Debug, PartialEq)]
pub struct OrchestratorFacts {
    /// Where it listens.
    pub address: OrchestratorAddress,
    /// How much its list prefers it, from 0 to 1; 1 for one that the operator configured.
    pub score: f32,
    /// How long it took to answer when it was asked last.
    pub latency: Option<Duration>,
    /// What it asks for its work, where it has told.
    pub price: Option<PixelPrice>,
    /// Whether it may get work now.
    pub active: bool,
}

/// Who pays orchestrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayerFacts {
    /// The account, as `0x` and 40 hex digits.
    pub address: String,
    /// The chain that is followed; `None`: none is.
    pub chain_id: Option<u64>,
    /// What the account has in the payment contract, where that is known.
    pub funds: Option<PayerFunds>,
    /// Why the chain can't be followed now.
    pub fault: Option<String>,
}

/// What an account has in the payment contract; all are whole numbers in decimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayerFunds {
    /// Wei that winning tickets are paid from.
    pub deposit: String,
    /// Wei that guarantee the rest.
    pub reserve: String,
    /// Round from which on both can be withdrawn; zero while they are locked.
    pub withdraw_round: String,
}
