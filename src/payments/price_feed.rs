//! What an ether costs, told to the pools whose caps are in dollars.

use std::time::Duration;

use chain::{EtherPrice, PriceFeed, PriceFeedConfig, PriceReading};
use media::wall_clock_now;

use super::{follow::seconds, service::PaymentService};
use crate::{chain_line::ChainLine, config::PriceFeedSource, pool_feed::PoolFeed};

/// How often the feed is read.
const READ_EVERY: Duration = Duration::from_secs(60);
/// How long after a reading that isn't used.
const RETRY: Duration = Duration::from_secs(5);
/// How long a reading may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// The name of its events.
const KIND: &str = "price_feed";

/// Until it is dropped: reads the feed, and tells the pools each price that may be gone by, or that there
/// is none.
pub(crate) async fn follow_price(
    service: PaymentService,
    line: ChainLine,
    source: PriceFeedSource,
    pools: PoolFeed,
) {
    let mut follower = PriceFollower::new(source.rules);
    loop {
        let reading = tokio::time::timeout(DEADLINE, read(&line, &source)).await;
        let reading = reading.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let now = seconds(wall_clock_now());
        let look = follower.handle_reading(now, reading);
        pools.set_ether_price(look.price);
        let usd_per_eth = look.price.as_ref().map(ToString::to_string);
        service.set_figures(|figures| figures.usd_per_eth = usd_per_eth);
        match look.news {
            Some(News::Refused(why)) => {
                tracing::warn!("the price feed's answer is not used, the last price is: {why}");
            }
            Some(News::Lost(why)) => {
                let detail = format!("pools with max_usd_per_hour pay nothing: {why}");
                tracing::error!("{detail}");
                service.note(KIND, &detail);
            }
            Some(News::Known(price)) => {
                let detail = format!("an ether costs {price} dollars; caps in dollars follow it");
                tracing::info!("{detail}");
                service.note(KIND, &detail);
            }
            None => {}
        }
        tokio::time::sleep(look.again_in).await;
    }
}

async fn read(line: &ChainLine, source: &PriceFeedSource) -> Result<PriceReading, String> {
    let client = line.client().await?;
    client.price_reading(source.contract).await.map_err(|error| error.to_string())
}

/// What to go by, and what of it is news. Times are seconds since 1970.
#[derive(Debug)]
struct PriceFollower {
    feed: PriceFeed,
    /// Whether there was a price; `None` before the first look.
    known: Option<bool>,
    /// Whether the last reading was not used.
    refused: bool,
}

/// What a look at the feed comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    /// What an ether costs; `None`: nothing may be gone by.
    price: Option<EtherPrice>,
    news: Option<News>,
    again_in: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    /// There is a price again, or for the first time.
    Known(EtherPrice),
    /// There is none, and why.
    Lost(String),
    /// The price of before goes on, as the reading isn't used, and why.
    Refused(String),
}

impl PriceFollower {
    const fn new(rules: PriceFeedConfig) -> Self {
        Self { feed: PriceFeed::new(rules), known: None, refused: false }
    }

    /// Takes what the feed says, or why it says nothing.
    fn handle_reading(&mut self, now: u64, reading: Result<PriceReading, String>) -> Look {
        let taken = reading.and_then(|reading| {
            self.feed.handle_reading(now, &reading).map_err(|refusal| refusal.to_string())
        });
        let refused = taken.is_err();
        let news_of_refusal = refused && !std::mem::replace(&mut self.refused, refused);
        let price = self.feed.price(now);
        let was_known = self.known.replace(price.is_ok());
        let news = match (&price, taken) {
            (Ok(price), _) if was_known != Some(true) => Some(News::Known(*price)),
            (Ok(_), Err(why)) if news_of_refusal => Some(News::Refused(why)),
            (Err(error), taken) if was_known != Some(false) => Some(News::Lost(match taken {
                Err(why) => format!("{error}: {why}"),
                Ok(()) => error.to_string(),
            })),
            (Ok(_) | Err(_), _) => None,
        };
        let pause = if refused { RETRY } else { READ_EVERY };
        // A price ends when it is too old, not a moment later.
        let left =
            self.feed.good_until(now).map(|end| Duration::from_secs(end.saturating_sub(now)));
        let again_in = left.map_or(pause, |left| left.min(pause));
        Look { price: price.ok(), news, again_in }
    }
}

#[cfg(test)]
mod tests {
    use tickets::U256;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 25 * 3_600;

    fn dollars(dollars: u64, updated_at: u64) -> Result<PriceReading, String> {
        let answer = Some(U256::from(dollars));
        Ok(PriceReading { answer, decimals: 0, updated_at })
    }

    fn follower() -> PriceFollower {
        PriceFollower::new(PriceFeedConfig::default())
    }

    fn shown(look: &Look) -> Option<String> {
        look.price.as_ref().map(ToString::to_string)
    }

    #[test]
    fn a_price_that_changes_is_told_and_its_beginning_is_news() {
        let mut follower = follower();
        let first = follower.handle_reading(NOW, dollars(2_500, NOW - 10));
        assert_eq!(shown(&first).as_deref(), Some("2500"));
        assert_eq!(first.news, first.price.map(News::Known));
        assert_eq!(first.again_in, READ_EVERY);
        let next = follower.handle_reading(NOW + 60, dollars(2_600, NOW + 50));
        assert_eq!((shown(&next).as_deref(), next.news), (Some("2600"), None));
    }

    #[test]
    fn without_a_price_nothing_is_gone_by_and_that_is_said_once() {
        let mut follower = follower();
        let lost = follower.handle_reading(NOW, Err("no node answers".to_owned()));
        let why = "no price of an ether was read yet: no node answers".to_owned();
        let expected = Look { price: None, news: Some(News::Lost(why)), again_in: RETRY };
        assert_eq!(lost, expected);
        let again = follower.handle_reading(NOW + 5, dollars(0, NOW));
        assert_eq!(again, Look { news: None, ..expected });
        let known = follower.handle_reading(NOW + 10, dollars(2_500, NOW));
        assert!(matches!(known.news, Some(News::Known(_))));
    }

    #[test]
    fn a_reading_that_is_not_used_leaves_the_last_price_for_as_long_as_it_is_good() {
        let mut follower = follower();
        let good = follower.handle_reading(NOW, dollars(2_500, NOW));
        let jump = follower.handle_reading(NOW + 60, dollars(5_000, NOW + 60));
        let why = "the price jumps: waiting for a second reading".to_owned();
        assert_eq!((jump.price, jump.news), (good.price, Some(News::Refused(why))));
        assert_eq!(jump.again_in, RETRY);
        let again = follower.handle_reading(NOW + 65, dollars(5_000, NOW + 60));
        assert_eq!((again.price, again.news), (good.price, None), "said once");
        let confirmed = follower.handle_reading(NOW + 120, dollars(5_000, NOW + 60));
        assert_eq!((shown(&confirmed).as_deref(), confirmed.news), (Some("5000"), None));

        let made = NOW + 60;
        let near = follower.handle_reading(made + DAY - 3, Err("no node answers".to_owned()));
        assert!(near.price.is_some());
        assert_eq!(near.again_in, Duration::from_secs(3), "looked at when it ends");
        let ended = follower.handle_reading(made + DAY, dollars(5_000, made));
        assert_eq!(ended.price, None);
        let Some(News::Lost(why)) = ended.news else { panic!("{ended:?}") };
        assert!(why.starts_with("the last price of an ether is 90000 s old"), "{why}");
    }
}
