//! One flag of go-livepeer, and what it means here.

use super::{draft::Draft, payment::PaymentFlags};

/// Notes a flag's value, or says what is wrong with it without quoting what may be secret.
pub(super) type Take = fn(&mut Draft, &str) -> Result<(), String>;

/// Where a flag's value is kept until it is known whether anything is to be paid.
pub(super) type PaymentField = fn(&mut PaymentFlags) -> &mut Option<String>;

/// A flag of go-livepeer (livepeer-gateway §2).
pub(super) struct Flag {
    /// Its name, without hyphens.
    pub(super) name: &'static str,
    /// How it is written.
    pub(super) kind: Kind,
    /// Its value where nobody says anything.
    pub(super) default: &'static str,
    /// What becomes of it.
    pub(super) meaning: Meaning,
}

/// How a flag is written on a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Alone, or with `=true` and `=false`.
    Switch,
    /// With a value, after `=` or as the next argument.
    Value,
}

/// What becomes of a flag.
pub(super) enum Meaning {
    /// It is the setting at this place of the file.
    Setting(&'static str, Take),
    /// Where something is to be paid, it is the setting of this name in `[payments]`.
    Payment(&'static str, PaymentField),
    /// The gateway does without it, for this reason.
    Needless(&'static str),
    /// What it asks for is not built; any other value than the default is refused with this reason.
    Absent(&'static str),
}

impl Flag {
    /// A flag that is a setting here.
    pub(super) const fn setting(
        name: &'static str,
        kind: Kind,
        key: &'static str,
        take: Take,
    ) -> Self {
        Self { name, kind, default: "", meaning: Meaning::Setting(key, take) }
    }

    /// A flag with a value that matters to payments only.
    pub(super) const fn payment(
        name: &'static str,
        key: &'static str,
        field: PaymentField,
    ) -> Self {
        Self { name, kind: Kind::Value, default: "", meaning: Meaning::Payment(key, field) }
    }

    /// A flag that the gateway does without.
    pub(super) const fn needless(name: &'static str, kind: Kind, reason: &'static str) -> Self {
        Self { name, kind, default: "", meaning: Meaning::Needless(reason) }
    }

    /// A flag for something that is not built.
    pub(super) const fn absent(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        reason: &'static str,
    ) -> Self {
        Self { name, kind, default, meaning: Meaning::Absent(reason) }
    }

    /// Its environment variable.
    pub(super) fn variable(&self) -> String {
        format!("LP_{}", self.name.to_ascii_uppercase())
    }

    /// Whether a value says no more than the default.
    pub(super) fn is_default(&self, value: &str) -> bool {
        match self.kind {
            Kind::Switch => switch(value) == switch(self.default),
            Kind::Value => value.is_empty() || value == self.default,
        }
    }
}

/// Reads a switch as Go does.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
