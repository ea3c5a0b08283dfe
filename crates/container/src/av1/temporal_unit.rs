//! Temporal units as the rest of the house wants them.

use bytes::Bytes;
use media::Chain;

use super::{
    Av1Error,
    obu::{
        FRAME, FRAME_HEADER, ObuSpan, ObuSpans, PADDING, REDUNDANT_FRAME_HEADER, SEQUENCE_HEADER,
        TEMPORAL_DELIMITER, TILE_LIST,
    },
};
use crate::bits::Bits;

/// A temporal unit fit for a sample, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalizedTemporalUnit {
    /// Its OBUs without temporal delimiters, padding, tile lists and repeated frame headers, which have
    /// no place in a sample (AV1 in ISOBMFF §2.4); slices of what came in.
    pub payload: Chain,
    /// Its first frame is a key frame that is shown.
    pub random_access: bool,
    /// It holds a frame, or shows one that came before.
    pub has_picture: bool,
    /// The first sequence header in it, whole, as a slice. It is in the payload too.
    pub sequence_header: Option<Bytes>,
}

/// Normalizes a temporal unit in the low overhead format. No OBU is ever copied.
///
/// # Errors
///
/// `TruncatedObu`, `ForbiddenBit`, `TooManyObus`.
pub fn normalize(payload: &Bytes) -> Result<NormalizedTemporalUnit, Av1Error> {
    let mut unit = NormalizedTemporalUnit {
        payload: Chain::new(),
        random_access: false,
        has_picture: false,
        sequence_header: None,
    };
    let mut run = 0..0;
    for span in ObuSpans::new(payload) {
        let span = span?;
        let end = span.whole.end;
        let stays =
            !matches!(span.kind, TEMPORAL_DELIMITER | PADDING | TILE_LIST | REDUNDANT_FRAME_HEADER);
        if stays {
            unit.note(payload, span);
            run.end = end;
        } else {
            // Neighbours that stay share a piece.
            unit.payload.push(payload.slice(run));
            run = end..end;
        }
    }
    unit.payload.push(payload.slice(run));
    Ok(unit)
}

impl NormalizedTemporalUnit {
    fn note(&mut self, data: &Bytes, span: ObuSpan) {
        match span.kind {
            SEQUENCE_HEADER if self.sequence_header.is_none() => {
                self.sequence_header = Some(data.slice(span.whole));
            }
            FRAME | FRAME_HEADER if !self.has_picture => {
                self.has_picture = true;
                self.random_access = is_shown_key_frame(span.payload(data));
            }
            _ => {}
        }
    }
}

/// `show_existing_frame` of 0, `frame_type` of `KEY_FRAME`, `show_frame` of 1 (§5.9.2).
fn is_shown_key_frame(header: &[u8]) -> bool {
    Bits::new(header).number(4) == Some(0b0001)
}
