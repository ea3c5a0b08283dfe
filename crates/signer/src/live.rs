//! Payments for live jobs, as go-livepeer's signer makes them (livepeer-wire §7).

use std::{
    num::NonZeroU32,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use orchestrator::{LiveOffer, PaymentHeader};
use tickets::{MAX_BATCH, MAX_NONCE, Price, PrivateKey, UnsignedBatch, Wei};

use crate::{
    Record, Refusal, SigningDesk,
    desk::Purpose,
    live_state::LiveState,
    messages::{
        live::{LiveAnswer, LiveRequest},
        segment::check_text,
    },
};

/// Pixels of a live job in a second.
const PIXELS_PER_SECOND: u64 = 1280 * 720 * 30;
/// Seconds the first payment of each kind is for.
const FIRST_LIVE: u64 = 10;
const FIRST_LV2V: u64 = 60;
/// A token that expires sooner is renewed first: the last tenth of its usual life.
const TOKEN_MARGIN: Duration = Duration::from_secs(180);
/// Most bytes of a manifest id.
const MAX_MANIFEST_ID: usize = 256;

/// A live job's payment that may be signed.
#[derive(Clone, Debug)]
pub struct LiveGrant {
    /// To be on the disk first.
    pub record: Record,
    batch: UnsignedBatch,
    price: Price,
    offer: LiveOffer,
    capabilities: Vec<u8>,
    state: LiveState,
}

impl LiveGrant {
    /// Signs tickets, segment and state. Some 50 µs per ticket.
    ///
    /// # Errors
    /// When the capabilities are none.
    pub fn sign(self, key: &PrivateKey) -> Result<LiveAnswer, Refusal> {
        let segment = self.offer.sign_segment(&self.state.manifest_id, &self.capabilities, key)?;
        let batch = self.batch.sign(key).map_err(|_| Refusal::Live("the key is another"))?;
        let payment = PaymentHeader::with_tickets(self.price, &batch).expose().to_owned();
        Ok(LiveAnswer { payment, segment, state: self.state.seal(key) })
    }

    /// The tickets.
    #[must_use]
    pub const fn batch(&self) -> &UnsignedBatch {
        &self.batch
    }

    /// The job.
    #[must_use]
    pub fn manifest_id(&self) -> &str {
        &self.state.manifest_id
    }
}

/// A refusal, and where new terms can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRefusal {
    /// Why.
    pub refusal: Box<Refusal>,
    /// The orchestrator, where it was told.
    pub orchestrator: Option<String>,
}

impl SigningDesk {
    /// Whether a live job's payment is signed; `fresh_id` names the job where the client doesn't.
    ///
    /// # Errors
    /// When it isn't; nothing is used or counted then.
    pub fn pay_live(
        &mut self,
        now: SystemTime,
        request: &LiveRequest,
        fresh_id: &str,
    ) -> Result<LiveGrant, LiveRefusal> {
        let offer = LiveOffer::from_bytes(&request.orchestrator.0);
        let offer = offer
            .map_err(|error| LiveRefusal { refusal: Box::new(error.into()), orchestrator: None })?;
        let orchestrator = Some(offer.service_uri().to_owned());
        self.pay_offer(now, request, fresh_id, offer)
            .map_err(|refusal| LiveRefusal { refusal: Box::new(refusal), orchestrator })
    }

    fn pay_offer(
        &mut self,
        now: SystemTime,
        request: &LiveRequest,
        fresh_id: &str,
        offer: LiveOffer,
    ) -> Result<LiveGrant, Refusal> {
        let (price, params) = (offer.quote().price, offer.quote().params.clone());
        if price.is_free() {
            return Err(Refusal::Live("missing or zero priceInfo"));
        }
        let state = LiveState::open(&request.state, self.address())?;
        let mut state = match state {
            Some(state) => continued(state, request, &offer)?,
            None => fresh(request, &offer, fresh_id)?,
        };
        if offer.token_expires() <= now + TOKEN_MARGIN {
            return Err(Refusal::Expired("the orchestrator's token expires"));
        }
        let first_price = state.price()?;
        check_price(request, price, first_price)?;

        let now_ms = milliseconds(now);
        let fee = first_price.of_pixels(units(request, &state, now_ms)?);
        let (balance, ev) = (state.balance()?, params.expected_value());
        let tickets = tickets_for(&fee, &balance, &ev)?;
        let hash = params.recipient_rand_hash.to_string();
        let of_state = if state.recipient_rand_hash == hash { state.nonce } else { 0 };
        let last = self.highest_nonce(&params.recipient_rand_hash).max(of_state);
        if last.saturating_add(tickets.get()) > MAX_NONCE {
            return Err(Refusal::Expired("the ticket params' nonces are used up"));
        }
        if !params.expiration.is_complete() {
            return Err(Refusal::Live("the orchestrator names no round to make tickets in"));
        }
        let round = params.expiration;
        let batch =
            UnsignedBatch::new(self.address(), params, round, last.saturating_add(1), tickets)
                .map_err(|_| Refusal::Live("too many tickets"))?;
        let purpose = Purpose { stream: &state.manifest_id, name: None };
        let record = self.grant(now, &batch, &purpose)?;

        state.recipient_rand_hash = hash;
        state.nonce = batch.mark().last_nonce;
        state.balance = (&(&balance + &batch.expected_value()) - &fee).to_string();
        state.paid_until = state.paid_until.max(now_ms);
        state.payments = state.payments.saturating_add(1);
        let capabilities = request.capabilities.0.clone();
        Ok(LiveGrant { record, batch, price, offer, capabilities, state })
    }
}

/// The client's state, if it is of this job and this orchestrator.
fn continued(
    state: LiveState,
    request: &LiveRequest,
    offer: &LiveOffer,
) -> Result<LiveState, Refusal> {
    if request.manifest_id.is_empty() {
        return Err(Refusal::Live("missing manifestID"));
    }
    if request.manifest_id != state.manifest_id {
        return Err(Refusal::Live("manifestID mismatch"));
    }
    if state.orchestrator != offer.address().to_string() {
        return Err(Refusal::Live("orchestrator address mismatch"));
    }
    Ok(state)
}

fn fresh(request: &LiveRequest, offer: &LiveOffer, fresh_id: &str) -> Result<LiveState, Refusal> {
    let manifest_id =
        if request.manifest_id.is_empty() { fresh_id } else { request.manifest_id.as_str() };
    // What is signed for a segment must never be the bytes of a ticket.
    check_text("ManifestID", manifest_id, MAX_MANIFEST_ID)?;
    Ok(LiveState {
        manifest_id: manifest_id.to_owned(),
        orchestrator: offer.address().to_string(),
        recipient_rand_hash: String::new(),
        nonce: 0,
        balance: "0".to_owned(),
        price_wei: offer.quote().price.wei(),
        price_pixels: offer.quote().price.pixels().get(),
        paid_until: 0,
        payments: 0,
    })
}

fn check_price(request: &LiveRequest, price: Price, first: Price) -> Result<(), Refusal> {
    if let Some(max) = &request.max_price {
        let unit = match request.kind.as_str() {
            "live" => "seconds",
            "lv2v" => "720p-pixel-seconds",
            "fixed" => "fixed",
            _ => max.unit.as_str(),
        };
        if max.currency != "wei" || max.unit != unit {
            return Err(Refusal::Live("maxPrice is in another currency or unit"));
        }
        let max = max.wei().ok_or(Refusal::Live("maxPrice can't be read"))?;
        if price.of_pixels(1) > max {
            let reason = "Orchestrator price is over maxPrice";
            return Err(Refusal::Price { reason, price, max });
        }
    }
    if price.more_than_doubled(first) {
        let reason = "Orchestrator price has more than doubled";
        return Err(Refusal::Price { reason, price, max: first.of_pixels(2) });
    }
    Ok(())
}

/// What is to be paid for.
fn units(request: &LiveRequest, state: &LiveState, now_ms: u64) -> Result<u64, Refusal> {
    let since = |first: u64| {
        if state.payments == 0 {
            first.saturating_mul(1_000)
        } else {
            now_ms.saturating_sub(state.paid_until)
        }
    };
    match request.kind.as_str() {
        "live" => Ok(since(FIRST_LIVE).div_ceil(1_000)),
        "lv2v" => Ok(since(FIRST_LV2V).saturating_mul(PIXELS_PER_SECOND).div_ceil(1_000)),
        "fixed" => Ok(1),
        "" => match u64::try_from(request.in_pixels) {
            Ok(pixels) if pixels > 0 => Ok(pixels),
            _ => Err(Refusal::Live("missing or invalid inPixels")),
        },
        _ => Err(Refusal::Live("invalid job type")),
    }
}

/// How many tickets bring the balance to the fee, or to one ticket's worth (livepeer-wire §4.4).
fn tickets_for(fee: &Wei, balance: &Wei, ev: &Wei) -> Result<NonZeroU32, Refusal> {
    if !ev.is_positive() {
        return Err(Refusal::Worthless);
    }
    let minimum = fee.max(ev);
    let missing = minimum - balance;
    let tickets = missing.units_to_cover(ev).filter(|tickets| *tickets <= u64::from(MAX_BATCH));
    let tickets = tickets.and_then(|tickets| u32::try_from(tickets).ok());
    match tickets.map(NonZeroU32::new) {
        Some(Some(tickets)) => Ok(tickets),
        Some(None) => Err(Refusal::NoTickets),
        None => Err(Refusal::Live("too many tickets: more than 100 for one call")),
    }
}

fn milliseconds(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
