use std::collections::BTreeSet;

use proptest::prelude::*;
use tickets::{B256, ExpirationParams, PaidRendition, PrivateKey, SenderError, U256};

use super::*;
use crate::{
    budget::{BudgetScope, BudgetWindow, CheaperPools},
    refusal::RefusalClass,
    report::ReportTotals,
    request::Terms,
};

/// Wei of one ticket on average.
const EV: u64 = 1_000;

fn wei(text: &str) -> Wei {
    text.parse().unwrap()
}

fn price(wei: u64) -> Price {
    Price::new(wei, 1_000_000).unwrap()
}

fn params(seed: u8) -> TicketParams {
    TicketParams {
        recipient: Address::repeat_byte(9),
        face_value: U256::from(EV * 100),
        win_prob: U256::MAX / U256::from(100),
        recipient_rand_hash: B256::repeat_byte(seed),
        seed: U256::from(seed),
        expiration_block: 1_000,
        expiration: ExpirationParams {
            creation_round: 7,
            creation_round_block_hash: B256::repeat_byte(7),
        },
    }
}

struct Bench {
    payer: Payer,
    now: Instant,
    wall: SystemTime,
    entries: Vec<Entry>,
}

impl Bench {
    fn new(config: PayerConfig) -> Self {
        let sender = PrivateKey::from_bytes(&[1; 32]).unwrap().address();
        let mut payer = Payer::new(sender, config);
        let now = tests_origin();
        let view = ChainView { l1_block: 900, last_initialized_round: 7, ..ChainView::default() };
        payer.handle_view(Some(view));
        let wealth = U256::from(10).pow(U256::from(18));
        payer.handle_funds(SenderFunds {
            deposit: wealth,
            reserve: wealth,
            withdraw_round: U256::ZERO,
        });
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Self { payer, now, wall, entries: Vec::new() }
    }

    fn with_budget(scope: BudgetScope, limit: u64) -> Self {
        let limit = Wei::new(U256::from(limit));
        let budget = Budget::new(scope, BudgetWindow::Day, limit);
        Self::new(PayerConfig { budgets: vec![budget], ..PayerConfig::default() })
    }

    fn prepare(&mut self, request: PaymentRequest) -> Result<Payment, Refusal> {
        let made = self.payer.prepare(self.now, self.wall, request);
        self.drain();
        made
    }

    fn settle(&mut self, payment: PaymentId, ending: Ending) {
        self.payer.settle(self.now, self.wall, payment, ending);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(entry) = self.payer.poll_entry() {
            self.entries.push(entry);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall += time;
    }

    fn settlement(&self) -> &Settled {
        match self.entries.last() {
            Some(Entry::Settled(settled)) => settled,
            other => panic!("{other:?}"),
        }
    }

    /// What left the house for a stream, by the record.
    fn spent(&self, stream: &str) -> Wei {
        let sent = |payment: Option<PaymentId>| {
            self.entries.iter().filter_map(move |entry| {
                let Entry::Sent(sent) = entry else { return None };
                let named = payment.is_none_or(|it| it == sent.payment);
                (named && sent.stream == stream).then(|| sent.added.clone())
            })
        };
        let withdrawn = self.entries.iter().filter_map(|entry| {
            let Entry::Settled(settled) = entry else { return None };
            (settled.ending == Ending::Withdrawn).then_some(settled.payment)
        });
        let withdrawn = withdrawn.flat_map(|payment| sent(Some(payment))).sum::<Wei>();
        &sent(None).sum::<Wei>() - &withdrawn
    }

    /// The sums of the record.
    fn totals(&self) -> ReportTotals {
        let mut totals = ReportTotals::default();
        let mut staged: HashMap<PaymentId, Wei> = HashMap::new();
        for entry in &self.entries {
            match entry {
                Entry::Sent(sent) => {
                    totals.sent += &sent.added;
                    totals.left -= &sent.carried;
                    let all = &sent.carried + &sent.added;
                    totals.in_flight += &all;
                    staged.insert(sent.payment, all);
                }
                Entry::Settled(settled) => {
                    let all = staged.remove(&settled.payment).expect("settled once");
                    totals.in_flight -= &all;
                    let it = &settled.settlement;
                    totals.left += &it.returned;
                    totals.debited += &it.debited;
                    totals.written_off += &it.written_off;
                    totals.in_doubt += &it.in_doubt;
                    if settled.ending == Ending::Withdrawn {
                        totals.sent -= &(&all - &it.returned);
                    }
                }
                Entry::Closed { .. } => {}
            }
        }
        totals
    }
}

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time: no value depends on it")]
fn tests_origin() -> Instant {
    Instant::now()
}

fn request(price_wei: u64) -> PaymentRequest {
    PaymentRequest {
        stream: "cam".to_owned(),
        owner: Some("me".to_owned()),
        sequence: 1,
        attempt: 0,
        orchestrator: "https://o:8935".to_owned(),
        pool: "default".to_owned(),
        terms: Terms {
            session_id: "s".to_owned(),
            price: price(price_wei),
            params: Some(params(1)),
        },
        price_cap: None,
        // Two million pixels, taken for 60 frames a second: 1000 × 1000 × 1 × 2 s.
        renditions: vec![PaidRendition { width: 1_000, height: 1_000, fps: 1, fps_den: 1 }],
        duration: Duration::from_secs(2),
    }
}

fn tickets(payment: &Payment) -> u32 {
    payment.batch.as_ref().map_or(0, |batch| batch.count().get())
}

#[test]
fn tickets_cover_the_fee_and_credit_is_used_first() {
    let mut bench = Bench::new(PayerConfig::default());
    // 2 000 000 pixels at 2 000 wei per million, and 2 %: 4 080 wei.
    let first = bench.prepare(request(2_000)).unwrap();
    assert_eq!(tickets(&first), 5);
    bench.settle(first.id, Ending::Done { pixels: 1_000_000 });
    assert_eq!(bench.settlement().settlement.debited, wei("2000"));
    let balance = bench.settlement().settlement.returned.floor();
    assert_eq!(balance, wei("2999"), "five tickets, a little below 1000 each, less the fee");
    let second = bench.prepare(request(2_000)).unwrap();
    assert_eq!(tickets(&second), 2);
    let nonces: Vec<_> = second.batch.iter().flat_map(UnsignedBatch::tickets).collect();
    assert_eq!(nonces[0].sender_nonce, 6, "no nonce twice");
    bench.settle(second.id, Ending::Failed);
    assert!(bench.totals().adds_up(), "{:?}", bench.totals());
    assert!(bench.totals().left.is_zero(), "{:?}", bench.totals());
}

#[test]
fn what_is_sent_is_on_record_before_it_is_handed_out() {
    let mut bench = Bench::new(PayerConfig::default());
    let payment = bench.prepare(request(2_000)).unwrap();
    let Some(Entry::Sent(sent)) = bench.entries.last() else { panic!("{:?}", bench.entries) };
    let batch = payment.batch.unwrap();
    assert_eq!((sent.payment, sent.mark), (payment.id, Some(batch.mark())));
    assert_eq!((sent.tickets, &sent.added), (5, &batch.expected_value()));
    bench.settle(payment.id, Ending::NoAnswer);
    assert_eq!(bench.settlement().settlement.in_doubt, batch.expected_value());
    let recorded = bench.entries.len();
    bench.settle(payment.id, Ending::Done { pixels: 1 });
    assert_eq!(bench.entries.len(), recorded, "settled once");
}

#[test]
fn a_budget_ends_one_stream_and_no_other() {
    let mut bench = Bench::with_budget(BudgetScope::Stream("cam".to_owned()), 9_000);
    let first = bench.prepare(request(2_000)).unwrap();
    bench.settle(first.id, Ending::Failed);
    let refusal = bench.prepare(request(2_000)).unwrap_err();
    assert!(matches!(refusal, Refusal::Budget { .. }), "{refusal:?}");
    assert_eq!(refusal.class(), RefusalClass::Nobody);
    assert_eq!(
        refusal.to_string(),
        "budget: 9000 wei a day for stream cam leaves 4000 wei, and 5000 are needed"
    );
    let other = PaymentRequest { stream: "other".to_owned(), ..request(2_000) };
    bench.prepare(other).unwrap();
    bench.pass(Duration::from_secs(24 * 60 * 60));
    bench.prepare(request(2_000)).unwrap();
}

#[test]
fn what_is_kept_back_for_cheaper_pools_is_theirs_alone() {
    let cheap = |wei| PaymentRequest { pool: "cheap".to_owned(), ..request(wei) };
    let cheaper = CheaperPools { from: wei("6000"), pools: BTreeSet::from(["cheap".to_owned()]) };
    let budget = Budget {
        cheaper: Some(cheaper),
        ..Budget::new(BudgetScope::EachStream, BudgetWindow::Day, wei("9000"))
    };
    let mut bench = Bench::new(PayerConfig { budgets: vec![budget], ..PayerConfig::default() });
    let first = bench.prepare(request(2_000)).unwrap();
    bench.settle(first.id, Ending::Failed);
    let used_up = |refusal| {
        let Refusal::Budget { used_up, left, .. } = refusal else { panic!("{refusal:?}") };
        (used_up, left)
    };
    let refused = used_up(bench.prepare(request(1_000)).unwrap_err());
    assert_eq!(refused, (false, "1000".to_owned()), "3000 would be needed");
    let second = bench.prepare(cheap(1_000)).unwrap();
    bench.settle(second.id, Ending::Failed);
    assert_eq!(used_up(bench.prepare(cheap(2_000)).unwrap_err()), (true, "1000".to_owned()));
    assert_eq!(bench.spent("cam").ceil(), wei("8000"));
}

#[test]
fn what_was_withdrawn_was_not_spent() {
    let mut bench = Bench::with_budget(BudgetScope::Fleet, 5_500);
    for _ in 0..5 {
        let payment = bench.prepare(request(2_000)).unwrap();
        bench.settle(payment.id, Ending::Withdrawn);
    }
    assert!(bench.totals().sent.is_zero(), "{:?}", bench.totals());
}

#[test]
fn prices_are_checked_before_every_payment() {
    let mut bench = Bench::new(PayerConfig::default());
    let capped = PaymentRequest { price_cap: Some(price(2_000)), ..request(2_001) };
    assert!(matches!(bench.prepare(capped), Err(Refusal::PriceOverCap { .. })));
    let first = bench.prepare(request(2_000)).unwrap();
    bench.settle(first.id, Ending::Done { pixels: 2_000_000 });
    bench.prepare(request(4_000)).unwrap();
    let refusal = bench.prepare(request(4_001)).unwrap_err();
    assert!(matches!(refusal, Refusal::PriceDoubled { .. }), "{refusal:?}");
    assert_eq!((refusal.class(), refusal.kind()), (RefusalClass::Price, "price_doubled"));
}

#[test]
fn terms_that_can_not_be_met_change_nothing() {
    let mut bench = Bench::new(PayerConfig::default());
    let mut asks = request(2_000);
    asks.terms.params = None;
    assert!(matches!(bench.prepare(asks.clone()), Err(Refusal::MissingParams(_))));
    asks.terms.price = Price::FREE;
    assert_eq!(tickets(&bench.prepare(asks).unwrap()), 0, "free work needs no tickets");
    let mut old = request(2_000);
    if let Some(params) = &mut old.terms.params {
        params.expiration_block = 901;
    }
    let refusal = bench.prepare(old).unwrap_err();
    assert!(matches!(refusal, Refusal::Sender(SenderError::Expired { .. })), "{refusal:?}");
    assert_eq!(refusal.class(), RefusalClass::Refresh);
    assert_eq!(tickets(&bench.prepare(request(2_000)).unwrap()), 5);
}

#[test]
fn a_chain_that_is_not_heard_of_stops_tickets_but_not_credit() {
    let mut bench = Bench::new(PayerConfig::default());
    let payment = bench.prepare(request(2_000)).unwrap();
    bench.settle(payment.id, Ending::Done { pixels: 100 });
    bench.payer.handle_view(None);
    let cheap = PaymentRequest { duration: Duration::from_secs(1), ..request(1_000) };
    assert_eq!(tickets(&bench.prepare(cheap).unwrap()), 0);
    let refusal = bench.prepare(request(2_000)).unwrap_err();
    assert_eq!(refusal, Refusal::ChainUnknown);
}

#[test]
fn a_restart_goes_on_with_nonces_names_and_budgets() {
    let mut bench = Bench::with_budget(BudgetScope::Fleet, 9_000);
    let first = bench.prepare(request(2_000)).unwrap();
    let mark = first.batch.unwrap().mark();
    let mut after = Bench::with_budget(BudgetScope::Fleet, 9_000);
    after.payer.restore(Restored {
        next_payment: first.id.0 + 1,
        marks: vec![mark],
        spent: vec![SpentMinute {
            at: bench.wall,
            stream: "cam".to_owned(),
            owner: None,
            spent: wei("5000"),
        }],
    });
    let refusal = after.prepare(request(2_000)).unwrap_err();
    assert!(matches!(refusal, Refusal::Budget { .. }), "{refusal:?}");
    let cheap = after.prepare(request(500)).unwrap();
    assert_eq!(cheap.id, PaymentId(first.id.0 + 1));
    let next: Vec<_> = cheap.batch.iter().flat_map(UnsignedBatch::tickets).collect();
    assert_eq!(next[0].sender_nonce, mark.last_nonce + 1);
}

#[test]
fn idle_sessions_are_closed_with_what_is_left() {
    let mut bench = Bench::new(PayerConfig::default());
    let done = bench.prepare(request(2_000)).unwrap();
    bench.settle(done.id, Ending::Done { pixels: 1_000_000 });
    let open = PaymentRequest {
        terms: Terms { session_id: "t".to_owned(), ..request(1).terms },
        ..request(2_000)
    };
    bench.prepare(open).unwrap();
    bench.pass(Duration::from_secs(600));
    bench.payer.handle_timeout(bench.now, bench.wall);
    bench.drain();
    let closed: Vec<_> = bench
        .entries
        .iter()
        .filter_map(|it| match it {
            Entry::Closed { session_id, left, .. } => Some((session_id.as_str(), left.floor())),
            Entry::Sent(_) | Entry::Settled(_) => None,
        })
        .collect();
    assert_eq!(closed, [("s", wei("2999"))], "not the one with an attempt in flight");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, every wei that left the house is accounted for, no nonce is used twice, and
    /// no budget is passed.
    #[test]
    fn every_wei_is_accounted_for(steps in proptest::collection::vec((0_u8..6, 1_u64..5_000, 0_u8..3), 1..80)) {
        let mut bench = Bench::with_budget(BudgetScope::EachStream, 200_000);
        let mut open: Vec<PaymentId> = Vec::new();
        let mut nonces: HashMap<B256, u32> = HashMap::new();
        for (step, amount, choice) in steps {
            if step < 3 {
                let mut wanted = request(amount);
                wanted.stream = format!("cam{choice}");
                wanted.terms.session_id = format!("s{}", amount % 2);
                wanted.terms.params = Some(params(choice));
                if let Ok(payment) = bench.prepare(wanted) {
                    if let Some(batch) = &payment.batch {
                        let mark = batch.mark();
                        let last = nonces.entry(mark.recipient_rand_hash).or_default();
                        prop_assert_eq!(mark.last_nonce, *last + batch.count().get());
                        *last = mark.last_nonce;
                    }
                    open.push(payment.id);
                }
            } else if !open.is_empty() {
                let payment = open.swap_remove(usize::try_from(amount).unwrap() % open.len());
                bench.settle(payment, match step {
                    3 => Ending::Done { pixels: amount * 1_000 },
                    4 => Ending::Failed,
                    _ if choice == 0 => Ending::Withdrawn,
                    _ => Ending::NoAnswer,
                });
            }
        }
        let totals = bench.totals();
        prop_assert!(totals.adds_up(), "{:?}", totals);
        for stream in ["cam0", "cam1", "cam2"] {
            prop_assert!(bench.spent(stream) <= wei("200000"));
        }
    }
}
