//! Payments that are refused, each in the network's words (livepeer-wire §4.8).

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use tickets::{ReceiverView, SenderFunds, U256};
use tower::ServiceExt;

use super::{
    paying::{Gateway, PaidOrchestrator, account, key, price, segment, state},
    support::job,
};
use crate::{
    OrchestratorInfo, PaymentHeader, SegmentPayment, proto, segment_credentials,
    server::{ChainState, SenderAccount},
};

/// A session with a payment of four tickets that is good.
struct Scene {
    orchestrator: PaidOrchestrator,
    gateway: Gateway,
    info: OrchestratorInfo,
    good: SegmentPayment,
}

impl Scene {
    async fn new() -> Self {
        let orchestrator = PaidOrchestrator::start(price(1_200, 1), []).await;
        let mut gateway = Gateway::new(0x46);
        let info = gateway.session(&orchestrator).await;
        let good = gateway.payment(&info, &segment(1), 4);
        Self { orchestrator, gateway, info, good }
    }

    /// The text of a 400.
    async fn text(&self, change: impl FnOnce(&mut proto::Payment)) -> String {
        let (status, text) =
            self.gateway.refused(&self.info, &segment(1), &self.good, change).await;
        assert_eq!(status, 400, "{text}");
        text
    }

    async fn assert_good(&self) {
        let Self { gateway, info, good, .. } = self;
        gateway.client.transcode_paid(info, &segment(1), good).await.unwrap();
    }
}

/// Something that is done to a payment.
type Change = Box<dyn FnOnce(&mut proto::Payment)>;

fn params(payment: &mut proto::Payment) -> &mut proto::TicketParams {
    payment.ticket_params.as_mut().unwrap()
}

#[tokio::test]
async fn inactive_orchestrators_take_no_payments() {
    let scene = Scene::new().await;
    let view = ReceiverView { active: false, ..state().view };
    scene.orchestrator.chain.set_state(ChainState { view, ..state() });
    let expected = format!(
        "orchestrator {} is inactive in round 5, cannot process payments",
        scene.orchestrator.address
    );
    assert_eq!(scene.text(|_| ()).await, expected);
    scene.orchestrator.chain.set_state(state());
    scene.assert_good().await;
}

#[tokio::test]
async fn impossible_prices_are_refused() {
    let scene = Scene::new().await;
    let with = |wei, pixels| {
        move |payment: &mut proto::Payment| {
            let price = payment.expected_price.as_mut().unwrap();
            (price.price_per_unit, price.pixels_per_unit) = (wei, pixels);
        }
    };
    let refused = |fault| format!("invalid expected price sent with payment err=\"{fault}\"");
    assert_eq!(scene.text(with(1, 0)).await, refused("pixels per unit is 0"));
    assert_eq!(scene.text(with(-1, 1)).await, refused("price per unit is negative"));
    assert_eq!(scene.text(with(1, i64::MIN)).await, refused("pixels per unit is negative"));
    assert_eq!(scene.text(|payment| payment.expected_price = None).await, refused("no price"));
    scene.assert_good().await;
}

#[tokio::test]
async fn senders_must_be_known_and_locked() {
    let scene = Scene::new().await;
    let none = scene.text(|payment| payment.sender = Bytes::new()).await;
    assert_eq!(none, "Could not find Sender for payment: it has no address");
    for sender in [vec![0; 20], vec![1; 19], vec![1; 32]] {
        let text = scene.text(|payment| payment.sender = sender.into()).await;
        assert_eq!(text, "invalid ticket sender");
    }
    let (chain, sender) = (&scene.orchestrator.chain, scene.gateway.key.address());
    chain.set_sender(sender, Err("no node answers".into()));
    let expected = format!("could not get sender info for {sender}: no node answers");
    assert_eq!(scene.text(|_| ()).await, expected);
    let funds = SenderFunds { withdraw_round: U256::from(6), ..account().funds };
    chain.set_sender(sender, Ok(SenderAccount { funds, ..account() }));
    let expected = format!("deposit and reserve for sender {sender} is set to unlock soon");
    assert_eq!(scene.text(|_| ()).await, expected);
    chain.set_sender(sender, Ok(account()));
    scene.assert_good().await;
}

#[tokio::test]
async fn terms_that_were_not_given_are_refused() {
    let mut scene = Scene::new().await;
    let other = key(9).address();
    let recipient = Bytes::copy_from_slice(other.as_slice());
    let text = scene.text(|payment| params(payment).recipient = recipient).await;
    assert_eq!(text, "invalid ticket recipient");
    let text = scene.text(|payment| payment.ticket_params = None).await;
    assert_eq!(text, "invalid ticket recipient");

    // Mixed between two infos: the params of one, the round, price or session of another.
    let expected = "invalid recipientRand for ticket recipientRandHash";
    let second = scene.gateway.session(&scene.orchestrator).await;
    let seed = second.quote().unwrap().params.seed;
    let changes: [Change; 7] = [
        Box::new(move |payment| params(payment).seed = tickets::big_bytes(seed).into()),
        Box::new(|payment| params(payment).face_value = Bytes::from_static(&[1; 33])),
        Box::new(|payment| params(payment).win_prob = Bytes::from_static(&[0xff; 32])),
        Box::new(|payment| params(payment).expiration_block = Bytes::from_static(&[0xff; 30])),
        Box::new(|payment| payment.expiration_params = None),
        Box::new(|payment| payment.expiration_params.as_mut().unwrap().creation_round = -1),
        Box::new(|payment| payment.expected_price.as_mut().unwrap().price_per_unit = 1_199),
    ];
    for change in changes {
        assert_eq!(scene.text(change).await, expected);
    }
    // Of another orchestrator, or of this one before it was restarted.
    let restarted = PaidOrchestrator::start(price(1_200, 1), []).await;
    let info = scene.gateway.session(&restarted).await;
    let (status, text) = scene.gateway.refused(&info, &segment(1), &scene.good, |_| ()).await;
    assert_eq!((status, text.as_str()), (400, expected));
    scene.good = scene.gateway.payment(&scene.info, &segment(1), 4);
    scene.assert_good().await;
}

#[tokio::test]
async fn tickets_must_be_signed_unseen_and_fresh() {
    let mut scene = Scene::new().await;
    let sender = scene.gateway.key.address();
    let text = scene
        .text(|payment| payment.ticket_sender_params[3].sig = Bytes::from_static(&[1; 65]))
        .await;
    assert_eq!(text, "invalid ticket signature");
    // The three before were credited; the payment is otherwise good.
    let text = scene.text(|_| ()).await;
    let expected = format!("invalid ticket senderNonce: already seen sender={sender} nonce=3");
    assert_eq!(text, expected);
    let totals = scene.orchestrator.inner.server.payment_totals().await.unwrap();
    assert_eq!((totals.tickets, totals.refused, totals.payments), (3, 2, 0));

    scene.good = scene.gateway.payment(&scene.info, &segment(1), 1);
    let view = ReceiverView { l1_block: 140, ..state().view };
    scene.orchestrator.chain.set_state(ChainState { view, ..state() });
    assert_eq!(scene.text(|_| ()).await, "TicketParams expired");
    // What expired never comes back, even if the chain seems to.
    scene.orchestrator.chain.set_state(state());
    assert_eq!(scene.text(|_| ()).await, "TicketParams expired");
}

#[tokio::test]
async fn nonces_are_used_up() {
    let mut scene = Scene::new().await;
    for sequence in 0..5 {
        let paid = scene.gateway.payment(&scene.info, &segment(sequence), 100);
        scene.gateway.client.transcode_paid(&scene.info, &segment(sequence), &paid).await.unwrap();
    }
    scene.assert_good().await;
    scene.good = scene.gateway.payment(&scene.info, &segment(1), 96);
    scene.assert_good().await;
    // Its own checks would keep the sender from it.
    scene.gateway.sender = Gateway::new(0x46).sender;
    for _ in 0..6 {
        scene.good = scene.gateway.payment(&scene.info, &segment(1), 100);
    }
    let ticket = tickets::Ticket::new(
        &scene.info.quote().unwrap().params,
        scene.info.quote().unwrap().params.expiration,
        scene.gateway.key.address(),
        601,
    );
    let sig = scene.gateway.key.sign(ticket.hash().as_slice()).to_bytes();
    let text = scene
        .text(|payment| {
            let sig = Bytes::copy_from_slice(&sig);
            payment.ticket_sender_params =
                vec![proto::TicketSenderParams { sender_nonce: 601, sig }];
        })
        .await;
    let sender = scene.gateway.key.address();
    let expected =
        format!("invalid ticket senderNonce: too many values sender={sender} nonces=600");
    assert_eq!(text, expected);
}

#[tokio::test]
async fn credit_is_needed_before_work() {
    let mut scene = Scene::new().await;
    // One ticket is enough to begin with; the work costs more than it.
    let price = price(50_000, 1);
    let dear = PaidOrchestrator::start(price, []).await;
    let info = scene.gateway.session(&dear).await;
    let one = scene.gateway.payment(&info, &segment(1), 1);
    let result = scene.gateway.client.transcode_paid(&info, &segment(1), &one).await.unwrap();
    let info = result.info.unwrap();
    for tickets in [0, 1] {
        let payment = scene.gateway.payment(&info, &segment(2), tickets);
        let (status, text) = scene.gateway.refused(&info, &segment(2), &payment, |_| ()).await;
        assert_eq!((status, text.as_str()), (400, "Insufficient balance"), "{tickets}");
    }
    let enough = scene.gateway.payment(&info, &segment(2), 3);
    scene.gateway.client.transcode_paid(&info, &segment(2), &enough).await.unwrap();
}

#[tokio::test]
async fn segments_are_signed_by_who_pays() {
    let scene = Scene::new().await;
    let mut odd = scene.good.clone();
    odd.signature = key(0x47).sign_hashed(&segment(1).claim(odd.hash));
    let refused = async |payment: &SegmentPayment, sequence| {
        scene.gateway.refused(&scene.info, &segment(sequence), payment, |_| ()).await
    };
    assert_eq!(refused(&odd, 1).await, (403, "ErrSegSig".to_owned()));
    assert_eq!(refused(&scene.good, 2).await, (403, "ErrSegSig".to_owned()), "another segment");
    odd.header = PaymentHeader::from_text("").unwrap();
    assert_eq!(refused(&odd, 1).await, (403, "ErrSegSig".to_owned()), "nobody pays");
    // A body that isn't what was signed is refused like anywhere.
    let hash = tickets::keccak256("another");
    let lie = SegmentPayment::sign(scene.good.header.clone(), &segment(1), hash, &key(0x46));
    assert_eq!(refused(&lie, 1).await, (403, "Forbidden".to_owned()));
}

/// Any damage to a payment is answered with a status that gateways know.
#[tokio::test]
async fn damaged_payments_are_answered() {
    let scene = Scene::new().await;
    let job = job(b"segment");
    let hash = job.hash();
    let sig = Bytes::copy_from_slice(&key(0x46).sign_hashed(&job.claim(hash)).to_bytes());
    let data = segment_credentials::seg_data(&job, scene.info.token(), &hash, sig).unwrap();
    let good = STANDARD.decode(scene.good.header.expose()).unwrap();
    let router = scene.orchestrator.inner.server.router();
    let mut runner = TestRunner::deterministic();
    let damage = proptest::collection::vec((0..good.len(), 0_u8..=255), 1..4);
    let mut statuses = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let mut bytes = good.clone();
        for (at, byte) in damage.new_tree(&mut runner).unwrap().current() {
            bytes[at] = byte;
        }
        let request = Request::post("/segment")
            .header("Livepeer-Segment", segment_credentials::header(&data))
            .header("Livepeer-Payment", STANDARD.encode(&bytes))
            .body(Body::from("segment"))
            .unwrap();
        statuses.insert(router.clone().oneshot(request).await.unwrap().status().as_u16());
    }
    assert!(statuses.is_subset(&[200, 400, 402, 403].into()), "{statuses:?}");
    assert!(statuses.is_superset(&[400, 402, 403].into()), "{statuses:?}");
    let oversized = Request::post("/segment")
        .header("Livepeer-Segment", segment_credentials::header(&data))
        .header("Livepeer-Payment", "A".repeat(200 << 10))
        .body(Body::from("segment"))
        .unwrap();
    assert_eq!(router.oneshot(oversized).await.unwrap().status().as_u16(), 402);
}
