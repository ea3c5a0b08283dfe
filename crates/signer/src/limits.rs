//! What a signer signs at most.

use tickets::U256;

/// Limits of a signer, in wei of expected value. `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningLimits {
    /// Of one ticket. Default 3 × 10^12, as the network's senders.
    pub ticket_ev: U256,
    /// Of one call. Default 20 × 10^12, as the network's senders.
    pub call_ev: U256,
    /// What one winning ticket may pay; a deposit must cover it.
    pub face_value: Option<U256>,
    /// Within 60 minutes.
    pub hour: Option<U256>,
    /// Within 24 hours.
    pub day: Option<U256>,
    /// For one stream, within 24 hours.
    pub stream: Option<U256>,
    /// In all, since the data directory is new.
    pub total: Option<U256>,
}

impl Default for SigningLimits {
    fn default() -> Self {
        Self {
            ticket_ev: U256::from(3_000_000_000_000_u64),
            call_ev: U256::from(20_000_000_000_000_u64),
            face_value: None,
            hour: None,
            day: None,
            stream: None,
            total: None,
        }
    }
}

/// A limit on what is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpendLimit {
    /// Within 60 minutes.
    Hour,
    /// Within 24 hours.
    Day,
    /// For one stream, within 24 hours.
    Stream,
    /// In all.
    Total,
}

impl SpendLimit {
    /// As answers and audits spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Stream => "stream",
            Self::Total => "total",
        }
    }
}
