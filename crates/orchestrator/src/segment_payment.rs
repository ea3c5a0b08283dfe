//! What goes along with a segment that is paid for.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tickets::{B256, PrivateKey, Signature, signed::SegmentClaim};

use crate::{PaymentHeader, SegmentJob};

/// The payment of one attempt, and the signature that vouches for its segment. It is for one upload
/// only.
#[derive(Clone, Debug)]
pub struct SegmentPayment {
    /// The tickets, or none where there is credit.
    pub header: PaymentHeader,
    /// Keccak-256 digest of the job's body, which was signed.
    pub hash: B256,
    /// The payer's signature over [`SegmentJob::claim`].
    pub signature: Signature,
    /// How far the payment gets; keep a clone to ask after the attempt ended, however it did.
    pub progress: PaymentProgress,
}

/// Where a payment is by now (livepeer-wire §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentFate {
    /// It never left: no connection stood.
    Unsent,
    /// It was sent, or was about to be, and no answer came.
    InDoubt,
    /// Response headers came, of whatever status: the orchestrator has it.
    Arrived,
}

/// Follows one payment. Clones follow the same one.
#[derive(Clone, Debug, Default)]
pub struct PaymentProgress(Arc<AtomicU8>);

impl PaymentProgress {
    const IN_DOUBT: u8 = 1;
    const ARRIVED: u8 = 2;

    /// Where the payment is.
    #[must_use]
    pub fn fate(&self) -> PaymentFate {
        match self.0.load(Ordering::Acquire) {
            0 => PaymentFate::Unsent,
            Self::IN_DOUBT => PaymentFate::InDoubt,
            _ => PaymentFate::Arrived,
        }
    }

    pub(crate) fn set(&self, fate: PaymentFate) {
        let number = match fate {
            PaymentFate::Unsent => 0,
            PaymentFate::InDoubt => Self::IN_DOUBT,
            PaymentFate::Arrived => Self::ARRIVED,
        };
        self.0.store(number, Ordering::Release);
    }
}

impl SegmentPayment {
    /// The payment of `job`, whose body has that digest, vouched for with the payer's key.
    #[must_use]
    pub fn sign(header: PaymentHeader, job: &SegmentJob, hash: B256, key: &PrivateKey) -> Self {
        let signature = key.sign_hashed(&job.claim(hash));
        Self { header, hash, signature, progress: PaymentProgress::default() }
    }
}

impl SegmentPayment {
    /// The payment of a job whose claim somebody else signed.
    #[must_use]
    pub fn signed(header: PaymentHeader, hash: B256, signature: Signature) -> Self {
        Self { header, hash, signature, progress: PaymentProgress::default() }
    }
}

impl SegmentJob {
    /// Keccak-256 digest of the body: some milliseconds per megabyte that isn't hashed yet.
    #[must_use]
    pub fn hash(&self) -> B256 {
        B256::new(self.hashed.clone().finish(&self.body))
    }

    /// What a payer signs, with [`PrivateKey::sign_hashed`], to vouch for the job
    /// (livepeer-wire §3.2); `hash` is [`Self::hash`].
    #[must_use]
    pub fn claim(&self, hash: B256) -> Vec<u8> {
        let names: Vec<_> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let (manifest_id, sequence) = (self.manifest_id.as_bytes(), self.sequence);
        SegmentClaim { manifest_id, sequence, hash, profile_names: &names }.to_bytes()
    }
}
