//! Segments that are paid for.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use prost::Message;
use tickets::{B256, SessionKey, Signature, U256, Wei, keccak256, signed};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{
    paying::{Gateway, PIXELS, PaidOrchestrator, Won, changed, key, price, segment, wei},
    support::{Act, Orchestrator, Transport, client, job},
};
use crate::{
    DiscoveryError, PaymentFate, QuoteError, TranscodeError, proto, segment_credentials,
    server::{OfflineChain, OrchestratorServer, PaidConfig},
};

#[tokio::test]
async fn terms_are_quoted_to_who_signs_for_them() {
    let orchestrator = PaidOrchestrator::start(price(2_400, 2), []).await;
    let info = Gateway::new(0x46).session(&orchestrator).await;
    let quote = info.quote().unwrap();
    assert_eq!((quote.price, quote.session_id.as_str()), (price(1_200, 1), info.session_id()));
    assert_eq!((quote.recipient(), quote.params.expiration_block), (orchestrator.address, 140));
    assert_eq!(quote.params.expiration.creation_round, 5);
    assert_eq!(quote.params.expected_value().floor(), wei("8000000000"));
    assert_eq!(quote.params.face_value, U256::from(800_000_000_000_u64));
    let signer = info.eth_address().unwrap().to_string();
    assert_eq!(signer, orchestrator.address.to_string().to_lowercase());

    let needs = job(b"").capabilities();
    let unsigned = client().get_orchestrator(&orchestrator.inner.address, &needs).await;
    let error = unsigned.unwrap_err();
    assert!(error.to_string().contains("orchestrator req sig check failed"), "{error}");
    let poor = Gateway::new(0x48);
    let error = poor.client.get_orchestrator(&orchestrator.inner.address, &needs).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("insufficient sender reserve"), "{error}");
    orchestrator.won.full.store(true, Ordering::SeqCst);
    let gateway = Gateway::new(0x46);
    let error = gateway.client.get_orchestrator(&orchestrator.inner.address, &needs).await;
    assert!(matches!(error, Err(DiscoveryError::Capped)));
}

/// Credit survives between segments, and every wei of both sides' books agrees.
#[tokio::test]
async fn a_stream_is_paid_exactly_at_any_price() {
    for terms in [price(1_200, 1), price(1, 3), price(70_001, 7)] {
        let orchestrator = PaidOrchestrator::start(terms, []).await;
        let mut gateway = Gateway::new(0x46);
        let mut info = gateway.session(&orchestrator).await;
        let mut without_tickets = 0;
        for sequence in 0..70 {
            let before = gateway.ledger.totals().sent.clone();
            let result = gateway.transcode(&info, &segment(sequence)).await.unwrap();
            without_tickets += u32::from(gateway.ledger.totals().sent == before);
            let update = result.info.unwrap();
            let (old, new) = (info.quote().unwrap(), update.quote().unwrap());
            assert_eq!((new.price, &new.session_id), (terms, &old.session_id));
            assert_ne!(new.params.recipient_rand_hash, old.params.recipient_rand_hash);
            info = update;
        }
        assert!(without_tickets > 20, "{terms}: {without_tickets}");
        let totals = orchestrator.inner.server.payment_totals().await.unwrap();
        let ours = gateway.ledger.totals();
        assert_eq!((totals.payments, totals.refused), (70, 0));
        assert_eq!((&totals.credited, &totals.debited), (&ours.sent, &ours.debited));
        assert_eq!(totals.debited, terms.of_pixels(PIXELS).times(70));
        let session_id = info.session_id().to_owned();
        let key = SessionKey { sender: gateway.key.address(), session_id };
        let balance = orchestrator.inner.server.balance(&key).await.unwrap();
        assert_eq!(&balance, gateway.ledger.balance());
    }
}

#[tokio::test]
async fn results_and_pings_are_signed() {
    let orchestrator = PaidOrchestrator::start(price(1_200, 1), []).await;
    let mut gateway = Gateway::new(0x46);
    let info = gateway.session(&orchestrator).await;
    let (job, tickets) = (segment(42), 4);
    let payment = gateway.payment(&info, &job, tickets);
    let sig = Bytes::copy_from_slice(&payment.signature.to_bytes());
    let data = segment_credentials::seg_data(&job, info.token(), &payment.hash, sig).unwrap();
    let request = Request::post("/segment")
        .header("Livepeer-Segment", segment_credentials::header(&data))
        .header("Livepeer-Payment", payment.header.expose())
        .body(Body::from("segment"))
        .unwrap();
    let response = orchestrator.inner.server.router().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let result = proto::TranscodeResult::decode(body).unwrap().result.unwrap();
    let proto::transcode_result::Result::Data(data) = result else { panic!("no data") };
    let digests = [(640, 360), (426, 240)]
        .map(|(width, height)| keccak256(format!("{width}x{height} of 7 bytes")));
    let signature = Signature::from_wire(&data.sig).unwrap();
    let digest = signed::renditions_digest(&digests);
    assert_eq!(signature.verify(orchestrator.address, digest.as_slice()), Ok(()));

    let address = &orchestrator.inner.address;
    let pong = gateway.client.ping(address, Bytes::from_static(b"hello")).await.unwrap();
    let signature = Signature::from_wire(&pong).unwrap();
    assert_eq!(signed::verify_hashed(&signature, orchestrator.address, b"hello"), Ok(()));
    let long = Bytes::from_static(&[1; 33]);
    assert!(gateway.client.ping(address, long).await.is_err(), "no ticket is signed this way");
}

#[tokio::test]
async fn the_first_payment_fixes_the_price() {
    let orchestrator = PaidOrchestrator::start(price(1_200, 1), []).await;
    let mut gateway = Gateway::new(0x46);
    let session = gateway.session(&orchestrator).await;
    let first = gateway.transcode(&session, &segment(1)).await.unwrap().info.unwrap();

    let gas_price = U256::from(100_000_000);
    orchestrator.chain.set_state(crate::server::ChainState { gas_price, ..super::paying::state() });
    let dearer = gateway.session(&orchestrator).await;
    assert_eq!(dearer.quote().unwrap().price, price(1_212, 1), "redeeming costs a hundredth");
    let second = gateway.transcode(&first, &segment(2)).await.unwrap().info.unwrap();
    assert_eq!(second.quote().unwrap().price, price(1_200, 1));
    let third = gateway.transcode(&second, &segment(3)).await.unwrap().info.unwrap();
    assert_eq!(third.quote().unwrap().price, price(1_200, 1));

    // Neither another price that was quoted, nor one that never was, is the session's.
    for payment in
        [gateway.payment(&dearer, &segment(4), 1), gateway.payment(&dearer, &segment(4), 0)]
    {
        let (status, text) = gateway.refused(&third, &segment(4), &payment, |_| ()).await;
        let expected = "invalid expected price sent with payment err=\"1212/1 is not the session's \
            price 1200/1\"";
        assert_eq!((status, text.as_str()), (400, expected));
    }
}

/// Whoever says that work is free, or names no tickets, gets none.
#[tokio::test]
async fn nothing_is_free_because_a_gateway_says_so() {
    let orchestrator = PaidOrchestrator::start(price(1_200, 1), []).await;
    let mut gateway = Gateway::new(0x46);
    let info = gateway.session(&orchestrator).await;
    let unpaid = gateway.payment(&info, &segment(1), 0);
    let (status, text) = gateway.refused(&info, &segment(1), &unpaid, |_| ()).await;
    assert_eq!((status, text.as_str()), (400, "Insufficient balance"));
    let free = |payment: &mut proto::Payment| {
        payment.expected_price.as_mut().unwrap().price_per_unit = 0;
    };
    let (status, text) = gateway.refused(&info, &segment(1), &unpaid, free).await;
    let expected = "invalid expected price sent with payment err=\"0/1 was never quoted\"";
    assert_eq!((status, text.as_str()), (400, expected));
    assert_eq!(orchestrator.inner.transcoder.request_count(), 0);
}

#[tokio::test]
async fn free_work_needs_signatures_but_no_tickets() {
    let orchestrator = PaidOrchestrator::start(tickets::Price::FREE, []).await;
    let mut gateway = Gateway::new(0x48);
    let mut info = gateway.session(&orchestrator).await;
    for sequence in 0..3 {
        info = gateway.transcode(&info, &segment(sequence)).await.unwrap().info.unwrap();
    }
    assert_eq!(gateway.ledger.totals().sent, Wei::zero());
    let error = gateway.client.transcode(&info, &segment(4)).await.unwrap_err();
    assert!(matches!(&error, TranscodeError::Refused { status: 403, text } if text == "ErrSegSig"));
}

#[tokio::test]
async fn two_senders_do_not_mix() {
    let orchestrator = PaidOrchestrator::start(price(1_200, 1), []).await;
    let (mut first, mut second) = (Gateway::new(0x46), Gateway::new(0x47));
    let info = first.session(&orchestrator).await;
    let paid = first.payment(&info, &segment(1), 20);
    first.client.transcode_paid(&info, &segment(1), &paid).await.unwrap();

    // In the first one's session, the second has no credit, and tickets of its own aren't for it.
    let unpaid = second.payment(&info, &segment(2), 0);
    let (_, text) = second.refused(&info, &segment(2), &unpaid, |_| ()).await;
    assert_eq!(text, "Insufficient balance");
    let stolen = second.payment(&info, &segment(2), 1);
    let (_, text) = second.refused(&info, &segment(2), &stolen, |_| ()).await;
    assert_eq!(text, "invalid recipientRand for ticket recipientRandHash");
    // Nor can it spend the first one's payment.
    let header = first.payment(&info, &segment(2), 1).header;
    let spent = crate::SegmentPayment { header, ..unpaid };
    let (status, text) = second.refused(&info, &segment(2), &spent, |_| ()).await;
    assert_eq!((status, text.as_str()), (403, "ErrSegSig"));

    let session_id = info.session_id().to_owned();
    let balance = async |sender| {
        let key = SessionKey { sender, session_id: session_id.clone() };
        orchestrator.inner.server.balance(&key).await.unwrap()
    };
    assert!(balance(first.key.address()).await.is_positive());
    assert!(balance(second.key.address()).await.is_zero());
}

#[tokio::test]
async fn failed_work_is_not_charged_and_busy_ones_keep_the_credit() {
    let script = [Act::Fail(crate::server::TranscodeFailure::Unavailable)];
    let orchestrator = PaidOrchestrator::start(price(1_200, 1), script).await;
    let mut gateway = Gateway::new(0x46);
    let info = gateway.session(&orchestrator).await;
    let paid = gateway.payment(&info, &segment(1), 20);
    let error = gateway.client.transcode_paid(&info, &segment(1), &paid).await.unwrap_err();
    assert_eq!((error.kind(), paid.progress.fate()), ("failed", PaymentFate::Arrived));
    let totals = orchestrator.inner.server.payment_totals().await.unwrap();
    assert_eq!((totals.debited, totals.tickets), (Wei::zero(), 20));
    let unpaid = gateway.payment(&info, &segment(1), 0);
    gateway.client.transcode_paid(&info, &segment(1), &unpaid).await.unwrap();
}

#[tokio::test]
async fn winning_tickets_are_handed_over_even_of_refused_payments() {
    let mut paid = PaidConfig::new(key(7), price(1_200, 1));
    // Every second ticket wins.
    paid.tickets.max_face_value = Some(paid.tickets.ticket_ev * U256::from(2));
    let orchestrator = PaidOrchestrator::start_as(Transport::Plaintext, paid, []).await;
    let mut gateway = Gateway::new(0x46);
    let info = gateway.session(&orchestrator).await;
    let paid = gateway.payment(&info, &segment(0), 100);
    let result = gateway.client.transcode_paid(&info, &segment(0), &paid).await;
    let won = orchestrator.won.tickets.lock().unwrap().clone();
    assert!((20..80).contains(&won.len()), "{}", won.len());
    for ticket in &won {
        assert!(ticket.ticket.wins(&ticket.signature, ticket.recipient_rand));
    }
    let totals = orchestrator.inner.server.payment_totals().await.unwrap();
    assert_eq!((totals.winning, totals.tickets), (won.len() as u64, 100));

    let info = result.unwrap().info.unwrap();
    let late = gateway.payment(&info, &segment(1), 100);
    let mut state = super::paying::state();
    state.view.l1_block = 140;
    orchestrator.chain.set_state(state);
    let (_, text) = gateway.refused(&info, &segment(1), &late, |_| ()).await;
    assert_eq!(text, "TicketParams expired");
    let totals = orchestrator.inner.server.payment_totals().await.unwrap();
    assert_eq!(totals.tickets, 100, "nothing of it is credited");
    assert!(totals.winning > won.len() as u64 + 20, "{}", totals.winning);

    orchestrator.won.full.store(true, Ordering::SeqCst);
    let paid = gateway.payment(&info, &segment(9), 1);
    let (status, text) = gateway.refused(&info, &segment(9), &paid, |_| ()).await;
    assert_eq!((status, text.as_str()), (500, "Internal Server Error"));
}

/// Credit without a segment is kept under the manifest id.
#[tokio::test]
async fn a_payment_without_a_segment_is_credited() {
    let orchestrator = PaidOrchestrator::start(price(1_200, 1), []).await;
    let mut gateway = Gateway::new(0x46);
    let info = gateway.session(&orchestrator).await;
    let paid = gateway.payment(&info, &segment(0), 3);
    let claim = signed::SegmentClaim {
        manifest_id: b"stream",
        sequence: 0,
        hash: B256::ZERO,
        profile_names: &[],
    };
    let data = proto::SegData {
        manifest_id: Bytes::from_static(b"stream"),
        hash: Bytes::from_static(&[0; 32]),
        sig: Bytes::copy_from_slice(&gateway.key.sign_hashed(&claim.to_bytes()).to_bytes()),
        auth_token: Some(info.token().clone()),
        ..proto::SegData::default()
    };
    let send = async |data: &proto::SegData| {
        let request = Request::post("/payment")
            .header("Livepeer-Segment", STANDARD.encode(data.encode_to_vec()))
            .header("Livepeer-Payment", paid.header.expose())
            .body(Body::empty())
            .unwrap();
        let response = orchestrator.inner.server.router().oneshot(request).await.unwrap();
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    };
    let unsigned = proto::SegData { seq: 1, ..data.clone() };
    let (status, text) = send(&unsigned).await;
    assert_eq!((status, &*text), (StatusCode::FORBIDDEN, &b"ErrSegSig\n"[..]));
    let (status, body) = send(&data).await;
    assert_eq!(status, StatusCode::OK);
    let update = proto::PaymentResult::decode(body).unwrap().info.unwrap();
    assert_eq!(update.auth_token.as_ref(), Some(info.token()));
    assert!(update.ticket_params.is_some() && update.price_info.is_some());
    let key = SessionKey { sender: gateway.key.address(), session_id: "stream".into() };
    let balance = orchestrator.inner.server.balance(&key).await.unwrap();
    assert_eq!(balance, info.quote().unwrap().params.expected_value().times(3));
    let (status, text) = send(&data).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.starts_with(b"invalid ticket senderNonce: already seen"));
}

/// As a gateway that follows the real chain pays one that follows none.
#[tokio::test]
async fn an_orchestrator_without_a_chain_is_paid() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let orchestrator =
        Orchestrator::build(listener, Transport::Plaintext, [], |config, transcoder| {
            let chain = Arc::new(OfflineChain::new(media::wall_clock_now));
            let paid = PaidConfig::new(key(7), price(1_200, 1));
            OrchestratorServer::paid(config, transcoder, paid, chain, Arc::new(Won::default()))
        });
    let mut gateway = Gateway::new(0x49);
    let view = tickets::ChainView { l1_block: 24_000_000, ..Default::default() };
    gateway.sender.handle_view(view);
    let needs = job(b"").capabilities();
    let info = gateway.client.get_orchestrator(&orchestrator.address, &needs).await.unwrap();
    let info = gateway.transcode(&info, &segment(1)).await.unwrap().info.unwrap();
    gateway.transcode(&info, &segment(2)).await.unwrap();
}

#[tokio::test]
async fn six_hundred_tickets_fit_into_one_payment() {
    for transport in [Transport::Plaintext, Transport::Tls] {
        let orchestrator =
            PaidOrchestrator::start_as(transport, PaidConfig::new(key(7), price(1_200, 1)), [])
                .await;
        let mut gateway = Gateway::new(0x46);
        let info = gateway.session(&orchestrator).await;
        let mut batches: Vec<_> =
            (0..6).map(|_| gateway.payment(&info, &segment(1), 100)).collect();
        let mut listed = Vec::new();
        for batch in &batches {
            changed(&batch.header, |payment| {
                listed.append(&mut payment.ticket_sender_params.clone());
            });
        }
        let mut paid = batches.pop().unwrap();
        paid.header =
            changed(&paid.header, |payment| payment.ticket_sender_params = listed.clone());
        gateway.client.transcode_paid(&info, &segment(1), &paid).await.unwrap();
        let totals = orchestrator.inner.server.payment_totals().await.unwrap();
        assert_eq!(totals.tickets, 600, "{transport:?}");
        let many = |payment: &mut proto::Payment| {
            payment.ticket_sender_params = [&listed[..], &listed[..1]].concat();
        };
        let (_, text) = gateway.refused(&info, &segment(2), &paid, many).await;
        assert!(text.starts_with("invalid ticket senderNonce: too many values"), "{text}");
    }
}

#[tokio::test]
async fn payments_that_never_left_are_known() {
    let orchestrator = PaidOrchestrator::start(price(1_200, 1), [Act::Gated]).await;
    let mut gateway = Gateway::new(0x46);
    let info = gateway.session(&orchestrator).await;
    assert_eq!(client_quote_error(&orchestrator).await, QuoteError::NoParams);
    let paid = gateway.payment(&info, &segment(1), 4);
    let progress = paid.progress.clone();
    assert_eq!(progress.fate(), PaymentFate::Unsent);
    let (client, job) = (gateway.client.clone(), segment(1));
    let attempt = client.transcode_paid(&info, &job, &paid);
    // Dropped while the work is done: the headers are here.
    assert!(tokio::time::timeout(Duration::from_millis(500), attempt).await.is_err());
    assert_eq!(progress.fate(), PaymentFate::Arrived);

    let PaidOrchestrator { inner, .. } = orchestrator;
    drop(inner);
    let fresh = Gateway::new(0x46);
    let lost = gateway.payment(&info, &segment(2), 1);
    let error = fresh.client.transcode_paid(&info, &segment(2), &lost).await.unwrap_err();
    assert_eq!((error.kind(), lost.progress.fate()), ("connect", PaymentFate::Unsent));
    assert!(
        lost.header.expose().len() > 100 && !format!("{lost:?}").contains(lost.header.expose())
    );
}

/// What an off-chain orchestrator has to say about payment.
async fn client_quote_error(_: &PaidOrchestrator) -> QuoteError {
    let free = Orchestrator::start(Transport::Plaintext, [], |_| {}).await;
    *free.session(&client()).await.quote().unwrap_err()
}
