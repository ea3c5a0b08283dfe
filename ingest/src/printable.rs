//! What a stranger calls itself, fit to be kept and shown.

/// Longest text kept, in characters.
pub(crate) const PRINTABLE_MAX: usize = 64;

/// Text of a stranger, fit for one log line: at most [`PRINTABLE_MAX`] characters of printable ASCII.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(PRINTABLE_MAX).collect()
}
