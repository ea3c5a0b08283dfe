//! The record's labels in an operator's words.

use router::{Candidate, FaultClass, Rejection, Standing};

/// What a segment came to, by the label of its outcome.
pub(super) fn outcome(label: &str) -> String {
    let words = match label {
        "complete" => "every rendition is there",
        "source_only" => "source only: nothing was to be transcoded",
        "filler" => "filler: the publisher was away, nothing was sent out and nothing paid",
        "publisher_away" => "a gap: the publisher was away",
        "not_transcodable" => {
            "source only, renditions are gaps: it has no video, or does not begin with a key frame"
        }
        "deadline" => {
            "source only, renditions are gaps: no orchestrator had delivered when it had to be listed"
        }
        "attempts_failed" => "source only, renditions are gaps: every attempt failed",
        "no_decoder" => {
            "source only, renditions are gaps: no orchestrator of the stream decodes its codec"
        }
        "no_orchestrator" => "source only, renditions are gaps: no orchestrator could take it",
        "quarantined" => {
            "source only, renditions are gaps: two orchestrators say that it can't be transcoded"
        }
        "fleet_full" => {
            "source only, renditions are gaps: every orchestrator is at work for others, and too many segments wait"
        }
        _ => "",
    };
    if words.is_empty() { label.replace('_', " ") } else { format!("{words} ({label})") }
}

/// Why a candidate was not considered.
pub(super) const fn rejection(reason: Rejection) -> &'static str {
    match reason {
        Rejection::NotAsked => "the stream has no session with it, and asked for none",
        Rejection::Asked => "it has not answered yet whether it takes the stream",
        Rejection::SetAside => "it failed this stream, which leaves it alone for a while",
        Rejection::BreakerOpen => "it failed, and all streams leave it alone for a while",
        Rejection::Demoted => "it returned false work, and gets none for minutes",
        Rejection::Capped => "it has no free session",
        Rejection::Price => "it asks for more than its pool allows",
        Rejection::PriceUnknown => {
            "it costs something, and what its pool allows isn't known: there is no price of an ether"
        }
        Rejection::Unpaid => "it costs something, and that may not be paid now",
        Rejection::Incapable => "it can't decode the source, or not make the renditions",
        Rejection::InFlight => "it has as many segments in flight as it may",
        Rejection::OthersWait => "other streams have waited for it longer",
        Rejection::Working => "it is at work on this segment already",
        Rejection::Tried => "it has failed this segment",
    }
}

/// How a candidate stood with all streams.
pub(super) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => "ready",
        Standing::Probation => "on probation after failures",
        Standing::Slow => "slower than usual",
        Standing::Silent => "without a sign of life",
        Standing::Open => "left alone after failures",
        Standing::Demoted => "demoted for false work",
    }
}

/// What an attempt failed of.
pub(super) const fn fault(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Media => "it says that the segment can't be transcoded",
        FaultClass::Orchestrator => "the orchestrator could not do it",
        FaultClass::WrongWork => "the orchestrator returned something else than was asked for",
        FaultClass::FalseWork => "the orchestrator returned another picture than it was given",
        FaultClass::Network => "the connection failed",
        FaultClass::Timeout => "no result in time",
        FaultClass::Busy => "the orchestrator is behind with the segments before",
        FaultClass::Capacity => "the orchestrator has no free session",
        FaultClass::ExpiredSession => "the orchestrator does not know the session any more",
        FaultClass::Price => "it asks for more than may be paid",
        FaultClass::Terms => "its terms of payment can't be used",
        FaultClass::Unpaid => "nothing may be paid now",
        FaultClass::Internal => "a fault of this gateway",
    }
}

/// Why one of a preferred pool did not get the segment.
pub(super) const fn passed_over(candidate: &Candidate) -> &'static str {
    match candidate.rejected {
        Some(reason) => rejection(reason),
        None if matches!(candidate.standing, Standing::Silent) => "it gives no sign of life",
        None if !candidate.in_time => "it would be late",
        None => "another was preferred",
    }
}
