//! A real payer, whose entries are kept in a model beside the store.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use payer::{
    Ending, Entry, Payer, PayerConfig, PaymentId, PaymentRequest, ReportTotals, Restored, Sent,
    Settled, Terms,
};
use tickets::{
    Address, B256, ChainView, ExpirationParams, NonceMark, PaidRendition, Price, PrivateKey,
    SenderFunds, Settlement, TicketParams, U256, Wei,
};

/// Wei of one ticket on average.
const EV: u64 = 1_000;
/// Noon of 2023-11-14, so that a few hours stay on the day.
pub(super) const START: Duration = Duration::from_secs(1_699_963_200);

/// A payer, and all it ever said.
pub(super) struct Run {
    pub(super) payer: Payer,
    now: Instant,
    pub(super) wall: SystemTime,
    pub(super) entries: Vec<Entry>,
    /// Told, and not appended yet.
    pub(super) pending: Vec<Entry>,
    pub(super) in_flight: Vec<PaymentId>,
}

/// What is asked for, as small numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) stream: u8,
    pub(super) orchestrator: u8,
    pub(super) wei: u64,
    pub(super) pixels: u64,
    /// Which ticket params; each takes 600 tickets.
    pub(super) params: u16,
}

impl Run {
    pub(super) fn new() -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self {
            payer: payer(),
            now,
            wall: UNIX_EPOCH + START,
            entries: Vec::new(),
            pending: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    pub(super) fn prepare(&mut self, ask: Ask) -> Option<PaymentId> {
        let made = self.payer.prepare(self.now, self.wall, request(ask)).ok();
        self.drain();
        self.in_flight.extend(made.as_ref().map(|payment| payment.id));
        made.map(|payment| payment.id)
    }

    pub(super) fn settle(&mut self, payment: PaymentId, ending: Ending) {
        self.in_flight.retain(|it| *it != payment);
        self.payer.settle(self.now, self.wall, payment, ending);
        self.drain();
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall += time;
        self.payer.handle_timeout(self.now, self.wall);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(entry) = self.payer.poll_entry() {
            self.entries.push(entry.clone());
            self.pending.push(entry);
        }
    }

    /// Another process goes on; what was in flight is in doubt.
    pub(super) fn restart(&mut self, restored: Restored) {
        for payment in std::mem::take(&mut self.in_flight) {
            let sent = self.sent().remove(&payment).unwrap();
            let settlement = Settlement {
                returned: sent.carried,
                in_doubt: sent.added,
                ..Settlement::default()
            };
            let settled = Settled { payment, at: self.wall, ending: Ending::NoAnswer, settlement };
            self.entries.push(Entry::Settled(Box::new(settled)));
        }
        self.payer = payer();
        self.payer.restore(restored);
    }

    pub(super) fn sent(&self) -> BTreeMap<PaymentId, Sent> {
        let sent = |entry: &Entry| match entry {
            Entry::Sent(sent) => Some((sent.payment, (**sent).clone())),
            Entry::Settled(_) | Entry::Closed { .. } => None,
        };
        self.entries.iter().filter_map(sent).collect()
    }

    pub(super) fn settled(&self) -> BTreeMap<PaymentId, Settled> {
        let settled = |entry: &Entry| match entry {
            Entry::Settled(settled) => Some((settled.payment, (**settled).clone())),
            Entry::Sent(_) | Entry::Closed { .. } => None,
        };
        self.entries.iter().filter_map(settled).collect()
    }

    /// The sums by stream, orchestrator and days since the first.
    pub(super) fn totals(&self) -> BTreeMap<(String, String, u64), ReportTotals> {
        let sent = self.sent();
        let mut lines: BTreeMap<_, ReportTotals> = BTreeMap::new();
        for sent in sent.values() {
            let totals = lines.entry(line_of(sent)).or_default();
            totals.attempts += 1;
            totals.tickets += u64::from(sent.tickets);
            totals.sent += &sent.added;
            totals.left -= &sent.carried;
            totals.in_flight += &(&sent.carried + &sent.added);
        }
        for settled in self.settled().values() {
            let sent = &sent[&settled.payment];
            let totals = lines.get_mut(&line_of(sent)).unwrap();
            let it = &settled.settlement;
            totals.in_flight -= &(&sent.carried + &sent.added);
            totals.left += &it.returned;
            totals.debited += &it.debited;
            totals.written_off += &it.written_off;
            totals.in_doubt += &it.in_doubt;
            match settled.ending {
                Ending::Withdrawn => totals.sent -= &sent.added,
                Ending::Done { pixels } => {
                    totals.segments += 1;
                    totals.pixels += pixels;
                    totals.duration_micros += sent.duration_micros;
                }
                Ending::Failed | Ending::NoAnswer => {}
            }
        }
        lines
    }

    /// What was spent, by minute, stream and owner; nothing where it is nothing.
    pub(super) fn spent(&self) -> BTreeMap<(u64, String, Option<String>), Wei> {
        let settled = self.settled();
        let mut spent: BTreeMap<_, Wei> = BTreeMap::new();
        for sent in self.sent().into_values() {
            let withdrawn =
                settled.get(&sent.payment).is_some_and(|it| it.ending == Ending::Withdrawn);
            if !withdrawn {
                *spent.entry((seconds(sent.at) / 60, sent.stream, sent.owner)).or_default() +=
                    &sent.added;
            }
        }
        spent.retain(|_, spent| !spent.is_zero());
        spent
    }

    /// The highest nonces.
    pub(super) fn marks(&self) -> BTreeMap<B256, NonceMark> {
        let mut marks: BTreeMap<B256, NonceMark> = BTreeMap::new();
        for mark in self.sent().into_values().filter_map(|sent| sent.mark) {
            let kept = marks.entry(mark.recipient_rand_hash).or_insert(mark);
            kept.last_nonce = kept.last_nonce.max(mark.last_nonce);
        }
        marks
    }
}

pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn line_of(sent: &Sent) -> (String, String, u64) {
    (sent.stream.clone(), sent.orchestrator.clone(), seconds(sent.at) / 86_400)
}

fn view() -> ChainView {
    ChainView { l1_block: 900, last_initialized_round: 7, ..ChainView::default() }
}

fn payer() -> Payer {
    let sender = PrivateKey::from_bytes(&[1; 32]).unwrap().address();
    let mut payer = Payer::new(sender, PayerConfig::default());
    payer.handle_view(Some(view()));
    let wealth = U256::from(10).pow(U256::from(18));
    payer.handle_funds(SenderFunds {
        deposit: wealth,
        reserve: wealth,
        withdraw_round: U256::ZERO,
    });
    payer
}

fn request(ask: Ask) -> PaymentRequest {
    let mut hash = B256::repeat_byte(ask.orchestrator);
    hash[..2].copy_from_slice(&ask.params.to_be_bytes());
    let params = TicketParams {
        recipient: Address::repeat_byte(ask.orchestrator),
        face_value: U256::from(EV * 100),
        win_prob: U256::MAX / U256::from(100),
        recipient_rand_hash: hash,
        seed: U256::from(1),
        expiration_block: 1_000,
        expiration: ExpirationParams {
            creation_round: 7,
            creation_round_block_hash: B256::repeat_byte(7),
        },
    };
    let stream = ask.stream;
    PaymentRequest {
        stream: format!("cam{stream}"),
        owner: stream.is_multiple_of(2).then(|| "me".to_owned()),
        sequence: 1,
        attempt: 0,
        orchestrator: format!("https://o{}.example:8935", ask.orchestrator),
        pool: "default".to_owned(),
        terms: Terms {
            session_id: format!("s{stream}"),
            price: Price::new(ask.wei, ask.pixels).unwrap(),
            params: Some(params),
        },
        price_cap: None,
        renditions: vec![PaidRendition { width: 1_000, height: 1_000, fps: 1, fps_den: 1 }],
        duration: Duration::from_secs(2),
    }
}
