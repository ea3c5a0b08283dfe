//! The payer, its record and its signer put together.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use media::{RenditionProfile, StreamName, wall_clock_now};
use orchestrator::{PaymentFate, PixelPrice, SegmentPayment};
use payer::{
    AtLimit, Ending, Payer, Payment, PaymentId, PaymentRequest, Refusal, RefusalClass, Terms,
};
use prometheus_client::registry::Registry;
use router::{
    AttemptPayment, Bill, BoxFuture, PaymentEnd, PaymentFacts, PaymentRefused, PaymentRefusedClass,
    Payments,
};
use serde::Serialize;
use tickets::{B256, ChainView, PaidRendition, Price, SenderFunds, U256, Wei};
use tokio::sync::{mpsc, oneshot};

use super::{
    events::{Events, PaymentEvent},
    ledger::{Ledger, NotRecorded},
    metrics::PaymentMetrics,
    signing::Signing,
};

/// How long a payment may take to get on record.
const RECORD_DEADLINE: Duration = Duration::from_secs(2);
/// Streams that may wait to be ended at their budget's limit; further ones meet it again in a moment.
const STOPS_QUEUED: usize = 64;

/// Pays for segments. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PaymentService(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Locked for one call at a time: microseconds.
    payer: Mutex<Payer>,
    ledger: Ledger,
    signing: Signing,
    events: Events,
    metrics: PaymentMetrics,
    stops: mpsc::Sender<StreamName>,
    figures: Mutex<PaymentFigures>,
}

/// What an operator sees of payments.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PaymentFigures {
    /// Who pays.
    pub(crate) address: String,
    /// Wei that winning tickets are paid from.
    pub(crate) deposit_wei: Option<String>,
    /// Wei that guarantee the rest.
    pub(crate) reserve_wei: Option<String>,
    /// Round from which on both can be withdrawn; zero while they are locked.
    pub(crate) withdraw_round: Option<String>,
    /// How long the deposit lasts.
    pub(crate) runway: Option<String>,
    /// The same in seconds.
    pub(crate) runway_seconds: Option<u64>,
    /// What an ether costs, by the price feed; none: no feed is followed, or its price can't be gone by.
    pub(crate) usd_per_eth: Option<String>,
    /// Why nothing can be paid now.
    pub(crate) chain_fault: Option<String>,
    /// The latest events, oldest first.
    pub(crate) events: Vec<PaymentEvent>,
}

impl PaymentService {
    /// A service around a payer that has taken up what earlier runs left; and the streams that are to be
    /// ended.
    pub(super) fn new(
        payer: Payer,
        ledger: Ledger,
        signing: Signing,
        registry: &mut Registry,
    ) -> (Self, mpsc::Receiver<StreamName>) {
        let (stops, stopped) = mpsc::channel(STOPS_QUEUED);
        let address = payer.address().to_string();
        let inner = Inner {
            payer: Mutex::new(payer),
            ledger,
            signing,
            events: Events::default(),
            metrics: PaymentMetrics::register(registry),
            stops,
            figures: Mutex::new(PaymentFigures { address, ..PaymentFigures::default() }),
        };
        (Self(Arc::new(inner)), stopped)
    }

    /// What an operator sees.
    pub(crate) fn figures(&self) -> PaymentFigures {
        let figures = self.0.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        PaymentFigures { events: self.0.events.latest(), ..figures }
    }

    pub(super) fn set_figures(&self, change: impl FnOnce(&mut PaymentFigures)) {
        change(&mut self.0.figures.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn note(&self, kind: &'static str, detail: &str) {
        self.0.events.note(wall_clock_now(), kind, detail);
    }

    /// Takes what the chain says; `None` when that is too old to pay on.
    pub(super) fn handle_chain(&self, view: Option<ChainView>, funds: Option<SenderFunds>) {
        let mut payer = self.0.payer();
        payer.handle_view(view);
        if let Some(funds) = funds {
            payer.handle_funds(funds);
        }
    }

    /// Whole wei that tickets were worth that left the house.
    pub(super) fn spent(&self) -> U256 {
        self.0.payer().spent().floor().to_u256().unwrap_or_default()
    }

    /// Closes accounts nobody uses.
    pub(super) fn handle_timeout(&self) {
        let mut payer = self.0.payer();
        payer.handle_timeout(now(), wall_clock_now());
        self.0.ledger.push(std::iter::from_fn(|| payer.poll_entry()));
    }
}

impl Payments for PaymentService {
    fn pay<'a>(&'a self, bill: Bill<'a>) -> BoxFuture<'a, Result<AttemptPayment, PaymentRefused>> {
        Box::pin(async move {
            let begun = tokio::time::Instant::now();
            match self.0.pay(&bill).await {
                Ok(Made { payment, facts, unsettled }) => {
                    // What goes on from credit, or for free, is no sign that tickets can be paid again.
                    if facts.tickets > 0 {
                        self.0.events.paid(wall_clock_now(), bill.stream);
                    }
                    self.0.metrics.signed(facts.tickets, begun.elapsed());
                    Ok(AttemptPayment::new(payment, facts, move |end| unsettled.settle(end)))
                }
                Err(refused) => {
                    self.0.metrics.made(refused.kind);
                    if refused.class == PaymentRefusedClass::Nobody {
                        self.0.announce(bill.stream, &refused);
                    }
                    Err(refused)
                }
            }
        })
    }
}

impl Inner {
    fn payer(&self) -> MutexGuard<'_, Payer> {
        self.payer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pays: what is made of it leaves only once it is on record. A key of this process signs while it is
    /// put there.
    async fn pay(self: &Arc<Self>, bill: &Bill<'_>) -> Result<Made, PaymentRefused> {
        if !self.ledger.is_open() {
            return Err(not_recorded());
        }
        let (payment, recorded) = {
            // Entries are queued under the same lock, so that their order is the payer's.
            let mut payer = self.payer();
            let payment = payer
                .prepare(now(), wall_clock_now(), request(bill))
                .map_err(|refusal| self.refused(bill.stream, &refusal))?;
            let recorded = self.ledger.push_and_tell(std::iter::from_fn(|| payer.poll_entry()));
            (payment, recorded)
        };
        let unsettled = Unsettled(Some((Arc::clone(self), payment.id)));
        let facts = facts(&payment, bill);
        let recorded = self.on_record(recorded);
        let signed = if self.signing.counts_for_itself() {
            let (hash, ()) = tokio::try_join!(hash(bill), recorded)?;
            self.sign(payment, bill, hash).await?
        } else {
            // Others' tasks first: the record's is to be on its way before this thread hashes and signs.
            let signed = async {
                tokio::task::yield_now().await;
                self.sign(payment, bill, hash(bill).await?).await
            };
            tokio::try_join!(signed, recorded)?.0
        };
        Ok(Made { payment: signed, facts, unsettled })
    }

    /// Waits until a payment is on record.
    async fn on_record(&self, recorded: oneshot::Receiver<()>) -> Result<(), PaymentRefused> {
        let begun = tokio::time::Instant::now();
        let told = tokio::time::timeout(RECORD_DEADLINE, recorded).await;
        let Ok(Ok(())) = told else { return Err(not_recorded()) };
        self.metrics.recorded(begun.elapsed());
        Ok(())
    }

    async fn sign(
        &self,
        payment: Payment,
        bill: &Bill<'_>,
        hash: B256,
    ) -> Result<SegmentPayment, PaymentRefused> {
        let begun = tokio::time::Instant::now();
        let signed = self.signing.sign(payment, bill, hash).await?;
        self.metrics.signing(begun.elapsed());
        Ok(signed)
    }

    /// What follows from a refusal: a stream that meets a limit that ends it is ended.
    fn refused(&self, stream: &StreamName, refusal: &Refusal) -> PaymentRefused {
        if let Refusal::Budget { used_up: true, budget, .. } = refusal
            && budget.at_limit == AtLimit::Stop
            && self.stops.try_send(stream.clone()).is_err()
        {
            tracing::debug!(%stream, "ended a moment later");
        }
        let class = match refusal.class() {
            RefusalClass::Refresh => PaymentRefusedClass::Renew,
            RefusalClass::Other => PaymentRefusedClass::Terms,
            RefusalClass::Price => PaymentRefusedClass::Price,
            RefusalClass::Pool => PaymentRefusedClass::Pool,
            RefusalClass::Nobody => PaymentRefusedClass::Nobody,
        };
        let refused = PaymentRefused { class, kind: refusal.kind(), detail: refusal.to_string() };
        if refusal.is_for_want_of_funds() {
            self.announce(stream, &refused);
        }
        refused
    }

    /// Tells the operator what only the operator can mend, or wanted to know.
    fn announce(&self, stream: &StreamName, refused: &PaymentRefused) {
        self.events.refused(wall_clock_now(), stream, refused.kind, &refused.detail);
    }

    fn settle(&self, payment: PaymentId, ending: Ending) {
        self.metrics.ended(ending.as_str());
        let mut payer = self.payer();
        payer.settle(now(), wall_clock_now(), payment, ending);
        self.ledger.push(std::iter::from_fn(|| payer.poll_entry()));
    }
}

/// A payment, ready to be sent.
struct Made {
    payment: SegmentPayment,
    facts: PaymentFacts,
    unsettled: Unsettled,
}

/// A payment that was prepared and is not settled: dropped, it was never sent.
struct Unsettled(Option<(Arc<Inner>, PaymentId)>);

impl Unsettled {
    fn settle(mut self, end: PaymentEnd) {
        let Some((inner, payment)) = self.0.take() else { return };
        let ending = match end {
            PaymentEnd::NotDone(PaymentFate::Unsent) => Ending::Withdrawn,
            PaymentEnd::NotDone(PaymentFate::InDoubt) => Ending::NoAnswer,
            PaymentEnd::NotDone(PaymentFate::Arrived) => Ending::Failed,
            PaymentEnd::Done { pixels } => Ending::Done { pixels },
        };
        inner.settle(payment, ending);
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some((inner, payment)) = self.0.take() {
            inner.settle(payment, Ending::Withdrawn);
        }
    }
}

async fn hash(bill: &Bill<'_>) -> Result<B256, PaymentRefused> {
    bill.job.hash_in_background().await.map_err(|error| PaymentRefused {
        class: PaymentRefusedClass::Nobody,
        kind: error.kind(),
        detail: error.to_string(),
    })
}

fn request(bill: &Bill<'_>) -> PaymentRequest {
    let (quote, job) = (bill.quote, bill.job);
    PaymentRequest {
        stream: bill.stream.to_string(),
        owner: bill.owner.map(str::to_owned),
        sequence: job.sequence,
        attempt: bill.attempt.number(),
        orchestrator: bill.orchestrator.to_string(),
        pool: bill.pool.to_string(),
        terms: Terms {
            session_id: quote.session_id.clone(),
            price: quote.price,
            params: Some(quote.params.clone()),
        },
        price_cap: bill.price_cap.map(Price::from),
        renditions: job.profiles.iter().map(paid_rendition).collect(),
        duration: job.duration,
    }
}

fn paid_rendition(profile: &RenditionProfile) -> PaidRendition {
    let (fps, fps_den) = profile.frame_rate.map_or((0, 0), |rate| (rate.num(), rate.den()));
    PaidRendition { width: profile.width, height: profile.height, fps, fps_den }
}

fn facts(payment: &Payment, bill: &Bill<'_>) -> PaymentFacts {
    let batch = payment.batch.as_ref();
    PaymentFacts {
        payment: payment.id.0,
        price: PixelPrice::from(bill.quote.price),
        tickets: batch.map_or(0, |batch| batch.count().get()),
        ev_wei: batch.map_or_else(Wei::zero, tickets::UnsignedBatch::expected_value).to_string(),
    }
}

fn not_recorded() -> PaymentRefused {
    let detail = NotRecorded.to_string();
    PaymentRefused { class: PaymentRefusedClass::Nobody, kind: "ledger", detail }
}

fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
