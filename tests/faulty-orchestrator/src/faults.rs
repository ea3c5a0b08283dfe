//! What goes wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest delay that can be asked for, in milliseconds.
const MAX_DELAY_MS: u64 = 600_000;
/// Largest multiple of the observed time.
const MAX_DELAY_FACTOR: f64 = 100.0;

/// What the orchestrator does wrong from now on; the default is nothing. Faults combine.
///
/// In JSON every field is optional and an unknown one is an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Milliseconds added before a result; at most ten minutes.
    pub delay_ms: u64,
    /// Multiplies the time until the upstream's result: 3.0 makes it three times as long. 1 to 100.
    pub delay_factor: Option<f64>,
    /// Renditions show black pictures: as many, as large and at the same times as the real ones.
    pub black: bool,
    /// Renditions are half as wide and half as high.
    pub wrong_size: bool,
    /// Renditions are the segment itself, there as soon as it is: the upstream never gets it.
    pub echo: bool,
    /// Renditions end after half of their bytes, as if that were all.
    pub truncate: bool,
    /// The connection breaks after half of a rendition.
    pub drop_mid_body: bool,
    /// Uploads are answered with this status, 300 to 599.
    pub status: Option<u16>,
    /// Results hold this error in place of renditions.
    pub error: Option<String>,
    /// As after a restart: tokens handed out before this was set are refused.
    pub stale_token: bool,
    /// No free session: `OrchestratorCapped`, for new sessions and for segments.
    pub capped: bool,
    /// Price quoted: wei per unit and pixels per unit, whatever the numbers.
    pub price: Option<[i64; 2]>,
    /// Uploads are read and never answered.
    pub hang: bool,
    /// Calls of `GetOrchestrator` are never answered.
    pub hang_discovery: bool,
    /// Renditions go out this slowly; at least 1.
    pub drip_bytes_per_second: Option<u64>,
    /// Renditions never end.
    pub endless: bool,
    /// Renditions are offered at the address of a cloud's metadata service.
    pub foreign_url: bool,
    /// Renditions are answered with a redirect to the upstream.
    pub redirect: bool,
    /// Results lack the last rendition.
    pub wrong_count: bool,
    /// Results are of the segment after.
    pub wrong_sequence: bool,
    /// Results name a session nobody opened.
    pub new_session_id: bool,
    /// Results are no message.
    pub garbage_result: bool,
    /// All answers carry a header of 600 KiB.
    pub huge_header: bool,
}

/// Why faults could not be set.
#[derive(Debug, thiserror::Error)]
pub enum FaultsError {
    /// Not the expected JSON.
    #[error("faults: {0}")]
    Json(#[from] serde_json::Error),
    /// Longer than ten minutes.
    #[error("delay_ms: at most {MAX_DELAY_MS}")]
    Delay,
    /// No factor between 1 and 100.
    #[error("delay_factor: 1 to {MAX_DELAY_FACTOR}")]
    DelayFactor,
    /// No status an answer can have that is no success.
    #[error("status: 300 to 599")]
    Status,
    /// Nothing would ever arrive.
    #[error("drip_bytes_per_second: at least 1")]
    Drip,
}

impl Faults {
    /// Reads and checks the body of a `PUT`.
    ///
    /// # Errors
    /// When a field is unknown, of the wrong type or out of range.
    pub fn from_json(text: &[u8]) -> Result<Self, FaultsError> {
        serde_json::from_slice::<Self>(text)?.check()
    }

    pub(crate) fn check(self) -> Result<Self, FaultsError> {
        if self.delay_ms > MAX_DELAY_MS {
            return Err(FaultsError::Delay);
        }
        if self.delay_factor.is_some_and(|factor| !(1.0..=MAX_DELAY_FACTOR).contains(&factor)) {
            return Err(FaultsError::DelayFactor);
        }
        if self.status.is_some_and(|status| !(300..=599).contains(&status)) {
            return Err(FaultsError::Status);
        }
        if self.drip_bytes_per_second == Some(0) {
            return Err(FaultsError::Drip);
        }
        Ok(self)
    }

    /// How much longer a result takes that the upstream took this long for.
    pub(crate) fn extra_delay(&self, observed: Duration) -> Duration {
        let factor = self.delay_factor.unwrap_or(1.0).clamp(1.0, MAX_DELAY_FACTOR);
        let longer = Duration::from_millis(self.delay_ms.min(MAX_DELAY_MS));
        longer + observed.mul_f64(factor - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_optional_and_unknown_ones_are_refused() {
        assert_eq!(Faults::from_json(b"{}").unwrap(), Faults::default());
        let read = Faults::from_json(br#"{"black": true, "price": [3, 2], "status": 500}"#);
        let expected =
            Faults { black: true, price: Some([3, 2]), status: Some(500), ..Faults::default() };
        assert_eq!(read.unwrap(), expected);
        for text in ["", "1", r#"{"blakc": true}"#, r#"{"black": 1}"#, r#"{"price": [1]}"#] {
            assert!(matches!(Faults::from_json(text.as_bytes()), Err(FaultsError::Json(_))));
        }
    }

    #[test]
    fn what_is_shown_can_be_set() {
        let faults = Faults { delay_factor: Some(3.0), hang: true, ..Faults::default() };
        let shown = serde_json::to_vec(&faults).unwrap();
        assert_eq!(Faults::from_json(&shown).unwrap(), faults);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for text in [
            r#"{"delay_ms": 600001}"#,
            r#"{"delay_factor": 0.5}"#,
            r#"{"delay_factor": 1e9}"#,
            r#"{"status": 200}"#,
            r#"{"status": 600}"#,
            r#"{"drip_bytes_per_second": 0}"#,
        ] {
            assert!(Faults::from_json(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn delays_add_up() {
        let observed = Duration::from_millis(400);
        assert_eq!(Faults::default().extra_delay(observed), Duration::ZERO);
        let faults = Faults { delay_ms: 50, delay_factor: Some(3.0), ..Faults::default() };
        assert_eq!(faults.extra_delay(observed), Duration::from_millis(850));
    }
}
