//! Sockets, and this machine's files.

mod client;
mod roots;

pub use client::{Connections, HttpsClient, HttpsError, read_body};
pub use roots::system_roots;
