//! Others' words, as they can be shown.

use std::{error::Error, iter};

/// Longest text that is kept, in bytes.
const TEXT_MAX: usize = 300;

/// What others wrote: at most 300 bytes of it, none of which can write elsewhere on a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_MAX);
    text.get(..end).unwrap_or_default().replace(char::is_control, " ")
}

/// The error with its causes, which say what was refused, and by whom.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    printable(&causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no\u{1b}[2J connection")]
    struct NoConnection(#[source] io::Error);

    #[test]
    fn errors_keep_a_line_of_text() {
        let long = io::Error::other("ü".repeat(1_000));
        assert_eq!(with_causes(&long).len(), TEXT_MAX);
        assert_eq!(printable(&"€".repeat(1_000)).len(), TEXT_MAX);
        assert_eq!(printable(&format!("a{}", "ü".repeat(1_000))).len(), TEXT_MAX - 1);
    }

    #[test]
    fn causes_are_told_and_control_characters_are_not() {
        let error = NoConnection(io::Error::other("refused\n"));
        assert_eq!(with_causes(&error), "no [2J connection: refused ");
    }
}
