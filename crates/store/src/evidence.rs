//! Proofs of wrong work, as they are kept and as they come back.

use std::time::SystemTime;

use media::SequenceNumber;
use orchestrator::OrchestratorAddress;
use router::Evidence;

use crate::{
    error::{RowError, StoreError},
    micros::{of_time, to_time},
    sequence,
};

/// Bytes kept of each text of a proof, cut between characters.
pub const MAX_TEXT_BYTES: usize = 1024;
/// Pictures kept with a proof; further ones are left out.
pub const MAX_PICTURES: usize = 4;
/// Bytes of a picture. A larger one is kept as an empty one: half an image can't be decoded, and the
/// places of the others tell what they show. With all bounds together, proofs take up to 250 MiB.
pub const MAX_PICTURE_BYTES: usize = 64 * 1024;

/// A proof that an orchestrator returned wrong work, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvidence {
    /// Its number in the store: later ones are higher, none is given twice.
    pub id: i64,
    /// Who returned it.
    pub address: OrchestratorAddress,
    /// When, to the microsecond.
    pub at: SystemTime,
    /// The stream's name.
    pub stream: String,
    /// The segment's number.
    pub sequence: SequenceNumber,
    /// The rendition's name.
    pub rendition: String,
    /// A label, such as `picture_differs`; perhaps one that only an earlier version gave.
    pub kind: String,
    /// What was found, for people; up to [`MAX_TEXT_BYTES`].
    pub detail: String,
    /// The source's picture and the rendition's, as small binary PGM images: up to [`MAX_PICTURES`],
    /// each of up to [`MAX_PICTURE_BYTES`], empty where it was larger.
    pub pictures: Vec<Vec<u8>>,
}

/// A row about one proof, without its id. Times are microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EvidenceRow {
    /// The orchestrator's address as text.
    pub(crate) orchestrator: String,
    /// See [`Evidence::at`].
    pub(crate) at: i64,
    /// See [`Evidence::stream`].
    pub(crate) stream: String,
    /// See [`Evidence::sequence`].
    pub(crate) sequence: i64,
    /// See [`Evidence::rendition`].
    pub(crate) rendition: String,
    /// See [`Evidence::kind`].
    pub(crate) kind: String,
    /// See [`Evidence::detail`].
    pub(crate) detail: String,
    /// Rows of their own, by position.
    pub(crate) pictures: Vec<Vec<u8>>,
}

impl EvidenceRow {
    /// The row to write, cut to its bounds.
    ///
    /// # Errors
    /// When the sequence number is too large for a column.
    pub(crate) fn of(evidence: Evidence) -> Result<Self, StoreError> {
        Ok(Self {
            orchestrator: evidence.address.to_string(),
            at: of_time(evidence.at),
            stream: clipped(evidence.stream),
            sequence: sequence::to_column(evidence.sequence)?,
            rendition: clipped(evidence.rendition),
            kind: clipped(evidence.kind.to_owned()),
            detail: clipped(evidence.detail),
            pictures: evidence.pictures.into_iter().take(MAX_PICTURES).map(small).collect(),
        })
    }

    /// What a row that was read says.
    ///
    /// # Errors
    /// When the address is none, or a number is out of its range.
    pub(crate) fn read(self, id: i64) -> Result<StoredEvidence, RowError> {
        Ok(StoredEvidence {
            id,
            address: self.orchestrator.parse()?,
            at: to_time("at", self.at)?,
            stream: self.stream,
            sequence: sequence::from_column(self.sequence)?,
            rendition: self.rendition,
            kind: self.kind,
            detail: self.detail,
            pictures: self.pictures,
        })
    }
}

/// Cut to its bound, and without NUL, which not every engine can hold.
pub(crate) fn clipped(text: String) -> String {
    let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

fn small(picture: Vec<u8>) -> Vec<u8> {
    if picture.len() > MAX_PICTURE_BYTES { Vec::new() } else { picture }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn evidence(detail: String, pictures: Vec<Vec<u8>>) -> Evidence {
        Evidence {
            address: "https://o.example:8935".parse().unwrap(),
            at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001),
            stream: "camera".to_owned(),
            sequence: SequenceNumber(17),
            rendition: "720p".to_owned(),
            kind: "picture_differs",
            detail,
            pictures,
        }
    }

    #[test]
    fn a_row_reads_as_it_was_written() {
        let original = evidence("luma off by 40".to_owned(), vec![vec![1, 2], vec![3]]);
        let read = EvidenceRow::of(original.clone()).unwrap().read(5).unwrap();
        let expected = StoredEvidence {
            id: 5,
            address: original.address,
            at: original.at,
            stream: original.stream,
            sequence: original.sequence,
            rendition: original.rendition,
            kind: original.kind.to_owned(),
            detail: original.detail,
            pictures: original.pictures,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn pictures_keep_their_places_when_one_is_too_large() {
        let fits = vec![1; MAX_PICTURE_BYTES];
        let pictures = vec![vec![2; MAX_PICTURE_BYTES + 1], fits.clone(), vec![], vec![3], vec![4]];
        let row = EvidenceRow::of(evidence(String::new(), pictures)).unwrap();
        assert_eq!(row.pictures, [vec![], fits, vec![], vec![3]]);
    }

    #[test]
    fn a_number_that_no_column_holds_is_refused() {
        let mut evidence = evidence(String::new(), vec![]);
        evidence.sequence = SequenceNumber(u64::MAX);
        let refused = StoreError::SequenceTooLarge(SequenceNumber(u64::MAX));
        assert_eq!(EvidenceRow::of(evidence), Err(refused));
    }

    proptest! {
        #[test]
        fn any_text_is_cut_between_characters(text in "[a\u{e9}\u{20ac}\u{1f600}]{0,1100}") {
            let detail = EvidenceRow::of(evidence(text.clone(), vec![])).unwrap().detail;
            prop_assert!(text.starts_with(&detail));
            // No character is longer than four bytes, so at most three are lost to the cut.
            prop_assert!(detail == text || (MAX_TEXT_BYTES - 3..=MAX_TEXT_BYTES).contains(&detail.len()));
        }
    }
}
