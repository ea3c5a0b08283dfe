//! The network's messages, generated from the wire's one description.

#![expect(clippy::all, unreachable_pub, unnameable_types, reason = "generated code")]
#![allow(dead_code, reason = "the wire's messages are complete, read here or not")]

include!(concat!(env!("OUT_DIR"), "/net.rs"));
