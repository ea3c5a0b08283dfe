//! Calls and pools in the form that is kept.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use media::{
    H264Profile, Ladder, MediaDuration, ReadyMade, RenditionName, RenditionProfile, Segment,
    SequenceNumber, Timescale, Timestamp, TrackKind, TrackSegment, VideoCodec,
};
use orchestrator::{BodyContainer, PixelPrice};
use serde::{Deserialize, Serialize};

use super::placeholder;
use crate::{
    attempt::{AttemptId, Delivery},
    call::Call,
    decision::{AttemptFacts, PaymentFacts},
    fault::{AttemptFault, DiscoveryFault},
    memory::RememberedOrchestrator,
    pool::{ConfiguredOrchestrator, Pool, PoolName, Pools},
    price::PriceCap,
    session::{SessionId, SessionOffer},
};

/// A call without its media. Times are nanoseconds from the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordedCall {
    Ladder(Vec<(String, u32, u32, u32)>),
    TargetDuration(Duration),
    /// The codec's name.
    Source(String),
    Push(RecordedSegment),
    Offer {
        session: u64,
        refresh: Option<u64>,
        price: Option<PixelPrice>,
        round_trip: Option<Duration>,
    },
    NoOffer {
        session: u64,
        fault: DiscoveryFault,
    },
    Paid {
        attempt: u64,
        facts: Option<PaymentFacts>,
    },
    Delivered {
        attempt: u64,
        renditions: usize,
        price: Option<PixelPrice>,
        check_micros: u64,
    },
    Failed {
        attempt: u64,
        fault: AttemptFault,
    },
    Timeout,
    Finish,
    Abandon,
}

/// What choices depend on in a segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordedSegment {
    sequence: u64,
    discontinuity: bool,
    independent: bool,
    ticks: u64,
    timescale: u32,
    pictures: bool,
    /// There is no picture of the source, but other media.
    sound: bool,
    /// Renditions that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ready_made: Vec<RecordedReadyMade>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    filler: bool,
    closed: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RecordedReadyMade {
    name: String,
    /// It has pictures that can be transcoded.
    pictures: bool,
}

impl RecordedCall {
    pub(super) fn new(call: &Call, nanos: impl Fn(Instant) -> u64) -> Self {
        match call {
            Call::SetLadder(ladder) => {
                let rung =
                    |it: &RenditionProfile| (it.name.to_string(), it.width, it.height, it.bitrate);
                Self::Ladder(ladder.profiles().iter().map(rung).collect())
            }
            Call::SetTargetDuration(target) => Self::TargetDuration(*target),
            Call::SetSource(codec) => Self::Source(codec.as_str().to_owned()),
            Call::Push(segment) => Self::Push(RecordedSegment::new(segment, nanos(segment.closed))),
            Call::Discovered(session, Ok(offer)) => Self::Offer {
                session: session.0,
                refresh: offer.refresh.map(nanos),
                price: offer.price,
                round_trip: offer.round_trip,
            },
            Call::Discovered(session, Err(fault)) => {
                Self::NoOffer { session: session.0, fault: *fault }
            }
            Call::Paid(id, facts) => Self::Paid { attempt: id.0, facts: facts.clone() },
            Call::Attempt(id, Ok(delivery)) => Self::Delivered {
                attempt: id.0,
                renditions: delivery.media.len(),
                price: delivery.price,
                check_micros: delivery.facts.check_micros,
            },
            Call::Attempt(id, Err(fault)) => Self::Failed { attempt: id.0, fault: fault.clone() },
            Call::Timeout => Self::Timeout,
            Call::Finish => Self::Finish,
            Call::Abandon => Self::Abandon,
        }
    }

    pub(super) fn restore(self, origin: Instant) -> Option<Call> {
        let instant = |nanos: u64| origin + Duration::from_nanos(nanos);
        Some(match self {
            Self::Ladder(rungs) => Call::SetLadder(Arc::new(ladder(rungs)?)),
            Self::TargetDuration(target) => Call::SetTargetDuration(target),
            Self::Source(name) => Call::SetSource(source(&name)?),
            Self::Push(segment) => {
                let closed = instant(segment.closed);
                Call::Push(Arc::new(segment.restore(closed)?))
            }
            Self::Offer { session, refresh, price, round_trip } => {
                let offer = SessionOffer { refresh: refresh.map(instant), price, round_trip };
                Call::Discovered(SessionId(session), Ok(offer))
            }
            Self::NoOffer { session, fault } => Call::Discovered(SessionId(session), Err(fault)),
            Self::Paid { attempt, facts } => Call::Paid(AttemptId(attempt), facts),
            Self::Delivered { attempt, renditions, price, check_micros } => {
                // A ladder has at most a dozen rungs, whatever the file says.
                let media = (0..renditions.min(64)).map(|_| placeholder::video()).collect();
                let facts = AttemptFacts { check_micros, ..AttemptFacts::default() };
                let delivery = Delivery { media, price, facts };
                Call::Attempt(AttemptId(attempt), Ok(delivery))
            }
            Self::Failed { attempt, fault } => Call::Attempt(AttemptId(attempt), Err(fault)),
            Self::Timeout => Call::Timeout,
            Self::Finish => Call::Finish,
            Self::Abandon => Call::Abandon,
        })
    }
}

fn source(name: &str) -> Option<VideoCodec> {
    let all = [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1];
    all.into_iter().find(|codec| codec.as_str() == name)
}

fn ladder(rungs: Vec<(String, u32, u32, u32)>) -> Option<Ladder> {
    let rung = |(name, width, height, bitrate): (String, u32, u32, u32)| {
        Some(RenditionProfile {
            name: RenditionName::new(&name).ok()?,
            width,
            height,
            bitrate,
            frame_rate: None,
            h264_profile: H264Profile::EncoderDefault,
        })
    };
    Ladder::new(rungs.into_iter().map(rung).collect::<Option<Vec<_>>>()?).ok()
}

impl RecordedSegment {
    fn new(segment: &Segment, closed: u64) -> Self {
        let pictures = |media: Option<&Arc<TrackSegment>>| media.is_some_and(|it| has_pictures(it));
        let ready_made = |it: &ReadyMade| RecordedReadyMade {
            name: it.name.to_string(),
            pictures: pictures(it.media.as_ref()),
        };
        Self {
            sequence: segment.sequence.0,
            discontinuity: segment.discontinuity,
            independent: segment.independent,
            ticks: segment.duration.ticks(),
            timescale: segment.duration.timescale().get(),
            pictures: pictures(segment.video.as_ref()),
            sound: !segment.is_gap(),
            ready_made: segment.ready_made.iter().map(ready_made).collect(),
            filler: segment.filler,
            closed,
        }
    }

    fn restore(self, closed: Instant) -> Option<Segment> {
        let media = Arc::new(placeholder::video());
        let ready_made = |it: RecordedReadyMade| {
            let name = RenditionName::parse(&it.name).ok()?;
            Some(ReadyMade { name, media: it.pictures.then(|| Arc::clone(&media)) })
        };
        let ready_made = self.ready_made.into_iter().map(ready_made).collect::<Option<_>>()?;
        Some(Segment {
            sequence: SequenceNumber(self.sequence),
            discontinuity: self.discontinuity,
            independent: self.independent,
            start: Timestamp::new(0, Timescale::VIDEO),
            duration: MediaDuration::new(self.ticks, Timescale::new(self.timescale)?),
            program_date_time: UNIX_EPOCH,
            video: self.pictures.then(|| Arc::clone(&media)),
            audio: (self.sound && !self.pictures).then_some(media),
            ready_made,
            filler: self.filler,
            closed,
        })
    }
}

/// Whether it is video with something in it.
fn has_pictures(media: &TrackSegment) -> bool {
    media.init.track.kind() == TrackKind::Video && !media.samples.is_empty()
}

/// Pools in the form that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordedPools {
    region: Option<String>,
    pools: Vec<RecordedPool>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RecordedPool {
    name: PoolName,
    orchestrators: Vec<RecordedOrchestrator>,
    most: Option<PixelPrice>,
    allows_absent: bool,
    #[serde(default)]
    unknown: bool,
    deny: BTreeSet<String>,
    allow: BTreeSet<String>,
    only_if_named: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RecordedOrchestrator {
    address: String,
    cmaf: bool,
    weight: u32,
    region: Option<String>,
    in_flight: u32,
    trusted: bool,
    checked: bool,
}

impl From<&Pools> for RecordedPools {
    fn from(pools: &Pools) -> Self {
        let orchestrator = |it: &ConfiguredOrchestrator| RecordedOrchestrator {
            address: it.address.to_string(),
            cmaf: it.container == BodyContainer::Cmaf,
            weight: it.weight,
            region: it.region.clone(),
            in_flight: it.in_flight,
            trusted: it.trusted,
            checked: it.checked,
        };
        let pool = |it: &Pool| RecordedPool {
            name: it.name.clone(),
            orchestrators: it.orchestrators.iter().map(orchestrator).collect(),
            most: it.price_cap.most,
            allows_absent: it.price_cap.allows_absent,
            unknown: it.price_cap.unknown,
            deny: it.deny.clone(),
            allow: it.allow.clone(),
            only_if_named: it.only_if_named,
        };
        Self { region: pools.region.clone(), pools: pools.pools.iter().map(pool).collect() }
    }
}

impl RecordedPools {
    pub(super) fn restore(self) -> Option<Pools> {
        let orchestrator = |it: RecordedOrchestrator| {
            Some(ConfiguredOrchestrator {
                address: it.address.parse().ok()?,
                container: if it.cmaf { BodyContainer::Cmaf } else { BodyContainer::MpegTs },
                weight: it.weight,
                region: it.region,
                in_flight: it.in_flight,
                trusted: it.trusted,
                checked: it.checked,
            })
        };
        let pool = |it: RecordedPool| {
            Some(Pool {
                name: it.name,
                orchestrators: it
                    .orchestrators
                    .into_iter()
                    .map(orchestrator)
                    .collect::<Option<_>>()?,
                price_cap: PriceCap {
                    most: it.most,
                    allows_absent: it.allows_absent,
                    unknown: it.unknown,
                },
                deny: it.deny,
                allow: it.allow,
                only_if_named: it.only_if_named,
            })
        };
        let pools = self.pools.into_iter().map(pool).collect::<Option<_>>()?;
        Some(Pools { pools, region: self.region })
    }
}

/// What was remembered about one orchestrator; a demotion as what is left of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordedMemory {
    address: String,
    latency_permille: u32,
    success_permille: u32,
    round_trip_micros: u32,
    demoted_for: Option<Duration>,
    offences: u32,
    /// How long before the start it was learned.
    age: Duration,
}

impl RecordedMemory {
    pub(super) fn new(learned: &RememberedOrchestrator, wall: SystemTime) -> Self {
        let until = learned.demoted_until;
        Self {
            address: learned.address.to_string(),
            latency_permille: learned.latency_permille,
            success_permille: learned.success_permille,
            round_trip_micros: learned.round_trip_micros,
            demoted_for: until.and_then(|until| until.duration_since(wall).ok()),
            offences: learned.offences,
            age: wall.duration_since(learned.learned).unwrap_or_default(),
        }
    }

    pub(super) fn restore(&self, wall: SystemTime) -> Option<RememberedOrchestrator> {
        Some(RememberedOrchestrator {
            address: self.address.parse().ok()?,
            latency_permille: self.latency_permille,
            success_permille: self.success_permille,
            round_trip_micros: self.round_trip_micros,
            demoted_until: self.demoted_for.map(|left| wall + left),
            offences: self.offences,
            learned: wall.checked_sub(self.age)?,
        })
    }
}
