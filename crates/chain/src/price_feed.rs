//! What an ether is worth in US dollars, as far as that is to be believed.

use std::{fmt, time::Duration};

use alloy_primitives::{U256, U512};
use tickets::Price;

use crate::units::{decimal, parse_decimal};

/// Seconds that a reading may be from the future: clocks differ.
const FUTURE_TOLERANCE: u64 = 120;
/// Most decimal places of a feed's answers.
const DECIMALS_MAX: u8 = 36;
/// Decimal places of an amount in dollars.
const USD_PLACES: usize = 36;
/// Wei of an ether, as a power of ten.
const ETHER_PLACES: u32 = 18;
/// Least seconds between a surprising reading and the one that confirms it.
const CONFIRM_AFTER: u64 = 60;
/// How far the two may differ, in percent of the first.
const CONFIRM_WITHIN_PERCENT: u64 = 10;
/// Largest number of a price on the wire.
const PRICE_MAX: u64 = i64::MAX.unsigned_abs();

/// When readings are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceFeedConfig {
    /// From this age on an answer is worth nothing. Feeds answer anew at least once a day.
    pub max_age: Duration,
    /// A larger change, in percent of the last answer, is held back until it is confirmed.
    pub max_jump_percent: u64,
    /// How long after the last reading a change counts as a jump.
    pub jump_within: Duration,
}

impl Default for PriceFeedConfig {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(25 * 3_600),
            max_jump_percent: 50,
            jump_within: Duration::from_secs(3_600),
        }
    }
}

/// What a feed's contract answers (`latestRoundData` and `decimals`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceReading {
    /// Dollars of an ether times ten to the power of `decimals`; `None` for a negative number.
    pub answer: Option<U256>,
    /// Decimal places of the answer.
    pub decimals: u8,
    /// When the feed made it, in seconds since 1970; zero for a round that isn't complete.
    pub updated_at: u64,
}

/// Why a reading isn't used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceRefusal {
    /// Zero, negative, or of more decimal places than make sense.
    #[error("the feed answers no price")]
    NoPrice,
    /// Made in the future.
    #[error("the price is from {0} s in the future")]
    Future(u64),
    /// Made too long ago.
    #[error("the price is {age} s old, the limit is {limit} s")]
    TooOld {
        /// Seconds since it was made.
        age: u64,
        /// The limit.
        limit: u64,
    },
    /// Made before one that is known.
    #[error("the price is {0} s older than one that was read before")]
    WentBack(u64),
    /// A large change that nothing has confirmed yet.
    #[error("the price jumps: waiting for a second reading")]
    Jump,
}

/// Why there is no price to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceFeedError {
    /// No usable reading yet.
    #[error("no price of an ether was read yet")]
    Unknown,
    /// The last one is too old.
    #[error("the last price of an ether is {age} s old, the limit is {limit} s")]
    TooOld {
        /// Seconds since the feed made it.
        age: u64,
        /// The limit.
        limit: u64,
    },
}

/// Dollars for each pixel: exact, however small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdPerPixel {
    /// Dollars times 10^36.
    scaled: U256,
    pixels: u64,
}

impl UsdPerPixel {
    /// So many dollars, a decimal number such as `0.5`, for each `pixels` pixels; `None` for anything
    /// else, more than 36 decimals, more dollars than fit, or no pixels.
    #[must_use]
    pub fn new(dollars: &str, pixels: u64) -> Option<Self> {
        let scaled = parse_decimal(dollars, USD_PLACES)?;
        (pixels > 0).then_some(Self { scaled, pixels })
    }
}

/// What a feed says that an ether is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherPrice {
    answer: U256,
    decimals: u8,
}

impl EtherPrice {
    /// The highest price in wei that isn't above `cap`: exact where the wire's numbers can hold it, else
    /// less by a relative error below 2^-61. `None` when the numbers are beyond all reason.
    #[must_use]
    pub fn cap_in_wei(&self, cap: &UsdPerPixel) -> Option<Price> {
        // wei/pixel = (dollars / pixels) / (dollars/ether) * 10^18, all of them scaled.
        let places = u32::from(self.decimals).saturating_add(ETHER_PLACES);
        let wei = U512::from(cap.scaled).checked_mul(power_of_ten(places)?)?;
        let pixels = U512::from(self.answer)
            .checked_mul(U512::from(cap.pixels))?
            .checked_mul(power_of_ten(u32::try_from(USD_PLACES).ok()?)?)?;
        price_at_most(wei, pixels)
    }
}

/// Dollars as a decimal number, exactly: `3123.45`.
impl fmt::Display for EtherPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.answer, self.decimals.into()))
    }
}

#[derive(Clone, Copy, Debug)]
struct Accepted {
    answer: U256,
    decimals: u8,
    updated_at: u64,
    read_at: u64,
}

/// Keeps the last reading that is believed. Times are seconds since 1970 by our clock.
#[derive(Clone, Debug)]
pub struct PriceFeed {
    config: PriceFeedConfig,
    accepted: Option<Accepted>,
    held: Option<Accepted>,
}

impl PriceFeed {
    /// A feed that was never read.
    #[must_use]
    pub const fn new(config: PriceFeedConfig) -> Self {
        Self { config, accepted: None, held: None }
    }

    /// Takes a reading.
    ///
    /// # Errors
    /// When it isn't used; what was read before stays, as long as it isn't too old itself.
    pub fn handle_reading(&mut self, now: u64, reading: &PriceReading) -> Result<(), PriceRefusal> {
        let new = self.check(now, reading)?;
        let jumps = self.accepted.is_some_and(|old| self.is_jump(&old, &new));
        if jumps && !self.held.is_some_and(|held| confirms(&held, &new)) {
            // The first of its kind stays: one that comes at once says nothing new.
            let same = self.held.is_some_and(|held| is_near(&held, &new, CONFIRM_WITHIN_PERCENT));
            if !same {
                self.held = Some(new);
            }
            return Err(PriceRefusal::Jump);
        }
        self.held = None;
        self.accepted = Some(new);
        Ok(())
    }

    /// When the feed made the price that is gone by, in seconds since 1970.
    ///
    /// # Errors
    /// When there is none that isn't too old.
    pub fn updated_at(&self, now: u64) -> Result<u64, PriceFeedError> {
        self.current(now).map(|price| price.updated_at)
    }

    /// What an ether is worth.
    ///
    /// # Errors
    /// When there is no price that isn't too old.
    pub fn price(&self, now: u64) -> Result<EtherPrice, PriceFeedError> {
        let Accepted { answer, decimals, .. } = *self.current(now)?;
        Ok(EtherPrice { answer, decimals })
    }

    /// [`EtherPrice::cap_in_wei`] of the price to go by now; `None` when there is none.
    #[must_use]
    pub fn cap_in_wei(&self, now: u64, cap: &UsdPerPixel) -> Option<Price> {
        self.price(now).ok()?.cap_in_wei(cap)
    }

    /// When the price that is gone by now will be too old, in seconds since 1970; `None` when there is
    /// none.
    #[must_use]
    pub fn good_until(&self, now: u64) -> Option<u64> {
        let made = self.updated_at(now).ok()?;
        Some(made.saturating_add(self.config.max_age.as_secs()))
    }

    fn check(&self, now: u64, reading: &PriceReading) -> Result<Accepted, PriceRefusal> {
        let PriceReading { answer, decimals, updated_at } = *reading;
        let answer = answer.filter(|answer| !answer.is_zero() && decimals <= DECIMALS_MAX);
        let answer = answer.ok_or(PriceRefusal::NoPrice)?;
        let future = updated_at.saturating_sub(now);
        if future > FUTURE_TOLERANCE {
            return Err(PriceRefusal::Future(future));
        }
        let (age, limit) = (now.saturating_sub(updated_at), self.config.max_age.as_secs());
        if age >= limit {
            return Err(PriceRefusal::TooOld { age, limit });
        }
        let known = self.accepted.map_or(0, |known| known.updated_at);
        if updated_at < known {
            return Err(PriceRefusal::WentBack(known.saturating_sub(updated_at)));
        }
        Ok(Accepted { answer, decimals, updated_at, read_at: now })
    }

    fn is_jump(&self, old: &Accepted, new: &Accepted) -> bool {
        let since = new.read_at.saturating_sub(old.read_at);
        since <= self.config.jump_within.as_secs()
            && !is_near(old, new, self.config.max_jump_percent)
    }

    fn current(&self, now: u64) -> Result<&Accepted, PriceFeedError> {
        let price = self.accepted.as_ref().ok_or(PriceFeedError::Unknown)?;
        let (age, limit) = (now.saturating_sub(price.updated_at), self.config.max_age.as_secs());
        if age >= limit { Err(PriceFeedError::TooOld { age, limit }) } else { Ok(price) }
    }
}

fn confirms(held: &Accepted, new: &Accepted) -> bool {
    new.read_at.saturating_sub(held.read_at) >= CONFIRM_AFTER
        && is_near(held, new, CONFIRM_WITHIN_PERCENT)
}

/// Whether two prices differ by no more than so many percent of the first.
fn is_near(first: &Accepted, second: &Accepted, percent: u64) -> bool {
    let scaled = |price: &Accepted| {
        let places = u32::from(DECIMALS_MAX.saturating_sub(price.decimals));
        U512::from(price.answer).checked_mul(power_of_ten(places)?)
    };
    let (Some(first), Some(second)) = (scaled(first), scaled(second)) else { return false };
    let (difference, hundred) = (first.abs_diff(second), U512::from(100));
    let allowed = first.checked_mul(U512::from(percent));
    difference.checked_mul(hundred).zip(allowed).is_some_and(|(by, allowed)| by <= allowed)
}

fn power_of_ten(places: u32) -> Option<U512> {
    U512::from(10).checked_pow(U512::from(places))
}

/// The fraction, or the largest one below it whose numbers the wire can hold.
fn price_at_most(wei: U512, pixels: U512) -> Option<Price> {
    let divisor = wei.gcd(pixels);
    let (wei, pixels) = (wei.checked_div(divisor)?, pixels.checked_div(divisor)?);
    if let (Some(wei), Some(pixels)) = (within(wei), within(pixels)) {
        return Price::new(wei, pixels);
    }
    let whole = wei.checked_div(pixels)?;
    if whole >= U512::from(PRICE_MAX) {
        return Price::new(PRICE_MAX, 1);
    }
    // So many pixels that both numbers are as large as they can be.
    let most = U512::from(PRICE_MAX);
    let scale = most.checked_div(whole.checked_add(U512::ONE)?)?.max(U512::ONE);
    let wei = wei.checked_mul(scale)?.checked_div(pixels)?;
    Price::new(within(wei)?, within(scale)?)
}

fn within(number: U512) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number <= PRICE_MAX)
}

#[cfg(test)]
mod tests;
