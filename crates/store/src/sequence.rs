//! Sequence numbers as columns hold them.

use std::collections::BTreeMap;

use media::{SequenceNumber, StreamName};

use crate::error::{RowError, StoreError};

/// Streams whose next number is kept; those kept longest ago are forgotten first.
///
/// Streams that are live are kept again and again, so only those long gone are ever forgotten. They
/// start from the wall clock, as streams that were never live do.
pub const MAX_STREAMS: usize = 10_000;

/// The number as a column holds it.
///
/// # Errors
/// When it is above [`i64::MAX`].
pub(crate) fn to_column(number: SequenceNumber) -> Result<i64, StoreError> {
    i64::try_from(number.0).map_err(|_| StoreError::SequenceTooLarge(number))
}

/// The number that a column holds.
///
/// # Errors
/// When it is negative.
pub(crate) fn from_column(value: i64) -> Result<SequenceNumber, RowError> {
    let number = u64::try_from(value);
    number.map(SequenceNumber).map_err(|_| RowError::OutOfRange { column: "sequence", value })
}

/// One row per stream, with its highest number.
///
/// # Errors
/// When a number is too large for a column.
pub(crate) fn highest_of_each(
    next: &[(StreamName, SequenceNumber)],
) -> Result<Vec<(&str, i64)>, StoreError> {
    let mut highest = BTreeMap::new();
    for (stream, number) in next {
        let number = to_column(*number)?;
        let kept = highest.entry(stream.as_str()).or_insert(number);
        *kept = number.max(*kept);
    }
    Ok(highest.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(stream: &str, number: u64) -> (StreamName, SequenceNumber) {
        (StreamName::new(stream).unwrap(), SequenceNumber(number))
    }

    #[test]
    fn a_stream_told_twice_has_its_highest_number() {
        let next = [named("b", 9), named("a", 3), named("b", 7)];
        assert_eq!(highest_of_each(&next), Ok(vec![("a", 3), ("b", 9)]));
    }

    #[test]
    fn a_number_that_no_column_holds_is_refused() {
        let too_large = SequenceNumber(u64::MAX);
        let next = [named("a", 3), named("b", too_large.0)];
        assert_eq!(highest_of_each(&next), Err(StoreError::SequenceTooLarge(too_large)));
        assert_eq!(from_column(-1), Err(RowError::OutOfRange { column: "sequence", value: -1 }));
    }
}
