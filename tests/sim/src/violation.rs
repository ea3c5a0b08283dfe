//! What a run that fails says.

use std::{fmt, time::Duration};

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Virtual time since the start, where it is known.
    pub at: Option<Duration>,
    /// Which, and how.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(at: Duration, what: impl Into<String>) -> Self {
        Self { at: Some(at), what: what.into() }
    }

    /// The same seed came to something else when it was run again.
    #[must_use]
    pub fn unequal() -> Self {
        Self { at: None, what: "run twice, it comes to something else".to_owned() }
    }

    /// A core panicked.
    pub(crate) fn panicked(message: impl fmt::Display) -> Self {
        Self { at: None, what: format!("panicked: {message}") }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} at {:.6} s", self.what, at.as_secs_f64()),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for Violation {}

/// What a check comes to.
pub(crate) type Checked<T = ()> = Result<T, Violation>;

/// Fails with a message unless the condition holds.
macro_rules! ensure {
    ($at:expr, $condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::violation::Violation::new($at, format!($($message)+)));
        }
    };
}
pub(crate) use ensure;
