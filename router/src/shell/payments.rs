//! What goes along with a segment that costs something: a port that pays.

use std::fmt;

use media::StreamName;
use orchestrator::{
    OrchestratorAddress, PaymentFate, PaymentProgress, PixelPrice, Quote, SegmentJob,
    SegmentPayment,
};

use crate::{
    attempt::AttemptId, decision::PaymentFacts, fault::FaultClass, memory::BoxFuture,
    pool::PoolName,
};

/// What is to be paid for, before it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Bill<'a> {
    /// The stream's name.
    pub stream: &'a StreamName,
    /// Whose stream it is, where the operator says so.
    pub owner: Option<&'a str>,
    /// The stream's attempt.
    pub attempt: AttemptId,
    /// Who does the work.
    pub orchestrator: &'a OrchestratorAddress,
    /// The pool through which it is used.
    pub pool: &'a PoolName,
    /// What it asks, all from one of its messages.
    pub quote: &'a Quote,
    /// The most that may be paid for a pixel; `None`: any price.
    pub price_cap: Option<PixelPrice>,
    /// What it is asked to do.
    pub job: &'a SegmentJob,
}

/// Why an attempt was not paid, so that nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct PaymentRefused {
    /// What follows.
    pub class: PaymentRefusedClass,
    /// A short, bounded name of the reason, for metrics.
    pub kind: &'static str,
    /// What happened, for people.
    pub detail: String,
}

/// What follows from a refusal to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentRefusedClass {
    /// The same orchestrator is asked for new terms.
    Renew,
    /// The orchestrator's terms can't be used.
    Terms,
    /// It asks for more than may be paid.
    Price,
    /// Nothing more may be paid to this pool now.
    Pool,
    /// Nothing may be paid now, to nobody.
    Nobody,
}

impl PaymentRefusedClass {
    pub(super) const fn fault(self) -> FaultClass {
        match self {
            Self::Renew => FaultClass::ExpiredSession,
            Self::Terms => FaultClass::Terms,
            Self::Price => FaultClass::Price,
            Self::Pool | Self::Nobody => FaultClass::Unpaid,
        }
    }
}

/// How a payment's attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentEnd {
    /// The work was not done; the payment got so far (livepeer-wire §4.4).
    NotDone(PaymentFate),
    /// The work was done.
    Done {
        /// Pixels of all renditions, as charged.
        pixels: u64,
    },
}

/// Pays for attempts. It answers within a bounded time; dropping the future leaves nothing unsettled.
pub trait Payments: fmt::Debug + Send + Sync + 'static {
    /// Makes the payment of one attempt: it is on record when this returns, and is to be sent once.
    fn pay<'a>(&'a self, bill: Bill<'a>) -> BoxFuture<'a, Result<AttemptPayment, PaymentRefused>>;
}

/// A payment that goes along with one attempt. However the attempt ends, by its drop at the latest, the
/// payer is told what became of it.
pub struct AttemptPayment {
    payment: SegmentPayment,
    facts: PaymentFacts,
    settle: Settle,
}

impl AttemptPayment {
    /// A payment, and what is to be told how it ended: exactly once, without waiting.
    pub fn new(
        payment: SegmentPayment,
        facts: PaymentFacts,
        settle: impl FnOnce(PaymentEnd) + Send + Sync + 'static,
    ) -> Self {
        let settle = Settle { progress: payment.progress.clone(), told: Some(Box::new(settle)) };
        Self { payment, facts, settle }
    }

    pub(super) const fn payment(&self) -> &SegmentPayment {
        &self.payment
    }

    pub(super) const fn facts(&self) -> &PaymentFacts {
        &self.facts
    }

    /// The work was done, and so many pixels are charged.
    pub(super) fn done(mut self, pixels: u64) {
        self.settle.tell(PaymentEnd::Done { pixels });
    }
}

impl fmt::Debug for AttemptPayment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptPayment").field("facts", &self.facts).finish_non_exhaustive()
    }
}

struct Settle {
    progress: PaymentProgress,
    told: Option<Box<dyn FnOnce(PaymentEnd) + Send + Sync>>,
}

impl Settle {
    fn tell(&mut self, end: PaymentEnd) {
        if let Some(tell) = self.told.take() {
            tell(end);
        }
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        self.tell(PaymentEnd::NotDone(self.progress.fate()));
    }
}
