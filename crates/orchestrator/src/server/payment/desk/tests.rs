//! The books, without the wire.

use tickets::{ExpirationParams, ReceiverView, SenderFloat};

use super::*;

const NOW: Duration = Duration::from_secs(1_000);
const EV: u64 = 8_000_000_000;

fn desk(price: Price) -> PaymentDesk {
    let secret = ReceiverSecret::new([3; 32]);
    PaymentDesk::new(Address::repeat_byte(7), secret, (price, true), TicketPolicy::default())
}

fn chain(gas_price: u64) -> ChainState {
    let round = ExpirationParams { creation_round: 5, ..ExpirationParams::default() };
    let view = ReceiverView { l1_block: 100, last_initialized_round: 5, round, active: true };
    ChainState { view, gas_price: U256::from(gas_price) }
}

fn key() -> SessionKey {
    SessionKey { sender: Address::repeat_byte(1), session_id: "session".into() }
}

fn quote(desk: &mut PaymentDesk, gas_price: u64) -> Quote {
    let account = SenderAccount::trusted();
    desk.quote(&key(), &chain(gas_price), Ok(&account), U256::from(1)).unwrap()
}

fn price(wei: u64, pixels: u64) -> Price {
    Price::new(wei, pixels).unwrap()
}

/// A payment with the quote's params, but nothing signed.
fn unsigned(quote: &Quote, tickets: usize) -> ReceivedPayment {
    let (sender, price) = (key().sender, quote.price);
    let one = tickets::SenderTicket { nonce: 1, signature: vec![1; 65] };
    let params = quote.params.clone();
    let payment =
        tickets::Payment { sender, params, expected_price: price, tickets: vec![one; tickets] };
    ReceivedPayment { sender, price, with_tickets: Some(payment) }
}

fn take(desk: &mut PaymentDesk, now: Duration, payment: &ReceivedPayment) -> Option<String> {
    let account = SenderAccount::trusted();
    let taken = desk.take(now, &key(), payment, &chain(0), Ok(&account));
    assert!(taken.winning.is_empty());
    taken.result.err().map(|refusal| refusal.to_string())
}

#[test]
fn redeeming_is_put_on_the_price() {
    let mut desk = desk(price(1_200, 1));
    assert_eq!(quote(&mut desk, 0).price, price(1_200, 1));
    assert_eq!(quote(&mut desk, 100_000_000).price, price(1_212, 1));
    // A price below the network's grain is neither lost nor lowered by rounding.
    let mut cheap = self::desk(price(1, 3_000));
    assert_eq!(quote(&mut cheap, 100_000_000).price, price(1, 3_000));
}

#[test]
fn small_reserves_and_unknown_senders_get_no_terms() {
    let mut desk = desk(price(1_200, 1));
    let float =
        SenderFloat { funds_remaining: U256::from(EV - 1), pool_size: 1, ..Default::default() };
    let poor = SenderAccount { float, ..SenderAccount::default() };
    let quote = desk.quote(&key(), &chain(0), Ok(&poor), U256::from(1));
    assert_eq!(quote.unwrap_err().to_string(), "insufficient sender reserve");
    let quote = desk.quote(&key(), &chain(0), Err("no answer"), U256::from(1));
    let text = quote.unwrap_err().to_string();
    assert_eq!(text, format!("could not get sender info for {}: no answer", key().sender));
    // Who need not pay need not have anything.
    let mut free = self::desk(Price::FREE);
    let quote = free.quote(&key(), &chain(0), Err("no answer"), U256::from(1)).unwrap();
    assert_eq!(quote.params.expected_value(), Wei::zero());
}

#[test]
fn refused_payments_leave_no_account() {
    let mut desk = desk(price(1_200, 1));
    let quote = quote(&mut desk, 0);
    let refusal = take(&mut desk, NOW, &unsigned(&quote, 3));
    assert_eq!(refusal.as_deref(), Some("invalid ticket signature"));
    assert_eq!(desk.accounts.price(&key()), None);
    assert_eq!(take(&mut desk, NOW, &unsigned(&quote, 0)), None, "no tickets, no fault");
    assert_eq!(desk.accounts.price(&key()), None, "a payment of nothing fixes no price");
    let totals = desk.totals();
    assert_eq!((totals.payments, totals.refused, totals.tickets), (1, 1, 0));
}

#[test]
fn credit_is_kept_for_ten_minutes() {
    let mut desk = desk(price(1_200, 1));
    let value = Wei::new(U256::from(EV));
    desk.accounts.credit(NOW, &key(), &value, price(1_200, 1)).unwrap();
    let unpaid =
        ReceivedPayment { sender: key().sender, price: price(1_200, 1), with_tickets: None };
    let minutes = |minutes: u64| NOW + Duration::from_secs(minutes * 60);
    assert_eq!(take(&mut desk, minutes(5), &unpaid), None);
    assert_eq!(desk.check_credit(&key(), unpaid.price), Ok(()));
    assert_eq!(desk.debit(minutes(8), &key(), 1, unpaid.price).to_string(), "1200");
    assert_eq!(desk.check_credit(&key(), unpaid.price), Err(AccountError::InsufficientBalance));
    assert_eq!(take(&mut desk, minutes(17), &unpaid), None);
    assert!(desk.balance(&key()).is_positive(), "it was used nine minutes ago");
    assert_eq!(take(&mut desk, minutes(18), &unpaid), None);
    assert!(desk.balance(&key()).is_zero());
}
