//! Segments to orchestrators and back: selection, deadlines, retries, in-step release.
