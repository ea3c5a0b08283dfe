//! The test vectors of livepeer-wire §9 that take more than one part of the crate, or that are about
//! whole headers; the others are beside what they test.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

mod contracts;
mod independent;
mod messages;
mod payments;
mod segments;
mod signatures;

use tickets::{Address, PrivateKey};

/// The key of the vectors.
fn key() -> PrivateKey {
    PrivateKey::from_bytes(&[0x46; 32]).unwrap()
}

/// Its address.
fn address() -> Address {
    "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F".parse().unwrap()
}
