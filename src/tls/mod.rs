//! TLS of the listeners: a certificate and its key from files, followed while they are in use, and
//! handshakes that harm nobody else.
//!
//! [`CertificatePair`] reads and checks the files. [`Certificates`] holds the pair that is shown, and takes
//! a new one over when the files change. [`Handshakes`] bounds the handshakes of one listener. [`Renewals`]
//! orders certificates from an ACME server and puts them into such a file, [`AcmeFiles`] has its place.

mod acme_files;
mod certificates;
mod handshakes;
mod metrics;
mod pair;
mod renewals;
mod under_way;

pub(crate) use acme_files::AcmeFiles;
pub(crate) use certificates::{Certificates, Protocol};
pub(crate) use handshakes::{Handshakes, shake_hands};
pub(crate) use metrics::TlsMetrics;
pub(crate) use pair::CertificatePair;
pub(crate) use renewals::{Renewals, directory_roots};
