//! What a stream's routing wakes for.

/// Why a [`Dispatcher`](crate::Dispatcher) wants to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A segment has to be listed.
    ReleaseDeadline,
    /// An attempt has used up its time.
    AttemptTimeout,
    /// An attempt takes longer than it should.
    Hedge,
    /// An orchestrator did not answer the question for a session.
    DiscoveryTimeout,
    /// An orchestrator that failed may be asked again.
    Rediscovery,
    /// What could not be paid may be paid again.
    UnpaidPause,
    /// A token has to be replaced.
    SessionRefresh,
}
