//! Compiles the wire's messages, without services: the proxy passes gRPC on as HTTP/2.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const PROTO: &str = "../../crates/orchestrator/proto";
    println!("cargo::rerun-if-changed={PROTO}/lp_rpc.proto");
    let descriptors = protox::compile(["lp_rpc.proto"], [PROTO])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
