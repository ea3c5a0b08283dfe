//! Nodes behind TLS: verified, or not asked.

use std::{net::SocketAddr, sync::Arc};

use chain::{ChainClient, ChainError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{Layer, World, world::rpc_trusting};

/// TLS in front of a node, for the name `localhost`; runs as long as the tasks. Gives its port and what
/// signs its certificate.
async fn terminate(node: SocketAddr, tasks: &mut JoinSet<()>) -> (u16, RootCertStore) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let tls = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                // A client that trusts nobody breaks off.
                let Ok(mut client) = acceptor.accept(tcp).await else { return };
                let mut node = TcpStream::connect(node).await.unwrap();
                let _ended = copy_bidirectional(&mut client, &mut node).await;
            });
        }
    });
    (port, roots)
}

#[tokio::test]
async fn a_node_is_verified_before_it_is_asked() {
    let world = World::start(Layer::One).await;
    let mut tasks = JoinSet::new();
    let (port, roots) = terminate(world.proxy.address, &mut tasks).await;
    let url = || [format!("https://localhost:{port}")];
    let client = ChainClient::connect(rpc_trusting(url(), roots), world.controller).await.unwrap();
    assert_eq!(client.contracts(), world.client.contracts());

    let calls = world.proxy.calls();
    let trusts_nobody = rpc_trusting(url(), RootCertStore::empty());
    let refused = ChainClient::connect(trusts_nobody, world.controller).await;
    let Err(ChainError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("certificate"), "{reason}");
    assert_eq!(world.proxy.calls(), calls);
}
