//! Whom this machine trusts.

use rustls::RootCertStore;

/// This machine's trusted certificates, or those of the file that `SSL_CERT_FILE` names; none where there are
/// none. Reads files.
#[must_use]
pub fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "trusted certificates can't be read");
    }
    let mut roots = RootCertStore::empty();
    let (_added, _unreadable) = roots.add_parsable_certificates(found.certs);
    roots
}
