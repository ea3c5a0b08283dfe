use std::{num::NonZeroU32, time::Duration};

use tickets::{ExpirationParams, Price, Signature, U256, signed};

use super::*;
use crate::{
    RequestFault, SpendLimit,
    messages::segment::{PriceField, SegmentField, TicketsField},
};

const KEY: [u8; 32] = [0x46; 32];

fn key() -> PrivateKey {
    PrivateKey::from_bytes(&KEY).unwrap()
}

fn at(minutes: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 / 60 * 60 + minutes * 60)
}

/// A ticket is worth a thousand wei.
fn batch(first_nonce: u32, count: u32) -> UnsignedBatch {
    let params = TicketParams {
        recipient: Address::repeat_byte(1),
        face_value: U256::from(1_000_000),
        win_prob: U256::MAX / U256::from(1_000),
        recipient_rand_hash: B256::repeat_byte(2),
        seed: U256::from(7),
        expiration_block: 100,
        expiration: ExpirationParams::default(),
    };
    let round =
        ExpirationParams { creation_round: 5, creation_round_block_hash: B256::repeat_byte(3) };
    let count = NonZeroU32::new(count).unwrap();
    UnsignedBatch::new(key().address(), params, round, first_nonce, count).unwrap()
}

fn request(id: &str, batch: &UnsignedBatch) -> SegmentRequest {
    SegmentRequest {
        payment_id: id.to_owned(),
        sender: key().address().to_string(),
        stream: "studio".to_owned(),
        orchestrator: "https://orch:8935".to_owned(),
        session_id: "deadbeef".to_owned(),
        price: PriceField { wei: 1_200, pixels: 1 },
        segment: SegmentField {
            manifest_id: "abcdef".to_owned(),
            sequence: 1234,
            hash: B256::repeat_byte(9).to_string(),
            profiles: vec!["P240p30fps16x9".to_owned()],
        },
        tickets: Some(TicketsField::new(batch)),
    }
}

fn desk(limits: SigningLimits) -> SigningDesk {
    SigningDesk::new(key().address(), limits)
}

fn pay(
    desk: &mut SigningDesk,
    minutes: u64,
    id: &str,
    batch: &UnsignedBatch,
) -> Result<Option<Record>, Refusal> {
    desk.pay_segment(at(minutes), "gateway", &request(id, batch)).map(|grant| grant.record)
}

#[test]
fn tickets_and_claim_are_signed_with_the_key() {
    let mut desk = desk(SigningLimits::default());
    let unsigned = batch(1, 2);
    let grant = desk.pay_segment(at(0), "gateway", &request("1", &unsigned)).unwrap();
    assert!(grant.record.is_some() && !grant.repeated);
    let answer = grant.sign(&key()).unwrap();
    let header = PaymentHeader::from_text(&answer.payment).unwrap();
    let signatures = header.tickets().unwrap().into_iter().map(|(_, signature)| signature);
    let taken = unsigned.with_signatures(signatures.collect()).unwrap();
    assert_eq!(header, PaymentHeader::with_tickets(Price::new(1_200, 1).unwrap(), &taken));
    let bytes = hex::decode(&answer.segment_signature[2..]).unwrap();
    let names = ["P240p30fps16x9"];
    let hash = B256::repeat_byte(9);
    let claim = signed::SegmentClaim {
        manifest_id: b"abcdef",
        sequence: 1234,
        hash,
        profile_names: &names,
    };
    let signature = Signature::from_wire(&bytes).unwrap();
    assert_eq!(signed::verify_hashed(&signature, key().address(), &claim.to_bytes()), Ok(()));
}

#[test]
fn a_nonce_is_granted_once_in_any_order() {
    let mut desk = desk(SigningLimits::default());
    assert!(pay(&mut desk, 0, "2", &batch(3, 2)).is_ok());
    assert!(pay(&mut desk, 0, "1", &batch(1, 2)).is_ok(), "payments overtake one another");
    let used = pay(&mut desk, 0, "3", &batch(4, 2)).unwrap_err();
    assert_eq!((used.clone(), used.status()), (Refusal::NonceUsed(4), 409));
    assert!(pay(&mut desk, 0, "4", &batch(5, 1)).is_ok());
    assert_eq!(desk.total().ceil().to_string(), "5000");
}

#[test]
fn the_same_request_is_granted_again_and_counted_once() {
    let mut desk = desk(SigningLimits::default());
    let request = request("1", &batch(1, 2));
    let first = desk.pay_segment(at(0), "gateway", &request).unwrap();
    let again = desk.pay_segment(at(1), "gateway", &request).unwrap();
    assert!(again.repeated && again.record == first.record, "it may not be on the disk");
    desk.written(&first.record.clone().unwrap());
    let again = desk.pay_segment(at(1), "gateway", &request).unwrap();
    assert!(again.repeated && again.record.is_none());
    assert_eq!(first.sign(&key()), again.sign(&key()));
    assert_eq!(desk.total().ceil().to_string(), "2000");
    let reused = pay(&mut desk, 0, "1", &batch(3, 1)).unwrap_err();
    assert_eq!(reused, Refusal::PaymentReused);
    // Another client's names are its own; its nonces are not.
    let other = desk.pay_segment(at(1), "other", &request).unwrap_err();
    assert_eq!(other, Refusal::NonceUsed(1));
}

#[test]
fn credit_needs_no_tickets_and_no_record() {
    let mut desk = desk(SigningLimits { total: Some(U256::ZERO), ..SigningLimits::default() });
    let request = SegmentRequest { tickets: None, ..request("1", &batch(1, 1)) };
    let grant = desk.pay_segment(at(0), "gateway", &request).unwrap();
    assert_eq!(grant.record, None);
    let answer = grant.sign(&key()).unwrap();
    let expected = PaymentHeader::without_tickets(key().address(), Price::new(1_200, 1).unwrap());
    assert_eq!(answer.payment, expected.expose());
}

#[test]
fn limits_refuse_and_say_until_when() {
    let some = |number: u64| Some(U256::from(number));
    let limits = SigningLimits { hour: some(3_000), total: some(5_000), ..Default::default() };
    let mut desk = desk(limits);
    assert!(pay(&mut desk, 0, "1", &batch(1, 2)).is_ok());
    let over = pay(&mut desk, 10, "2", &batch(3, 2)).unwrap_err();
    let hour = Refusal::Limit { limit: SpendLimit::Hour, retry_after: Some(50 * 60) };
    assert_eq!((over.clone(), over.status()), (hour, 429));
    let answer = over.answer().error;
    assert_eq!((answer.limit.as_deref(), answer.retry_after), (Some("hour"), Some(3_000)));
    assert!(pay(&mut desk, 60, "2", &batch(3, 3)).is_ok(), "a refusal used no nonce");
    let over = pay(&mut desk, 9_000, "3", &batch(6, 1)).unwrap_err();
    assert_eq!(over, Refusal::Limit { limit: SpendLimit::Total, retry_after: None });
}

#[test]
fn terms_are_checked_as_senders_do() {
    let mut desk = desk(SigningLimits {
        ticket_ev: U256::from(1_000),
        call_ev: U256::from(2_000),
        face_value: Some(U256::from(1_000_000)),
        ..SigningLimits::default()
    });
    assert!(pay(&mut desk, 0, "1", &batch(1, 2)).is_ok());
    let mut changed = |change: fn(&mut TicketsField)| {
        let mut request = request("2", &batch(3, 1));
        change(request.tickets.as_mut().unwrap());
        desk.pay_segment(at(0), "gateway", &request).unwrap_err().code()
    };
    assert_eq!(changed(|tickets| tickets.count = 3), "call_ev");
    assert_eq!(changed(|tickets| tickets.face_value = "2000000".into()), "ticket_ev");
    assert_eq!(changed(|tickets| tickets.face_value = "0".into()), "worthless");
    assert_eq!(changed(|tickets| tickets.win_prob = "0".into()), "worthless");
    let always = |tickets: &mut TicketsField| tickets.win_prob = U256::MAX.to_string();
    assert_eq!(changed(always), "face_value_low");
    let rarely = |tickets: &mut TicketsField| {
        tickets.face_value = "1000001".into();
        tickets.win_prob = "5".into();
    };
    assert_eq!(changed(rarely), "face_value_high");
    assert_eq!(changed(|tickets| tickets.expiration_block = 0), "no_expiration");
    assert_eq!(changed(|tickets| tickets.count = 101), "request");
    assert_eq!(changed(|tickets| tickets.first_nonce = 0), "request");
}

#[test]
fn others_are_not_paid_for() {
    let mut desk = desk(SigningLimits::default());
    let mut request = request("1", &batch(1, 1));
    request.sender = Address::repeat_byte(8).to_string();
    let refused = desk.pay_segment(at(0), "gateway", &request).unwrap_err();
    assert!(matches!(refused, Refusal::OtherSender { .. }), "{refused}");
}

/// Tickets and claims are signed alike, so a claim whose bytes are a ticket's would be one, past every
/// limit.
#[test]
fn a_claim_cannot_be_a_ticket() {
    let mut desk = desk(SigningLimits::default());
    let unsigned = batch(1, 1);
    let ticket = unsigned.tickets().next().unwrap();
    // What the gateway would have to send: a ticket's bytes but for its last 64, a number, a digest.
    let mut claim = request("1", &unsigned);
    claim.tickets = None;
    claim.segment.profiles.clear();
    claim.segment.sequence = ticket.expiration.creation_round;
    claim.segment.hash = ticket.expiration.creation_round_block_hash.to_string();
    let refused = desk.pay_segment(at(0), "gateway", &claim).unwrap_err();
    assert_eq!(refused, Refusal::Request(RequestFault::Profiles));
    claim.segment.profiles = vec!["p".to_owned()];
    // Face values hold zero bytes: they are far below 2^248.
    for manifest_id in ["", "with\0zero", "line\nbreak", &"x".repeat(257)] {
        claim.segment.manifest_id = manifest_id.to_owned();
        let refused = desk.pay_segment(at(0), "gateway", &claim).unwrap_err();
        assert_eq!(refused, Refusal::Request(RequestFault::Text("manifest_id")));
    }
}

fn again(limits: SigningLimits, records: Vec<Record>) -> SigningDesk {
    let mut desk = desk(limits);
    for record in records {
        let line = serde_json::to_string(&record).unwrap();
        desk.restore(serde_json::from_str(&line).unwrap()).unwrap();
    }
    desk
}

#[test]
fn a_restart_forgets_neither_nonces_nor_what_was_spent() {
    let some = |number: u64| Some(U256::from(number));
    let limits =
        SigningLimits { hour: some(4_000), stream: some(4_000), ..SigningLimits::default() };
    let mut first = desk(limits.clone());
    let records: Vec<_> = [("1", batch(1, 2)), ("2", batch(10, 1))]
        .iter()
        .map(|(id, batch)| pay(&mut first, 0, id, batch).unwrap().unwrap())
        .collect();
    let snapshot = first.snapshot(at(1));
    // A record that was waiting for the disk while the snapshot was made follows it.
    let late = [snapshot.clone(), records[1..].to_vec()].concat();
    for records in [records.clone(), snapshot, late] {
        let mut desk = again(limits.clone(), records);
        assert_eq!(desk.total(), first.total());
        assert_eq!(pay(&mut desk, 1, "x", &batch(2, 1)), Err(Refusal::NonceUsed(2)));
        assert_eq!(pay(&mut desk, 1, "x", &batch(10, 1)), Err(Refusal::NonceUsed(10)));
        assert_eq!(pay(&mut desk, 1, "1", &batch(1, 2)), Ok(None), "the same again");
        assert_eq!(pay(&mut desk, 1, "1", &batch(4, 2)), Err(Refusal::PaymentReused));
        let over = pay(&mut desk, 1, "x", &batch(20, 2)).unwrap_err();
        let retry_after = Some(24 * 3_600 - 60);
        assert_eq!(over, Refusal::Limit { limit: SpendLimit::Stream, retry_after });
        assert!(pay(&mut desk, 1, "x", &batch(20, 1)).is_ok());
    }
}

#[test]
fn what_is_written_late_or_twice_is_counted_once() {
    let mut first = desk(SigningLimits::default());
    let mut grant = |id, nonce| pay(&mut first, 0, id, &batch(nonce, 1)).unwrap().unwrap();
    let records = [grant("1", 1), grant("2", 2), grant("3", 3)];
    let of = |order: &[usize]| order.iter().map(|it| records[*it].clone()).collect::<Vec<_>>();
    let snapshot = first.snapshot(at(1));
    for journal in [of(&[1, 0, 2, 0, 2]), [snapshot, of(&[2, 0])].concat()] {
        let mut desk = again(SigningLimits::default(), journal);
        assert_eq!(desk.total(), first.total());
        for nonce in 1..=3 {
            let refused = pay(&mut desk, 1, "x", &batch(nonce, 1));
            assert_eq!(refused, Err(Refusal::NonceUsed(nonce)));
        }
        let Record::Signed(next) = pay(&mut desk, 1, "x", &batch(4, 1)).unwrap().unwrap() else {
            panic!()
        };
        assert_eq!(next.number, 4);
    }
}

#[test]
fn damaged_records_are_refused() {
    let mut desk = desk(SigningLimits::default());
    let total = "?".to_owned();
    assert!(desk.restore(Record::Snapshot { through: 1, total }).is_err());
    let (stream, ev) = ("s".to_owned(), "1/0".to_owned());
    assert!(desk.restore(Record::Spent { minute: 1, stream, ev }).is_err());
}
