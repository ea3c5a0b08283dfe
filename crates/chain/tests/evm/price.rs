//! A feed's contract tells what an ether is worth.

use alloy_primitives::{I256, U256};
use chain::{ChainError, PriceFeed, PriceFeedConfig, PriceReading, PriceRefusal, UsdPerPixel};
use tickets::Price;

use crate::support::{Layer, World};

fn set(answer: i64, updated_at: u64) -> (&'static str, Vec<u8>) {
    let answer = I256::try_from(answer).unwrap().into_raw();
    let arguments = [answer, U256::from(updated_at)].map(|word| word.to_be_bytes_vec());
    ("set(int256,uint256)", arguments.concat())
}

#[tokio::test]
async fn a_cap_in_dollars_follows_the_feed() {
    let world = World::start(Layer::Two).await;
    let feed = world.deploy("PriceAggregator", U256::from(8).to_be_bytes_vec()).await;
    let now = world.client.latest_block().await.unwrap().timestamp;
    let mut price = PriceFeed::new(PriceFeedConfig::default());
    let cap = UsdPerPixel::new("0.5", 1_000_000_000_000).unwrap();

    // Before its first round the feed answers zeros.
    let empty = world.client.price_reading(feed).await.unwrap();
    assert_eq!(empty, PriceReading { answer: Some(U256::ZERO), decimals: 8, updated_at: 0 });
    assert_eq!(price.handle_reading(now, &empty), Err(PriceRefusal::NoPrice));

    world.send(feed, set(250_000_000_000, now)).await;
    price.handle_reading(now, &world.client.price_reading(feed).await.unwrap()).unwrap();
    assert_eq!(price.cap_in_wei(now, &cap), Price::new(200, 1));

    world.send(feed, set(-250_000_000_000, now + 1)).await;
    let negative = world.client.price_reading(feed).await.unwrap();
    assert_eq!(negative.answer, None);
    assert_eq!(price.handle_reading(now + 1, &negative), Err(PriceRefusal::NoPrice));
    assert_eq!(price.cap_in_wei(now + 1, &cap), Price::new(200, 1));

    world.send(feed, set(500_000_000_000, now + 2)).await;
    let doubled = world.client.price_reading(feed).await.unwrap();
    assert_eq!(price.handle_reading(now + 2, &doubled), Err(PriceRefusal::Jump));
    price.handle_reading(now + 62, &doubled).unwrap();
    assert_eq!(price.cap_in_wei(now + 62, &cap), Price::new(100, 1));

    let nothing = world.client.contracts().controller;
    let error = world.client.price_reading(nothing).await.unwrap_err();
    assert!(matches!(error, ChainError::Rpc(_) | ChainError::NotTheContract { .. }), "{error}");
}
