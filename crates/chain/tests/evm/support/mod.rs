//! A chain with the network's contracts, and ways to it.

pub(crate) mod anvil;
pub(crate) mod proxy;
pub(crate) mod world;

use std::time::SystemTime;

pub(crate) use anvil::folder;
pub(crate) use proxy::{Mode, Proxy};
pub(crate) use world::{Layer, World, ether_of, key};

#[allow(clippy::disallowed_methods, reason = "the clock that the root hands in")]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}
