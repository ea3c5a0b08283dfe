//! The network's messages, generated from `proto/lp_rpc.proto`. The wire's names stay in here.

#![expect(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    reason = "generated code"
)]
#![allow(dead_code, reason = "the wire's messages are complete, read here or not")]

tonic::include_proto!("net");
