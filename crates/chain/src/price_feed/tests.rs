use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;

/// A price in dollars with 8 decimals, as the usual feeds have.
fn reading(dollars: u64, updated_at: u64) -> PriceReading {
    let answer = Some(U256::from(dollars) * U256::from(100_000_000));
    PriceReading { answer, decimals: 8, updated_at }
}

fn feed(dollars: u64) -> PriceFeed {
    let mut feed = PriceFeed::new(PriceFeedConfig::default());
    feed.handle_reading(NOW, &reading(dollars, NOW - 10)).unwrap();
    feed
}

fn dollars(feed: &PriceFeed, now: u64) -> u64 {
    feed.price(now).unwrap().to_string().parse().unwrap()
}

#[test]
fn caps_are_exact() {
    let feed = feed(2_500);
    // Half a dollar for 10^12 pixels is 0.0002 ETH, 200 wei a pixel.
    let cap = UsdPerPixel::new("0.5", 1_000_000_000_000).unwrap();
    assert_eq!(feed.cap_in_wei(NOW, &cap), Price::new(200, 1));
    let third = UsdPerPixel::new("0.000001", 3).unwrap();
    assert_eq!(feed.cap_in_wei(NOW, &third), Price::new(400_000_000, 3));
    let free = UsdPerPixel::new("0", 1).unwrap();
    assert_eq!(feed.cap_in_wei(NOW, &free), Some(Price::FREE));
    let dear = UsdPerPixel::new("1000000000000000000000", 1).unwrap();
    assert_eq!(feed.cap_in_wei(NOW, &dear), Price::new(PRICE_MAX, 1));
    for (dollars, pixels) in [("", 1), ("-1", 1), ("1e3", 1), ("1", 0), ("0.5USD", 1)] {
        assert_eq!(UsdPerPixel::new(dollars, pixels), None, "{dollars}");
    }
}

#[test]
fn a_price_is_written_exactly() {
    let written =
        |answer: u64, decimals| EtherPrice { answer: U256::from(answer), decimals }.to_string();
    assert_eq!(written(312_345_000_000, 8), "3123.45");
    assert_eq!(written(5, 8), "0.00000005");
    assert_eq!(written(3_000, 0), "3000");
}

#[test]
fn old_prices_are_worth_nothing() {
    let (feed, day) = (feed(2_500), 25 * 3_600);
    let last = NOW - 10 + day;
    assert_eq!(feed.updated_at(last - 1), Ok(NOW - 10));
    let cap = UsdPerPixel::new("1", 1).unwrap();
    assert!(feed.cap_in_wei(last - 1, &cap).is_some());
    assert_eq!(feed.cap_in_wei(last, &cap), None);
    let old = PriceFeedError::TooOld { age: day, limit: day };
    assert_eq!(feed.price(last), Err(old));
    assert_eq!((feed.good_until(last - 1), feed.good_until(last)), (Some(last), None));
    let mut unread = PriceFeed::new(PriceFeedConfig::default());
    assert_eq!(unread.updated_at(NOW), Err(PriceFeedError::Unknown));
    let refused = unread.handle_reading(NOW, &reading(2_500, NOW - day));
    assert_eq!(refused, Err(PriceRefusal::TooOld { age: day, limit: day }));
}

#[test]
fn what_is_no_price_is_refused() {
    let mut feed = feed(2_500);
    let of = |answer: Option<u64>, decimals| PriceReading {
        answer: answer.map(U256::from),
        decimals,
        updated_at: NOW,
    };
    for (bad, refusal) in [
        (of(Some(0), 8), PriceRefusal::NoPrice),
        (of(None, 8), PriceRefusal::NoPrice),
        (of(Some(1), 37), PriceRefusal::NoPrice),
        (reading(2_500, NOW + 121), PriceRefusal::Future(121)),
        (reading(2_500, NOW - 11), PriceRefusal::WentBack(1)),
        (reading(2_500, 0), PriceRefusal::TooOld { age: NOW, limit: 90_000 }),
    ] {
        assert_eq!(feed.handle_reading(NOW, &bad), Err(refusal));
    }
    assert_eq!(dollars(&feed, NOW), 2_500);
    feed.handle_reading(NOW, &reading(2_501, NOW + 120)).unwrap();
    assert_eq!(dollars(&feed, NOW), 2_501);
}

#[test]
fn a_jump_waits_for_a_second_reading() {
    let mut feed = feed(2_000);
    feed.handle_reading(NOW + 1, &reading(3_000, NOW + 1)).unwrap();
    feed.handle_reading(NOW + 2, &reading(1_500, NOW + 2)).unwrap();
    for later in [10, 11, 69] {
        let jump = feed.handle_reading(NOW + later, &reading(2_251, NOW + 10));
        assert_eq!(jump, Err(PriceRefusal::Jump), "{later}");
    }
    assert_eq!(dollars(&feed, NOW + 69), 1_500);
    feed.handle_reading(NOW + 70, &reading(2_300, NOW + 60)).unwrap();
    assert_eq!(dollars(&feed, NOW + 70), 2_300);
}

#[test]
fn two_jumps_to_different_prices_confirm_nothing() {
    let mut feed = feed(2_000);
    for (later, price) in [(60, 9_000), (120, 300), (180, 9_000), (240, 300)] {
        let jump = feed.handle_reading(NOW + later, &reading(price, NOW + later));
        assert_eq!(jump, Err(PriceRefusal::Jump));
    }
    feed.handle_reading(NOW + 300, &reading(2_100, NOW + 300)).unwrap();
    // What came back to normal forgets the jump.
    let jump = feed.handle_reading(NOW + 400, &reading(300, NOW + 400));
    assert_eq!(jump, Err(PriceRefusal::Jump));
    assert_eq!(dollars(&feed, NOW + 400), 2_100);
}

#[test]
fn after_an_hour_without_reading_any_price_is_news() {
    let mut feed = feed(2_000);
    feed.handle_reading(NOW + 3_601, &reading(5_000, NOW + 3_601)).unwrap();
    assert_eq!(dollars(&feed, NOW + 3_601), 5_000);
}

proptest! {
    /// The cap in wei, back in dollars, is never above the cap, and hardly below.
    #[test]
    fn caps_round_down_a_little(
        answer in 1_u64..1_000_000_000_000_000,
        decimals in 0_u8..=18,
        whole in 0_u64..1_000,
        fraction in 0_u64..1_000_000_000,
        pixels in 1_u64..1_000_000_000_000_000,
    ) {
        let mut feed = PriceFeed::new(PriceFeedConfig::default());
        let reading = PriceReading { answer: Some(U256::from(answer)), decimals, updated_at: NOW };
        feed.handle_reading(NOW, &reading).unwrap();
        let cap = UsdPerPixel::new(&format!("{whole}.{fraction:09}"), pixels).unwrap();
        let price = feed.cap_in_wei(NOW, &cap).unwrap();
        let ten = |places: u32| power_of_ten(places).unwrap();
        let usd = U512::from(whole) * ten(9) + U512::from(fraction);
        // wei / price.pixels <= usd * 10^(18 + decimals) / (10^9 * answer * pixels)
        let exact = usd * ten(18 + u32::from(decimals)) * U512::from(price.pixels().get());
        let units = ten(9) * U512::from(answer) * U512::from(pixels);
        let got = U512::from(price.wei()) * units;
        if price.wei() < PRICE_MAX {
            prop_assert!(got <= exact);
            // One more wei would be above it, unless the fraction is exact.
            prop_assert!(got == exact || got + units > exact);
        }
    }

    #[test]
    fn no_reading_panics(answer in any::<[u64; 4]>(), decimals in any::<u8>(), updated_at in any::<u64>(), now in any::<u64>(), pixels in any::<u64>()) {
        let mut feed = PriceFeed::new(PriceFeedConfig::default());
        for answer in [Some(U256::from_limbs(answer)), None] {
            let reading = PriceReading { answer, decimals, updated_at };
            let taken = feed.handle_reading(now, &reading).is_ok();
            if let Some(cap) = UsdPerPixel::new("123456789.000000000000000001", pixels) {
                prop_assert!(taken || feed.cap_in_wei(now, &cap).is_none() || answer.is_none());
            }
        }
    }
}
