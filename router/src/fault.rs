//! How attempts fail, and what follows.

use serde::{Deserialize, Serialize};

/// What an attempt failed of. Each class has a rule of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// The segment can't be transcoded. Nobody's fault, until another orchestrator delivers it; tried
    /// on two orchestrators at most, then quarantined.
    Media,
    /// The orchestrator could not do its work.
    Orchestrator,
    /// The orchestrator returned something else than was asked for.
    WrongWork,
    /// The orchestrator returned a different picture than it was given. It is demoted for minutes.
    FalseWork,
    /// The connection failed.
    Network,
    /// It took longer than it may.
    Timeout,
    /// The session has not kept up with the segments before. Tolerated once.
    Busy,
    /// The orchestrator has no free session. No fault, and no attempt counted.
    Capacity,
    /// The orchestrator does not know the session (any more): the same one is tried with a new session.
    ExpiredSession,
    /// It asks for more than may be paid. It is left alone for a while, and no attempt counted.
    Price,
    /// Its terms of payment can't be used. It is set aside by this stream, and no attempt counted.
    Terms,
    /// Nothing may be paid now: a budget is used up, or whoever signs is not there. No orchestrator's
    /// fault, and no attempt counted: the pool's work that costs something waits a moment.
    Unpaid,
    /// Ours.
    Internal,
}

impl FaultClass {
    /// A bounded label for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Orchestrator => "orchestrator",
            Self::WrongWork => "wrong_work",
            Self::FalseWork => "false_work",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Capacity => "capacity",
            Self::ExpiredSession => "expired_session",
            Self::Price => "price",
            Self::Terms => "terms",
            Self::Unpaid => "unpaid",
            Self::Internal => "internal",
        }
    }

    /// Whether it tells against the orchestrator.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        match self {
            Self::Orchestrator
            | Self::WrongWork
            | Self::FalseWork
            | Self::Network
            | Self::Timeout => true,
            Self::Media
            | Self::Busy
            | Self::Capacity
            | Self::ExpiredSession
            | Self::Price
            | Self::Terms
            | Self::Unpaid
            | Self::Internal => false,
        }
    }
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFault {
    /// What follows from it.
    pub class: FaultClass,
    /// What happened, for people; clipped.
    pub detail: String,
}

impl AttemptFault {
    /// Longest detail kept, in bytes.
    const MAX_DETAIL: usize = 300;

    /// A fault with what is known about it.
    pub fn new(class: FaultClass, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > Self::MAX_DETAIL {
            let end = (0..=Self::MAX_DETAIL).rev().find(|at| detail.is_char_boundary(*at));
            detail.truncate(end.unwrap_or(0));
        }
        Self { class, detail }
    }
}

/// Why a question for a session got no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscoveryFault {
    /// The orchestrator is at capacity. Not a fault of its own.
    Capped,
    /// It can't do what the stream needs. Not a fault either.
    Incapable,
    /// No answer, a refusal, or one that can't be used.
    Failed,
}
