//! The network's messages, generated from `proto/lp_rpc.proto`. The wire's names stay in here.

#![expect(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    dead_code,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    reason = "generated code"
)]

tonic::include_proto!("net");
