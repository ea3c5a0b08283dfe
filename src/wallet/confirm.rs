//! Whether somebody said yes.

use std::io::{self, BufRead, Read as _, Write};

/// Longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 64;

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// Yes.
    Given,
    /// Anything else.
    Refused,
    /// No terminal to ask on.
    NobodyToAsk,
}

/// Asks on a terminal for the word `yes`, unless it was said before.
pub(super) fn consent(
    said: bool,
    on_terminal: bool,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<Consent> {
    if said {
        return Ok(Consent::Given);
    }
    if !on_terminal {
        return Ok(Consent::NobodyToAsk);
    }
    output.write_all(b"Send this? Type yes: ")?;
    output.flush()?;
    let mut answer = String::new();
    input.take(ANSWER_MAX).read_line(&mut answer)?;
    Ok(if answer.trim() == "yes" { Consent::Given } else { Consent::Refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(said: bool, on_terminal: bool, input: &str) -> (Consent, String) {
        let mut output = Vec::new();
        let given = consent(said, on_terminal, &mut input.as_bytes(), &mut output).unwrap();
        (given, String::from_utf8(output).unwrap())
    }

    #[test]
    fn only_yes_is_yes() {
        for (answer, expected) in [
            ("yes\n", Consent::Given),
            (" yes \n", Consent::Given),
            ("y\n", Consent::Refused),
            ("Yes\n", Consent::Refused),
            ("yes please\n", Consent::Refused),
            ("\n", Consent::Refused),
            ("", Consent::Refused),
        ] {
            let (given, question) = asked(false, true, answer);
            assert_eq!(given, expected, "{answer:?}");
            assert!(question.contains("Type yes"));
        }
    }

    #[test]
    fn nobody_is_asked_where_nobody_is() {
        assert_eq!(asked(false, false, "yes\n"), (Consent::NobodyToAsk, String::new()));
        assert_eq!(asked(true, false, ""), (Consent::Given, String::new()));
    }
}
