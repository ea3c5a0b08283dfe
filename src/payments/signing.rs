//! Who signs: a key in this process, or a signer elsewhere.

use std::sync::Arc;

use orchestrator::{PaymentHeader, SegmentPayment};
use payer::Payment;
use router::{Bill, PaymentRefused, PaymentRefusedClass};
use signer::{PayRequest, SignerClient, SignerError, SignerErrorKind};
use tickets::{B256, PrivateKey};

/// Tickets from which on they are signed off the executor's threads: some 50 µs each.
const MANY_TICKETS: u32 = 4;

/// Signs payments.
#[derive(Clone, Debug)]
pub(super) enum Signing {
    /// A key of this process.
    Key(Arc<PrivateKey>),
    /// A signer elsewhere: this process holds no key.
    Remote {
        /// The way to it.
        client: SignerClient,
        /// Sets this run's payments apart from others' at the same signer.
        run: u64,
    },
}

impl Signing {
    /// Signs elsewhere.
    pub(super) fn remote(client: SignerClient) -> Self {
        Self::Remote { client, run: rand::random() }
    }

    /// Whether a signature counts as spent where it is made: ask only for what is on record.
    pub(super) const fn counts_for_itself(&self) -> bool {
        matches!(self, Self::Remote { .. })
    }

    /// Signs the tickets, if any, and vouches for the segment.
    pub(super) async fn sign(
        &self,
        payment: Payment,
        bill: &Bill<'_>,
        hash: B256,
    ) -> Result<SegmentPayment, PaymentRefused> {
        match self {
            Self::Key(key) => sign_here(Arc::clone(key), payment, bill, hash).await,
            Self::Remote { client, run } => sign_there(client, *run, &payment, bill, hash).await,
        }
    }
}

async fn sign_here(
    key: Arc<PrivateKey>,
    payment: Payment,
    bill: &Bill<'_>,
    hash: B256,
) -> Result<SegmentPayment, PaymentRefused> {
    let sender = payment.sender;
    let batch = match payment.batch {
        Some(batch) if batch.count().get() >= MANY_TICKETS => {
            let key = Arc::clone(&key);
            let signed = tokio::task::spawn_blocking(move || batch.sign(&key)).await;
            Some(signed.map_err(|_| internal("signing panicked".to_owned()))?)
        }
        Some(batch) => Some(batch.sign(&key)),
        None => None,
    };
    let batch = batch.transpose().map_err(|fault| internal(fault.to_string()))?;
    let header = PaymentHeader::new(bill.quote, sender, batch.as_ref());
    Ok(SegmentPayment::sign(header, bill.job, hash, &key))
}

async fn sign_there(
    client: &SignerClient,
    run: u64,
    payment: &Payment,
    bill: &Bill<'_>,
    hash: B256,
) -> Result<SegmentPayment, PaymentRefused> {
    let payment_id = format!("{run:016x}-{}", payment.id);
    let orchestrator = bill.orchestrator.to_string();
    let request = PayRequest {
        payment_id: &payment_id,
        sender: payment.sender,
        batch: payment.batch.as_ref(),
        price: payment.price,
        job: bill.job,
        hash,
        stream: bill.stream.as_str(),
        session_id: &bill.quote.session_id,
        orchestrator: &orchestrator,
    };
    client.pay(request).await.map_err(|error| {
        use PaymentRefusedClass::{Nobody, Renew, Terms};
        let (class, kind) = match error.kind() {
            SignerErrorKind::Unreachable => (Nobody, "signer_unreachable"),
            SignerErrorKind::Limited => (Nobody, "signer_limit"),
            SignerErrorKind::Refused if is_expired(&error) => (Renew, "signer_expired"),
            SignerErrorKind::Refused => (Terms, "signer_refused"),
            SignerErrorKind::Unauthorized => (Nobody, "signer_unauthorized"),
            SignerErrorKind::Distrusted => (Nobody, "signer_distrusted"),
        };
        PaymentRefused { class, kind, detail: error.to_string() }
    })
}

fn is_expired(error: &SignerError) -> bool {
    matches!(error, SignerError::Refused { code, .. } if code == "expired")
}

const fn internal(detail: String) -> PaymentRefused {
    PaymentRefused { class: PaymentRefusedClass::Nobody, kind: "signing", detail }
}
