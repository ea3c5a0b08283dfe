//! Why an orchestrator was not considered.

use serde::{Deserialize, Serialize};

/// Why a candidate was not considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// The stream has no session with it, and did not ask for one: it has enough.
    NotAsked,
    /// Its answer to the question for a session is awaited.
    Asked,
    /// It failed this stream, and is left alone for a while.
    SetAside,
    /// It failed, and no stream uses it for a while.
    BreakerOpen,
    /// It returned false work.
    Demoted,
    /// It has no free session.
    Capped,
    /// It asks for more than its pool allows.
    Price,
    /// It costs something, and what its pool allows isn't known now.
    PriceUnknown,
    /// It costs something, and its pool's work may not be paid for now.
    Unpaid,
    /// It can't do what the stream needs: decode its source, or make its renditions.
    Incapable,
    /// As many segments of this stream, or of all, are in flight on it as may be.
    InFlight,
    /// Streams that wait longer come first.
    OthersWait,
    /// It already works on this segment.
    Working,
    /// It has failed this segment.
    Tried,
}
