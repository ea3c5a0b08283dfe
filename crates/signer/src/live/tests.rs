use orchestrator::PaymentHeader;
use tickets::{Address, U256, big_bytes};

use super::*;
use crate::{
    SigningLimits,
    messages::live::{Blob, MaxPrice, StateBlob},
};

/// Unix time of the tests.
const NOW: u64 = 1_700_000_000;

/// The wire's messages, field by field: what a client of another make would send.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len().try_into().unwrap()), bytes.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A ticket is worth `ev` wei exactly, and pays 51 times as much.
struct Info {
    price: u64,
    ev: u64,
    rand: u8,
    address: u8,
    token_expires: u64,
}

impl Default for Info {
    fn default() -> Self {
        Self { price: 10, ev: 1_000, rand: 2, address: 4, token_expires: NOW + 1_800 }
    }
}

fn info(info: &Info) -> Blob {
    let win_prob = U256::MAX / U256::from(255) * U256::from(5);
    let face_value = U256::from(info.ev * 51);
    let round = [number(1, 5), field(2, &[3; 32])].concat();
    let params = [
        field(1, &[1; 20]),
        field(2, &big_bytes(face_value)),
        field(3, &big_bytes(win_prob)),
        field(4, &[info.rand; 32]),
        field(5, &[7]),
        field(6, &[100]),
        field(7, &round),
    ];
    let token = [field(1, &[9; 32]), field(2, b"deadbeef"), number(3, info.token_expires)].concat();
    let fields = [
        field(1, b"https://orch:8935"),
        field(2, &params.concat()),
        field(3, &[number(1, info.price), number(2, 1)].concat()),
        field(4, &[info.address; 20]),
        field(6, &token),
    ];
    Blob(fields.concat())
}

fn key() -> PrivateKey {
    PrivateKey::from_bytes(&[0x46; 32]).unwrap()
}

fn desk() -> SigningDesk {
    SigningDesk::new(key().address(), SigningLimits::default())
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW + seconds)
}

fn request(of: &Info, kind: &str, pixels: i64, state: StateBlob) -> LiveRequest {
    LiveRequest {
        state,
        orchestrator: info(of),
        manifest_id: "job".into(),
        in_pixels: pixels,
        kind: kind.into(),
        ..LiveRequest::default()
    }
}

fn pay(
    desk: &mut SigningDesk,
    seconds: u64,
    request: &LiveRequest,
) -> Result<LiveAnswer, (u16, String)> {
    let granted = desk.pay_live(at(seconds), request, "0badcafe");
    let granted =
        granted.map_err(|refused| (refused.refusal.status(), refused.refusal.to_string()))?;
    Ok(granted.sign(&key()).unwrap())
}

fn nonces(answer: &LiveAnswer) -> Vec<u32> {
    let header = PaymentHeader::from_text(&answer.payment).unwrap();
    header.tickets().unwrap().into_iter().map(|(nonce, _)| nonce).collect()
}

fn status(refused: Result<LiveAnswer, (u16, String)>) -> u16 {
    refused.unwrap_err().0
}

#[test]
fn pixels_are_paid_for_with_the_credit_of_before() {
    let mut desk = desk();
    let usual = Info::default();
    // 250 pixels at 10 wei: 3 tickets of 1000 wei, 500 wei are left.
    let first = pay(&mut desk, 0, &request(&usual, "", 250, StateBlob::default())).unwrap();
    assert_eq!(nonces(&first), [1, 2, 3]);
    // 150 pixels: one ticket, nothing is left. Nonces go on.
    let second = pay(&mut desk, 1, &request(&usual, "", 150, first.state.clone())).unwrap();
    assert_eq!(nonces(&second), [4]);
    // New params begin anew.
    let renewed = Info { rand: 3, ..Info::default() };
    let third = pay(&mut desk, 2, &request(&renewed, "", 100, second.state)).unwrap();
    assert_eq!(nonces(&third), [1]);
    // A client that repeats an old state gets other nonces, not the same ones again.
    let repeated = pay(&mut desk, 3, &request(&usual, "", 150, first.state)).unwrap();
    assert_eq!(nonces(&repeated), [5]);
}

#[test]
fn credit_that_covers_the_fee_is_482() {
    let mut desk = desk();
    let dear = Info { ev: 100_000, ..Info::default() };
    // One ticket is worth far more than the fee; what is left still is a ticket's worth minus it.
    let first = pay(&mut desk, 0, &request(&dear, "", 1, StateBlob::default())).unwrap();
    assert_eq!(nonces(&first), [1]);
    // The minimum is a ticket's worth: one more is due, and then there is enough.
    let second = pay(&mut desk, 0, &request(&dear, "", 1, first.state)).unwrap();
    let refused = pay(&mut desk, 0, &request(&dear, "", 1, second.state));
    assert_eq!(refused.unwrap_err().0, 482);
}

#[test]
fn kinds_are_metered_as_the_network_does() {
    // Ten seconds, then as many as have passed, begun ones whole.
    let costs = |kind: &str, seconds: u64, info: &Info| {
        let mut desk = desk();
        let first = pay(&mut desk, 0, &request(info, kind, 0, StateBlob::default())).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&first.state.state.0).unwrap();
        let balance: u64 = state["balance"].as_str().unwrap().parse().unwrap();
        let paid = nonces(&first).len() as u64 * info.ev - balance;
        let second = pay(&mut desk, seconds, &request(info, kind, 0, first.state));
        let second = second.map(|answer| nonces(&answer).len()).map_err(|refused| refused.0);
        (paid, second)
    };
    assert_eq!(costs("live", 3, &Info { ev: 10, ..Info::default() }), (100, Ok(3)));
    assert_eq!(costs("fixed", 3, &Info { ev: 10, ..Info::default() }), (10, Ok(1)));
    let lv2v = 60 * 1280 * 720 * 30 * 10;
    let big = Info { ev: 1_000_000_000, ..Info::default() };
    assert_eq!(costs("lv2v", 5, &big).0, lv2v);
    let mut desk = desk();
    let mut refused = |kind, pixels| {
        status(pay(&mut desk, 0, &request(&Info::default(), kind, pixels, StateBlob::default())))
    };
    assert_eq!((refused("", 0), refused("", -1), refused("other", 1)), (400, 400, 400));
    assert_eq!(refused("", i64::MAX), 400, "more than a hundred tickets");
}

#[test]
fn states_of_others_are_refused() {
    let mut desk = desk();
    let usual = Info::default();
    let first = pay(&mut desk, 0, &request(&usual, "", 250, StateBlob::default())).unwrap();
    let good = request(&usual, "", 150, first.state.clone());
    let mut tampered = good.clone();
    let text = String::from_utf8(first.state.state.0.clone()).unwrap();
    assert!(text.contains("\"balance\":\"500\""), "{text}");
    tampered.state.state = Blob(text.replace("\"500\"", "\"900\"").into_bytes());
    let mut unsigned = good.clone();
    unsigned.state.sig = Blob(vec![0; 65]);
    let nameless = LiveRequest { manifest_id: String::new(), ..good.clone() };
    let renamed = LiveRequest { manifest_id: "other".into(), ..good.clone() };
    let elsewhere =
        LiveRequest { orchestrator: info(&Info { address: 5, ..Info::default() }), ..good.clone() };
    for (refused, text) in [
        (tampered, "state signature"),
        (unsigned, "state signature"),
        (nameless, "manifestID"),
        (renamed, "manifestID"),
        (elsewhere, "orchestrator address"),
    ] {
        let (status, message) = pay(&mut desk, 1, &refused).unwrap_err();
        assert!(status == 400 && message.contains(text), "{status} {message}");
    }
    assert!(pay(&mut desk, 1, &good).is_ok());
    // Another signer's state.
    let mut other = SigningDesk::new(Address::repeat_byte(1), SigningLimits::default());
    assert_eq!(status(pay(&mut other, 1, &good)), 400);
}

#[test]
fn prices_over_a_ceiling_are_481() {
    let mut desk = desk();
    let first =
        pay(&mut desk, 0, &request(&Info::default(), "", 250, StateBlob::default())).unwrap();
    let priced = |price| request(&Info { price, ..Info::default() }, "", 150, first.state.clone());
    let refused = pay(&mut desk, 1, &priced(21)).unwrap_err();
    assert_eq!(refused.0, 481);
    assert!(refused.1.contains("Orchestrator price has more than doubled"), "{refused:?}");
    // Twice as much is taken, but the session's first price is what is paid: one ticket.
    assert_eq!(nonces(&pay(&mut desk, 1, &priced(20)).unwrap()), [4]);

    let capped = |price: &str, currency: &str, unit: &str, kind: &str| LiveRequest {
        max_price: Some(MaxPrice {
            price: serde_json::from_str(price).unwrap(),
            currency: currency.into(),
            unit: unit.into(),
        }),
        ..request(&Info { rand: 9, ..Info::default() }, kind, 1, StateBlob::default())
    };
    assert_eq!(status(pay(&mut desk, 0, &capped("9.99", "wei", "seconds", "live"))), 481);
    assert_eq!(status(pay(&mut desk, 0, &capped("10", "usd", "seconds", "live"))), 400);
    assert_eq!(status(pay(&mut desk, 0, &capped("10", "wei", "fixed", "live"))), 400);
    assert!(pay(&mut desk, 0, &capped("10", "wei", "seconds", "live")).is_ok());
}

#[test]
fn terms_that_are_too_old_are_480_and_name_the_orchestrator() {
    let mut desk = desk();
    let old = Info { token_expires: NOW + 170, ..Info::default() };
    let refused =
        desk.pay_live(at(0), &request(&old, "", 1, StateBlob::default()), "").unwrap_err();
    assert_eq!(refused.refusal.status(), 480);
    assert_eq!(refused.orchestrator.as_deref(), Some("https://orch:8935"));
}

#[test]
fn jobs_get_a_name_and_no_name_can_be_a_tickets_bytes() {
    let mut desk = desk();
    let unnamed = LiveRequest {
        manifest_id: String::new(),
        ..request(&Info::default(), "", 1, StateBlob::default())
    };
    let granted = desk.pay_live(at(0), &unnamed, "0badcafe").unwrap();
    assert_eq!(granted.manifest_id(), "0badcafe");
    let odd = LiveRequest { manifest_id: "a\0b".into(), ..unnamed };
    assert_eq!(status(pay(&mut desk, 0, &odd)), 400);
}
