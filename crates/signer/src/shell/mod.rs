//! Sockets: the gateway's client.

pub(crate) mod client;
mod http_client;
