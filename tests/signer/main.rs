//! `headgate signer` in a process of its own, and the gateway's client of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod doors;
mod lies;
mod support;
