//! The orchestrators one stream works with: who is asked, who is in use, who is set aside.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use media::VideoCodec;
use orchestrator::{BodyContainer, OrchestratorAddress, PixelPrice};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    back_off::BackOff,
    config::RouterConfig,
    fault::{DiscoveryFault, FaultClass},
    fleet::{Fleet, Passage},
    output::Output,
    pool::{ConfiguredOrchestrator, Member, PoolName, StreamPolicy},
    reason::Reason,
    session::{OrchestratorSession, Phase, SessionId, SessionOffer},
};

mod candidates;

pub(crate) use candidates::Excluded;

/// A session is not replaced sooner than this, whatever its token says: a clock that is off must not
/// have an orchestrator asked again and again.
const SHORTEST_SESSION: Duration = Duration::from_secs(1);
/// Attempts in a row that may come late before their session is dropped.
const LATE_ALLOWED: u32 = 2;

/// An orchestrator this stream may use, and what the stream learned about it.
#[derive(Debug)]
struct Contact {
    member: Member,
    back_off: BackOff,
    /// Sessions replaced in a row at the orchestrator's wish without a delivery in between.
    renewals: u32,
    /// Its returns that are known to this stream.
    returns: u32,
    /// Until when it gets no work because a payment to it was refused.
    unpaid_until: Option<Instant>,
}

impl Contact {
    fn address(&self) -> &OrchestratorAddress {
        &self.member.orchestrator.address
    }

    /// Whether what it is sent can hold such pictures: MPEG-TS has no AV1.
    fn carries(&self, source: VideoCodec) -> bool {
        match source {
            VideoCodec::H264 | VideoCodec::Hevc => true,
            VideoCodec::Av1 => self.member.orchestrator.container == BodyContainer::Cmaf,
        }
    }
}

/// Why an orchestrator is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    Fault,
    Capped,
    Incapable,
    PricedOut,
}

/// What the end of an attempt says about the session it ran on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It brought what was asked for.
    Delivered,
    /// It failed: drop the session, set the orchestrator aside.
    Fault,
    /// It is at capacity: drop the session, come back in a while.
    Capped,
    /// It asks too much: drop the session, come back later.
    PricedOut,
    /// Nobody pays for it: its pool waits a moment, where it costs something.
    Unpaid,
    /// The session is stale, the orchestrator is not to blame: get a new one at once.
    Renew,
    /// Slower than the publisher: tolerated once, then a fault.
    Late,
    /// Says nothing about the session.
    Innocent,
}

/// The orchestrators of one stream.
#[derive(Debug)]
pub(crate) struct Roster {
    config: Arc<RouterConfig>,
    policy: StreamPolicy,
    /// How the source's pictures are coded.
    source: VideoCodec,
    /// In the order of the stream's pools.
    contacts: Vec<Contact>,
    sessions: Vec<OrchestratorSession>,
    /// The session in use: the one that delivered last, or the first one sent to.
    current: Option<SessionId>,
    next_session: u64,
    rng: StdRng,
    pools_version: Option<u64>,
    /// Until when what costs something gets no work, by pool.
    unpaid: HashMap<PoolName, Instant>,
    /// The stream's latest segments were lost.
    losing: bool,
}

impl Roster {
    pub(crate) fn new(config: Arc<RouterConfig>, policy: StreamPolicy, seed: u64) -> Self {
        Self {
            config,
            policy,
            source: VideoCodec::default(),
            contacts: Vec::new(),
            sessions: Vec::new(),
            current: None,
            next_session: 0,
            rng: StdRng::seed_from_u64(seed),
            pools_version: None,
            unpaid: HashMap::new(),
            losing: false,
        }
    }

    /// What the stream wants.
    pub(crate) const fn policy(&self) -> &StreamPolicy {
        &self.policy
    }

    /// Sets how the source's pictures are coded; answers whether that is new. Sessions were asked for with
    /// the codec before in mind, and end with their attempts.
    pub(crate) fn set_source(&mut self, codec: VideoCodec, outputs: &mut VecDeque<Output>) -> bool {
        let changed = std::mem::replace(&mut self.source, codec) != codec;
        if changed {
            self.close(outputs);
            for contact in &mut self.contacts {
                contact.back_off.needs_changed();
            }
        }
        changed
    }

    /// Whether there are orchestrators, and none of them can decode the source.
    pub(crate) fn lacks_decoders(&self, now: Instant) -> bool {
        let incapable = |it: &Contact| !it.carries(self.source) || it.back_off.is_incapable(now);
        !self.contacts.is_empty() && self.contacts.iter().all(incapable)
    }

    /// Whether the stream may use no orchestrator at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.contacts.is_empty()
    }

    /// Whether a session takes segments, now or when one of its attempts ends.
    pub(crate) fn has_live(&self, now: Instant, fleet: &Fleet) -> bool {
        let open = |it: &&OrchestratorSession| {
            !matches!(fleet.passage(now, it.address(), false), Passage::Closed { .. })
                && self.contact(it.address()).is_none_or(|it| self.is_payable(now, fleet, it))
        };
        self.sessions.iter().filter(|it| it.is_live()).any(|it| open(&it))
    }

    /// Whether whoever could help is asked at once: no session takes segments, or those that do lose
    /// them.
    pub(crate) fn is_urgent(&self, now: Instant, fleet: &Fleet) -> bool {
        self.losing || !self.has_live(now, fleet)
    }

    /// Says whether the stream's latest segments were lost.
    pub(crate) const fn set_losing(&mut self, losing: bool) {
        self.losing = losing;
    }

    /// Every orchestrator the stream may use.
    pub(crate) fn orchestrators(&self) -> impl Iterator<Item = &ConfiguredOrchestrator> + '_ {
        self.contacts.iter().map(|contact| &*contact.member.orchestrator)
    }

    /// Those it has a session with.
    pub(crate) fn in_session(&self) -> impl Iterator<Item = &OrchestratorAddress> + '_ {
        self.sessions.iter().filter(|it| it.is_live()).map(OrchestratorSession::address)
    }

    /// Takes over the operator's pools, if they changed: sessions of those no longer in them, or too
    /// dear now, end with their attempts.
    pub(crate) fn follow_pools(&mut self, fleet: &Fleet, outputs: &mut VecDeque<Output>) {
        if self.pools_version == Some(fleet.pools_version()) {
            return;
        }
        self.pools_version = Some(fleet.pools_version());
        let mut known = std::mem::take(&mut self.contacts);
        let members = fleet.pools().members(&self.policy).into_iter();
        self.contacts = members
            .map(|member| {
                let same = |it: &Contact| *it.address() == member.orchestrator.address;
                let found = known.iter().position(same).map(|index| known.swap_remove(index));
                match found {
                    Some(mut contact) => {
                        if contact.member.price_cap != member.price_cap {
                            contact.back_off.cap_changed();
                        }
                        Contact { member, ..contact }
                    }
                    None => Contact {
                        returns: fleet.returns(&member.orchestrator.address),
                        member,
                        back_off: BackOff::default(),
                        renewals: 0,
                        unpaid_until: None,
                    },
                }
            })
            .collect();
        let gone: Vec<_> = self
            .sessions
            .iter()
            .filter(|session| !self.keeps(session, fleet))
            .map(|session| session.id)
            .collect();
        for id in gone {
            self.retire(id, outputs);
        }
    }

    fn keeps(&self, session: &OrchestratorSession, fleet: &Fleet) -> bool {
        self.contact(session.address()).is_some_and(|contact| {
            let price = fleet.view(contact.address()).price;
            let (wanted, used) = (&contact.member.orchestrator, &session.orchestrator);
            (wanted.container, wanted.trusted) == (used.container, used.trusted)
                && (session.is_discovering() || contact.member.price_cap.allows(price.as_ref()))
        })
    }

    /// Ends what is over, and asks for the sessions the stream needs. A token that could not be
    /// replaced in time is used on: the orchestrator says when it no longer likes it.
    pub(crate) fn maintain(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        wanted: bool,
        outputs: &mut VecDeque<Output>,
    ) {
        self.expire(now, fleet, outputs);
        self.leave_the_dear(now, fleet, outputs);
        self.welcome_back(fleet);
        if !wanted {
            return;
        }
        let urgent = self.is_urgent(now, fleet);
        let mut room = self.room(urgent);
        let mut preferred = self.room_of_the_first_pool(room);
        let mut due = Vec::new();
        for contact in &self.contacts {
            let open =
                !matches!(fleet.passage(now, contact.address(), urgent), Passage::Closed { .. });
            let able = contact.carries(self.source) && contact.back_off.is_over(now, urgent);
            if !able || !open {
                continue;
            }
            match self.engagement(contact) {
                Engagement::Idle if contact.member.rank == 0 => {
                    if preferred > 0 {
                        preferred -= 1;
                        room = room.saturating_sub(1);
                        due.push(Arc::clone(&contact.member.orchestrator));
                    }
                }
                Engagement::Idle if room > 0 => {
                    room -= 1;
                    due.push(Arc::clone(&contact.member.orchestrator));
                }
                Engagement::RefreshAt(refresh) if refresh <= now => {
                    due.push(Arc::clone(&contact.member.orchestrator));
                }
                Engagement::Idle | Engagement::RefreshAt(_) | Engagement::Busy => {}
            }
        }
        for orchestrator in due {
            fleet.asks(now, &orchestrator.address, self.config.discovery_timeout);
            self.discover(now, orchestrator, outputs);
        }
    }

    /// One that was gone and is there again is asked at once, whatever it did before.
    fn welcome_back(&mut self, fleet: &Fleet) {
        for contact in &mut self.contacts {
            let returns = fleet.returns(contact.address());
            if std::mem::replace(&mut contact.returns, returns) != returns {
                contact.back_off.forgive();
            }
        }
    }

    fn discover(
        &mut self,
        now: Instant,
        orchestrator: Arc<ConfiguredOrchestrator>,
        outputs: &mut VecDeque<Output>,
    ) {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.push(OrchestratorSession {
            id,
            orchestrator: Arc::clone(&orchestrator),
            phase: Phase::Discovering { give_up: now + self.config.discovery_timeout },
            in_flight: 0,
            used: false,
            epoch: 0,
            late: 0,
        });
        let source = self.source;
        outputs.push_back(Output::Discover { session: id, orchestrator, source });
    }

    /// Gives up questions that were not answered in time.
    fn expire(&mut self, now: Instant, fleet: &mut Fleet, outputs: &mut VecDeque<Output>) {
        let unanswered = |session: &&OrchestratorSession| matches!(session.phase, Phase::Discovering { give_up } if give_up <= now);
        let over: Vec<_> = self.sessions.iter().filter(unanswered).map(|it| it.id).collect();
        for id in over {
            self.unreachable(now, fleet, id, "no answer in time");
            self.retire(id, outputs);
        }
    }

    /// Gives up sessions with orchestrators that ask more by now than the stream's pool pays, whichever
    /// stream learned of it.
    fn leave_the_dear(&mut self, now: Instant, fleet: &Fleet, outputs: &mut VecDeque<Output>) {
        let live = self.sessions.iter().filter(|it| it.is_live());
        let dear = live.filter(|it| {
            let price = fleet.view(it.address()).price;
            !self.allows(it.address(), price.as_ref())
        });
        let dear: Vec<_> = dear.map(|it| (it.id, it.address().clone())).collect();
        for (id, address) in dear {
            self.leave(now, id, &address, Pause::PricedOut, outputs);
        }
    }

    /// Takes the answer to [`Output::Discover`]; false when nobody waits for it any more, or the offer
    /// is not taken.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        id: SessionId,
        answer: Result<SessionOffer, DiscoveryFault>,
        outputs: &mut VecDeque<Output>,
    ) -> bool {
        let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) else { return false };
        if !session.is_discovering() {
            return false;
        }
        let address = session.address().clone();
        match answer {
            Ok(offer) => {
                fleet.answered(now, &address, offer.round_trip, offer.price);
                if self.allows(&address, offer.price.as_ref()) {
                    self.take(now, id, &address, offer, outputs);
                    return true;
                }
                self.pause(now, &address, Pause::PricedOut);
            }
            Err(DiscoveryFault::Capped) => {
                fleet.answered(now, &address, None, fleet.view(&address).price);
                self.pause(now, &address, Pause::Capped);
            }
            Err(DiscoveryFault::Incapable) => {
                fleet.answered(now, &address, None, fleet.view(&address).price);
                self.pause(now, &address, Pause::Incapable);
            }
            Err(DiscoveryFault::Failed) => self.unreachable(now, fleet, id, "no session"),
        }
        self.sessions.retain(|it| it.id != id);
        false
    }

    /// Takes a session, in place of the one before with the same orchestrator.
    fn take(
        &mut self,
        now: Instant,
        id: SessionId,
        address: &OrchestratorAddress,
        offer: SessionOffer,
        outputs: &mut VecDeque<Output>,
    ) {
        if let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) {
            let refresh = offer.refresh.map(|at| at.max(now + SHORTEST_SESSION));
            session.phase = Phase::Live { refresh };
        }
        let before = self.sessions.iter().filter(|it| it.is_live() && it.id != id);
        let replaced = before.filter(|it| it.address() == address);
        for old in replaced.map(|it| it.id).collect::<Vec<_>>() {
            let was_current = self.current == Some(old);
            self.retire(old, outputs);
            if was_current {
                self.current = Some(id);
            }
        }
    }

    /// Whether the stream's pool pays this price.
    pub(crate) fn allows(&self, address: &OrchestratorAddress, price: Option<&PixelPrice>) -> bool {
        self.contact(address).is_some_and(|contact| contact.member.price_cap.allows(price))
    }

    /// Whether a session takes one more segment, as far as the stream's own limit goes.
    pub(crate) fn takes_more(&self, id: SessionId) -> bool {
        let session = self.sessions.iter().find(|it| it.id == id);
        session.is_some_and(|it| it.in_flight < self.config.in_flight_per_session)
    }

    /// Counts an attempt on a session; tells whether its encoder has to start anew.
    pub(crate) fn begin(&mut self, id: SessionId, epoch: u64) -> bool {
        let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) else { return false };
        session.in_flight += 1;
        let force_session_reinit = session.used && session.epoch != epoch;
        session.used = true;
        session.epoch = epoch;
        self.current.get_or_insert(id);
        force_session_reinit
    }

    /// Takes the end of an attempt on a session.
    pub(crate) fn ended(
        &mut self,
        now: Instant,
        id: SessionId,
        verdict: Verdict,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) else { return };
        session.in_flight = session.in_flight.saturating_sub(1);
        let (live, address) = (session.is_live(), session.address().clone());
        match verdict {
            Verdict::Delivered => {
                session.late = 0;
                if live {
                    self.current = Some(id);
                }
                if let Some(contact) = self.contact_mut(&address) {
                    contact.back_off.clear();
                    contact.renewals = 0;
                }
            }
            Verdict::Late => {
                session.late += 1;
                let dropped = session.late >= LATE_ALLOWED;
                self.current = self.current.filter(|it| *it != id);
                if live && dropped {
                    self.leave(now, id, &address, Pause::Fault, outputs);
                }
            }
            // Several attempts that fail with one session are one fault.
            Verdict::Fault if live => self.leave(now, id, &address, Pause::Fault, outputs),
            Verdict::Capped if live => self.leave(now, id, &address, Pause::Capped, outputs),
            Verdict::PricedOut if live => self.leave(now, id, &address, Pause::PricedOut, outputs),
            Verdict::Unpaid => self.pause_payments(now, &address),
            Verdict::Renew if live => {
                self.renew(now, &address);
                self.retire(id, outputs);
            }
            Verdict::Fault
            | Verdict::Capped
            | Verdict::PricedOut
            | Verdict::Renew
            | Verdict::Innocent => {}
        }
        self.sweep(id, outputs);
    }

    /// Takes no more segments on a session; it ends with its last attempt.
    fn retire(&mut self, id: SessionId, outputs: &mut VecDeque<Output>) {
        let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) else { return };
        if session.is_discovering() {
            outputs.push_back(Output::CancelDiscovery { session: id });
            self.sessions.retain(|it| it.id != id);
            return;
        }
        session.phase = Phase::Retiring;
        self.current = self.current.filter(|it| *it != id);
        self.sweep(id, outputs);
    }

    /// Ends a retiring session once nothing is in flight on it.
    fn sweep(&mut self, id: SessionId, outputs: &mut VecDeque<Output>) {
        let over = |it: &OrchestratorSession| {
            it.id == id && it.phase == Phase::Retiring && it.in_flight == 0
        };
        if let Some(index) = self.sessions.iter().position(over) {
            let session = self.sessions.swap_remove(index);
            outputs.push_back(Output::EndSession { session: id, notify: session.used });
        }
    }

    /// Ends every session. Attempts in flight are the caller's to cancel.
    pub(crate) fn close(&mut self, outputs: &mut VecDeque<Output>) {
        let all: Vec<_> = self.sessions.iter().map(|it| it.id).collect();
        for id in all {
            self.retire(id, outputs);
        }
    }

    /// Nobody answers there: known to all streams at once.
    fn unreachable(&mut self, now: Instant, fleet: &mut Fleet, id: SessionId, detail: &str) {
        let Some(session) = self.sessions.iter().find(|it| it.id == id) else { return };
        let address = session.address().clone();
        fleet.failed(now, &address, FaultClass::Network, detail);
        self.pause(now, &address, Pause::Fault);
    }

    /// Takes no more segments on a session, and leaves its orchestrator alone for a while.
    fn leave(
        &mut self,
        now: Instant,
        id: SessionId,
        address: &OrchestratorAddress,
        why: Pause,
        outputs: &mut VecDeque<Output>,
    ) {
        self.pause(now, address, why);
        self.retire(id, outputs);
    }

    /// Leaves an orchestrator alone for as long as the reason asks.
    fn pause(&mut self, now: Instant, address: &OrchestratorAddress, why: Pause) {
        let Self { contacts, config, rng, .. } = self;
        let Some(contact) = contacts.iter_mut().find(|it| it.address() == address) else { return };
        match why {
            Pause::Fault => contact.back_off.fault(now, config, rng),
            Pause::Capped => contact.back_off.capped(now, config),
            Pause::Incapable => contact.back_off.incapable(now, config),
            Pause::PricedOut => contact.back_off.priced_out(now, config, &contact.member.price_cap),
        }
    }

    /// A stale session is replaced at once; an orchestrator that never likes its own is at fault.
    fn renew(&mut self, now: Instant, address: &OrchestratorAddress) {
        let Some(contact) = self.contact_mut(address) else { return };
        contact.renewals = contact.renewals.saturating_add(1);
        if contact.renewals > 1 {
            self.pause(now, address, Pause::Fault);
        }
    }

    /// Sends nothing more for a moment to what costs something in this orchestrator's pool.
    fn pause_payments(&mut self, now: Instant, address: &OrchestratorAddress) {
        let until = now + self.config.unpaid_pause;
        let Some(contact) = self.contact_mut(address) else { return };
        contact.unpaid_until = Some(until);
        let pool = contact.member.pool.clone();
        self.unpaid.retain(|_, until| *until > now);
        self.unpaid.insert(pool, until);
    }

    /// Until when an orchestrator gets no work because it could not be paid; `None` for now.
    fn unpaid_until(&self, now: Instant, fleet: &Fleet, contact: &Contact) -> Option<Instant> {
        let price = fleet.view(contact.address()).price;
        let costs = price.is_some_and(|price| price.wei() > 0);
        let pools = self.unpaid.get(&contact.member.pool).copied().filter(|_| costs);
        pools.into_iter().chain(contact.unpaid_until).max().filter(|until| *until > now)
    }

    fn is_payable(&self, now: Instant, fleet: &Fleet, contact: &Contact) -> bool {
        self.unpaid_until(now, fleet, contact).is_none()
    }

    /// The most that a stream pays this orchestrator; `None`: any price.
    pub(crate) fn price_cap(&self, address: &OrchestratorAddress) -> Option<PixelPrice> {
        self.contact(address).and_then(|contact| contact.member.price_cap.most)
    }

    fn contact(&self, address: &OrchestratorAddress) -> Option<&Contact> {
        self.contacts.iter().find(|it| it.address() == address)
    }

    fn contact_mut(&mut self, address: &OrchestratorAddress) -> Option<&mut Contact> {
        self.contacts.iter_mut().find(|it| it.address() == address)
    }

    /// How many more orchestrators may be engaged.
    fn room(&self, urgent: bool) -> usize {
        let limit = if urgent { self.config.discovery_width } else { self.config.sessions };
        limit.saturating_sub(self.engaged(|_| true))
    }

    /// How many of these may be in the preferred pool: one place is kept for the pools to fall back to.
    fn room_of_the_first_pool(&self, room: usize) -> usize {
        let fallback = self.contacts.iter().any(|it| it.member.rank > 0);
        let has_fallback = self.engaged(|contact| contact.member.rank > 0) > 0;
        let kept = usize::from(fallback && !has_fallback);
        room.saturating_sub(kept)
    }

    fn engaged(&self, which: impl Fn(&Contact) -> bool) -> usize {
        let chosen = self.contacts.iter().filter(|it| which(it));
        chosen.filter(|it| !matches!(self.engagement(it), Engagement::Idle)).count()
    }

    fn engagement(&self, contact: &Contact) -> Engagement {
        let ours = self.sessions.iter().filter(|it| it.address() == contact.address());
        let mut sessions = ours.filter(|it| it.phase != Phase::Retiring);
        let Some(first) = sessions.next() else { return Engagement::Idle };
        // A second one is the question for its replacement.
        match first.phase {
            Phase::Live { refresh: Some(at) } if sessions.next().is_none() => {
                Engagement::RefreshAt(at)
            }
            Phase::Live { .. } | Phase::Discovering { .. } | Phase::Retiring => Engagement::Busy,
        }
    }

    /// The earliest time a segment could be sent to another than the `hopeless`; `None` when no session
    /// is there or in sight.
    pub(crate) fn earliest_opportunity(
        &self,
        now: Instant,
        fleet: &Fleet,
        hopeless: &[OrchestratorAddress],
    ) -> Option<Instant> {
        let able = self.contacts.iter().filter(|it| it.carries(self.source));
        let hopeful = able.filter(|it| !hopeless.contains(it.address()));
        let opportunity = |contact: &Contact| match self.engagement(contact) {
            Engagement::Idle => self.open_again(now, fleet, contact, true).unwrap_or(now),
            Engagement::RefreshAt(_) | Engagement::Busy => {
                // The breaker waits for the answer to this very question.
                if self.is_asked(contact.address()) {
                    return now;
                }
                let payable = self.unpaid_until(now, fleet, contact).unwrap_or(now);
                match fleet.passage(now, contact.address(), true) {
                    Passage::Closed { until } => until.max(payable),
                    Passage::Free | Passage::Probation | Passage::Trial => payable,
                }
            }
        };
        hopeful.map(opportunity).min()
    }

    fn is_asked(&self, address: &OrchestratorAddress) -> bool {
        self.sessions.iter().any(|it| it.is_discovering() && it.address() == address)
    }

    /// When an orchestrator may be asked (again); `None` for at once.
    fn open_again(
        &self,
        now: Instant,
        fleet: &Fleet,
        contact: &Contact,
        urgent: bool,
    ) -> Option<Instant> {
        let ours = contact.back_off.until(urgent);
        let fleets = closed_until(now, fleet, contact, urgent);
        ours.into_iter().chain(fleets).max().filter(|until| *until > now)
    }

    /// When [`maintain`](Self::maintain) has something to do, and what; all later than `now`.
    pub(crate) fn timeouts<'a>(
        &'a self,
        now: Instant,
        fleet: &'a Fleet,
        wanted: bool,
    ) -> impl Iterator<Item = (Instant, Reason)> + 'a {
        let ends = self.sessions.iter().filter_map(|session| match session.phase {
            Phase::Discovering { give_up } => Some((give_up, Reason::DiscoveryTimeout)),
            Phase::Live { .. } | Phase::Retiring => None,
        });
        let urgent = self.is_urgent(now, fleet);
        let room = self.room(urgent);
        let questions = self.contacts.iter().filter_map(move |contact| {
            let again = self.open_again(now, fleet, contact, urgent);
            match self.engagement(contact) {
                Engagement::Idle if wanted && room > 0 => again.map(|at| (at, Reason::Rediscovery)),
                Engagement::Idle => None,
                Engagement::RefreshAt(refresh) if wanted => {
                    let refresh = again.map_or(refresh, |at| at.max(refresh));
                    // A session whose breaker is closed is good again before its token is old.
                    let first = closed_until(now, fleet, contact, urgent);
                    let first = first.map_or(refresh, |at| at.min(refresh));
                    Some((first, Reason::SessionRefresh)).filter(|(at, _)| *at > now)
                }
                // That its orchestrator may be used again matters to a stream that ends as well.
                Engagement::RefreshAt(_) | Engagement::Busy => {
                    let until = closed_until(now, fleet, contact, urgent);
                    until.filter(|at| *at > now).map(|at| (at, Reason::Rediscovery))
                }
            }
        });
        let payable = self.contacts.iter().filter_map(move |contact| {
            Some((self.unpaid_until(now, fleet, contact)?, Reason::UnpaidPause))
        });
        ends.chain(questions).chain(payable)
    }

    /// Whose session that is.
    pub(crate) fn orchestrator_of(&self, id: SessionId) -> Option<Arc<ConfiguredOrchestrator>> {
        let session = self.sessions.iter().find(|it| it.id == id)?;
        self.contact(session.address()).map(|it| Arc::clone(&it.member.orchestrator))
    }

    #[cfg(test)]
    pub(crate) fn most_in_flight(&self) -> usize {
        self.sessions.iter().map(|it| it.in_flight).max().unwrap_or(0)
    }

    #[cfg(test)]
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }
}

/// When its breaker lets a stream use an orchestrator; `None` for at once.
fn closed_until(now: Instant, fleet: &Fleet, contact: &Contact, urgent: bool) -> Option<Instant> {
    match fleet.passage(now, contact.address(), urgent) {
        Passage::Closed { until } => Some(until),
        Passage::Free | Passage::Probation | Passage::Trial => None,
    }
}

/// What a stream has going with an orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engagement {
    /// Nothing.
    Idle,
    /// A session whose token has to be replaced from then on.
    RefreshAt(Instant),
    /// A session, or a question for one, that needs nothing.
    Busy,
}
