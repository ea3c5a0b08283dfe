//! The statements of the fleet's memory, the same for every engine. All run inside a transaction of the
//! caller.

mod evidence;
mod remembered;
mod sequence;

pub(super) use evidence::{evidence, keep_evidence};
pub(super) use remembered::{remember, remembered};
pub(super) use sequence::{keep_next_sequences, next_sequence};

use super::{
    error::EngineError,
    transaction::{Insert, Transaction},
    value::{Columns, Value, bounded},
};

/// Rows beyond a bound that go at once: more than one call can ever have brought. Neither engine skips
/// rows without a limit in a way that both understand.
const BEYOND: i64 = 1 << 32;
