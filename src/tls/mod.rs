//! TLS of the listeners: a certificate and its key from files, followed while they are in use, and
//! handshakes that harm nobody else.
//!
//! [`CertificatePair`] reads and checks the files. [`Certificates`] holds the pair that is shown, and takes
//! a new one over when the files change. [`Handshakes`] bounds the handshakes of one listener.

mod certificates;
mod handshakes;
mod metrics;
mod pair;
mod under_way;

pub(crate) use certificates::{Certificates, Protocol};
pub(crate) use handshakes::{Handshakes, shake_hands};
pub(crate) use metrics::TlsMetrics;
pub(crate) use pair::CertificatePair;
