//! Certificates from an ACME server (RFC 8555).
//!
//! This crate owns when a certificate is ordered ([`Schedule`], no I/O), how an order goes ([`AcmeClient`]),
//! and what answers those who check that a domain is ours ([`Challenges`]: TLS-ALPN-01 of RFC 8737, HTTP-01 of
//! RFC 8555 §8.3).
//!
//! It deliberately keeps no files, has no listeners, and shows no certificate: whoever holds a [`Challenges`]
//! answers with it.

#![warn(missing_docs)]

mod challenges;
mod failure;
mod schedule;
mod shell;

pub use challenges::{ChallengeKind, Challenges};
pub use failure::{AcmeFailure, FailureKind};
pub use schedule::{ORDERS_PER_HOUR, Schedule, Validity};
pub use shell::{AcmeAccount, AcmeClient, AcmeSettings};
