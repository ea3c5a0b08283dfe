//! The signer's certificate.

use std::path::Path;

use media::wall_clock_now;
use tokio_rustls::TlsAcceptor;

use crate::{
    config::CertificateFiles,
    tls::{CertificatePair, Protocol},
};

/// Reads certificate chain and key, in PEM.
///
/// # Errors
/// When a file can't be read, the certificate is not valid now, or they don't belong together.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let files = CertificateFiles { certificate: certificate.to_owned(), key: key.to_owned() };
    Ok(CertificatePair::read(&files, wall_clock_now())?.acceptor(Protocol::Http)?)
}
