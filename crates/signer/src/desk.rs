//! What is signed.

use std::{
    collections::{HashMap, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

use orchestrator::PaymentHeader;
use tickets::{Address, B256, PrivateKey, TicketParams, UnsignedBatch, Wei, keccak256};

use crate::{
    Record, RecordFault, Refusal, SegmentRequest, Signed, SigningLimits,
    messages::segment::{SegmentAnswer, SegmentOrder},
    record,
    spending::{OverLimit, Spending},
    used_nonces::{NonceFault, NonceSet, Used, UsedNonces},
};

/// Payments that may be asked for again. The oldest are forgotten: their nonces are not.
const MAX_PAYMENTS: usize = 65_536;

/// Decides what is signed, and counts it. A core: requests and time are inputs.
///
/// Put the [`Record`] of every grant on the disk before you sign it. What was granted stays counted,
/// whatever becomes of it.
#[derive(Debug)]
pub struct SigningDesk {
    address: Address,
    limits: SigningLimits,
    spending: Spending,
    nonces: UsedNonces,
    payments: Payments,
    /// Number of the last record.
    last_record: u64,
    /// Number of the last record that the journal's snapshot holds.
    snapshot_through: u64,
}

#[derive(Debug, Default)]
struct Payments {
    known: HashMap<String, Known>,
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Known {
    digest: B256,
    /// What is not known to be on the disk.
    unwritten: Option<Signed>,
}

/// A segment's payment that may be signed.
#[derive(Clone, Debug)]
pub struct SegmentGrant {
    /// To be on the disk first; then say so to [`SigningDesk::written`]. `None` where nothing is spent, or
    /// where the same was granted before and is on the disk. What was granted and is not known to be there
    /// comes again: a record may be there twice.
    pub record: Option<Record>,
    /// The same was granted before.
    pub repeated: bool,
    pub(crate) order: SegmentOrder,
}

impl SegmentGrant {
    /// Signs tickets and claim. Some 50 µs per ticket.
    #[must_use]
    pub fn sign(self, key: &PrivateKey) -> Option<SegmentAnswer> {
        let SegmentOrder { sender, price, claim, batch } = self.order;
        let batch = batch.map(|batch| batch.sign(key)).transpose().ok()?;
        let header = batch.as_ref().map_or_else(
            || PaymentHeader::without_tickets(sender, price),
            |batch| PaymentHeader::with_tickets(price, batch),
        );
        let signature = hex::encode(key.sign_hashed(&claim).to_bytes());
        Some(SegmentAnswer {
            sender: sender.to_checksum(None),
            payment: header.expose().to_owned(),
            segment_signature: format!("0x{signature}"),
        })
    }

    /// The tickets.
    #[must_use]
    pub const fn batch(&self) -> Option<&UnsignedBatch> {
        self.order.batch.as_ref()
    }
}

/// Whose payment is to be counted.
pub(crate) struct Purpose<'a> {
    pub(crate) stream: &'a str,
    pub(crate) name: Option<(&'a str, B256)>,
}

impl SigningDesk {
    /// A desk that has signed nothing yet, for the key's address.
    #[must_use]
    pub fn new(address: Address, limits: SigningLimits) -> Self {
        Self {
            address,
            limits,
            spending: Spending::new(),
            nonces: UsedNonces::default(),
            payments: Payments::default(),
            last_record: 0,
            snapshot_through: 0,
        }
    }

    /// Who pays.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Wei of expected value signed in all.
    #[must_use]
    pub const fn total(&self) -> &Wei {
        self.spending.total()
    }

    /// Whether a segment's payment is signed. `client` is whoever's token it was.
    ///
    /// # Errors
    /// When it isn't; nothing is used or counted then.
    pub fn pay_segment(
        &mut self,
        now: SystemTime,
        client: &str,
        request: &SegmentRequest,
    ) -> Result<SegmentGrant, Refusal> {
        let order = request.read()?;
        if order.sender != self.address {
            return Err(Refusal::OtherSender { ours: self.address, asked: order.sender });
        }
        let Some(batch) = &order.batch else {
            return Ok(SegmentGrant { record: None, repeated: false, order });
        };
        let name = format!("{client}\n{}", request.payment_id);
        let digest = keccak256(serde_json::to_vec(request).unwrap_or_default());
        match self.payments.known.get(&name) {
            Some(known) if known.digest == digest => {
                let record = known.unwritten.clone().map(Record::Signed);
                return Ok(SegmentGrant { record, repeated: true, order });
            }
            Some(_) => return Err(Refusal::PaymentReused),
            None => {}
        }
        let purpose = Purpose { stream: &request.stream, name: Some((&name, digest)) };
        let record = Some(self.grant(now, batch, &purpose)?);
        Ok(SegmentGrant { record, repeated: false, order })
    }

    /// Checks the tickets, and counts them.
    pub(crate) fn grant(
        &mut self,
        now: SystemTime,
        batch: &UnsignedBatch,
        purpose: &Purpose<'_>,
    ) -> Result<Record, Refusal> {
        self.check_params(batch.params())?;
        let ev = batch.expected_value();
        if ev > Wei::new(self.limits.call_ev) {
            return Err(Refusal::CallEv { ev: ev.floor(), max: self.limits.call_ev });
        }
        let (seconds, stream) = (seconds(now), purpose.stream);
        let minute = seconds / 60;
        self.nonces.check(batch, minute).map_err(|fault| match fault {
            NonceFault::Used(nonce) => Refusal::NonceUsed(nonce),
            NonceFault::TooManyOpen => Refusal::Full("ticket params"),
        })?;
        self.spending.check(minute, stream, &ev, &self.limits).map_err(|over| match over {
            OverLimit::Limit { limit, until } => {
                let wait = |until: u64| until.saturating_mul(60).saturating_sub(seconds);
                Refusal::Limit { limit, retry_after: until.map(wait) }
            }
            OverLimit::Streams => Refusal::Full("streams"),
        })?;
        let number = self.last_record.saturating_add(1);
        let signed = signed(number, minute, batch, &ev, purpose);
        self.count(&signed, batch.params().recipient_rand_hash, &ev);
        if let Some((name, digest)) = purpose.name {
            self.payments.remember(name.to_owned(), digest, Some(signed.clone()));
        }
        Ok(Record::Signed(signed))
    }

    /// Takes note that a record is on the disk.
    pub fn written(&mut self, record: &Record) {
        if let Record::Signed(Signed { number, name: Some(name), .. }) = record
            && let Some(known) = self.payments.known.get_mut(name)
            && known.unwritten.as_ref().is_some_and(|unwritten| unwritten.number == *number)
        {
            known.unwritten = None;
        }
    }

    /// The network's checks that need no chain (livepeer-wire §4.5), and the operator's. Whether params
    /// have expired is the gateway's and the orchestrator's affair.
    fn check_params(&self, params: &TicketParams) -> Result<(), Refusal> {
        if params.expiration_block == 0 {
            return Err(Refusal::NoExpirationBlock);
        }
        let (ev, face_value) = (params.expected_value(), params.face_value);
        if !ev.is_positive() {
            return Err(Refusal::Worthless);
        }
        if ev >= Wei::new(face_value) {
            return Err(Refusal::FaceValueTooLow { face_value, ev: ev.floor() });
        }
        if ev > Wei::new(self.limits.ticket_ev) {
            return Err(Refusal::TicketEv { ev: ev.floor(), max: self.limits.ticket_ev });
        }
        match self.limits.face_value {
            Some(max) if face_value > max => Err(Refusal::FaceValueTooHigh { face_value, max }),
            _ => Ok(()),
        }
    }

    pub(crate) fn highest_nonce(&self, hash: &B256) -> u32 {
        self.nonces.highest(hash)
    }

    fn count(&mut self, signed: &Signed, hash: B256, ev: &Wei) {
        let nonces = (signed.first_nonce..).zip(0..signed.count).map(|(nonce, _)| nonce);
        self.nonces.insert(hash, signed.minute, nonces);
        self.spending.add(signed.minute, &signed.stream, ev);
        self.last_record = signed.number.max(self.last_record);
    }

    /// Takes up a record of an earlier run, in the order they were written. Those that a snapshot
    /// holds already are skipped, and those that are there twice are counted once.
    ///
    /// # Errors
    /// When it can't be read: the journal is damaged then.
    pub fn restore(&mut self, record: Record) -> Result<(), RecordFault> {
        match record {
            Record::Signed(signed) if signed.number <= self.snapshot_through => {}
            Record::Signed(signed) => {
                let hash = record::hash(&signed.recipient_rand_hash)?;
                // A nonce is granted once: with it, this was too. Numbers don't tell, because what couldn't
                // be written at first comes after later ones.
                if self.nonces.contains(&hash, signed.first_nonce) {
                    return Ok(());
                }
                let ev = record::wei(&signed.ev)?;
                self.count(&signed, hash, &ev);
                if let (Some(name), Some(digest)) = (signed.name, signed.digest) {
                    self.payments.remember(name, record::hash(&digest)?, None);
                }
            }
            Record::Snapshot { through, total } => {
                (self.last_record, self.snapshot_through) = (through, through);
                self.spending.set_total(record::wei(&total)?);
            }
            Record::Spent { minute, stream, ev } => {
                self.spending.add_recent(minute, &stream, &record::wei(&ev)?);
            }
            Record::Used { recipient_rand_hash, nonces, minute } => {
                let nonces = NonceSet::from_text(&nonces).ok_or(RecordFault("nonces"))?;
                self.nonces.restore(record::hash(&recipient_rand_hash)?, Used { nonces, minute });
            }
            Record::Payment { name, digest } => {
                self.payments.remember(name, record::hash(&digest)?, None);
            }
        }
        Ok(())
    }

    /// All that has to be kept, to begin a new journal with. What is of no more use is forgotten.
    pub fn snapshot(&mut self, now: SystemTime) -> Vec<Record> {
        let minute = seconds(now) / 60;
        self.nonces.forget(minute);
        let total = self.spending.total().to_string();
        let mut records = vec![Record::Snapshot { through: self.last_record, total }];
        records.extend(self.spending.recent().into_iter().map(|(minute, stream, ev)| {
            Record::Spent { minute, stream: stream.to_owned(), ev: ev.to_string() }
        }));
        records.extend(self.nonces.iter().map(|(hash, used)| Record::Used {
            recipient_rand_hash: hash.to_string(),
            nonces: used.nonces.to_text(),
            minute: used.minute,
        }));
        records.extend(self.payments.order.iter().filter_map(|name| {
            let digest = self.payments.known.get(name)?.digest.to_string();
            Some(Record::Payment { name: name.clone(), digest })
        }));
        records
    }
}

impl Payments {
    fn remember(&mut self, name: String, digest: B256, unwritten: Option<Signed>) {
        if self.known.insert(name.clone(), Known { digest, unwritten }).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > MAX_PAYMENTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn signed(
    number: u64,
    minute: u64,
    batch: &UnsignedBatch,
    ev: &Wei,
    purpose: &Purpose<'_>,
) -> Signed {
    Signed {
        number,
        minute,
        stream: purpose.stream.to_owned(),
        ev: ev.to_string(),
        recipient_rand_hash: batch.params().recipient_rand_hash.to_string(),
        first_nonce: batch.first_nonce(),
        count: batch.count().get(),
        name: purpose.name.map(|(name, _)| name.to_owned()),
        digest: purpose.name.map(|(_, digest)| digest.to_string()),
    }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
