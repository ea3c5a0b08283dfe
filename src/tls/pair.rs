//! A certificate chain and its private key, read from PEM files and checked.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use media::{Redacted, civil_date};
use rustls::{
    CertificateError, InconsistentKeys, RootCertStore, ServerConfig,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::{ParsedCertificate, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsAcceptor;

use super::Protocol;
use crate::config::CertificateFiles;

/// Most bytes read of either file.
const FILE_MAX: u64 = 1 << 20;
/// Rights of those who neither own a file nor are in its group.
const OTHERS: u32 = 0o007;
const DAY: u64 = 86_400;

/// Why files can't be used as a certificate and its key. Names the file, and quotes nothing of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairError {
    /// One of the files can't be read.
    #[error("can't read the {what} {path}: {reason}")]
    Unreadable {
        /// What should be in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// There is no certificate in it.
    #[error("{0} holds no certificate in PEM")]
    NoCertificate(PathBuf),
    /// There is no key in it.
    #[error("{0} holds no private key in PEM (an encrypted one can't be used)")]
    NoKey(PathBuf),
    /// The key's kind is unknown, or it is damaged.
    #[error("can't use the private key {path}: {reason}")]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: rustls::Error,
    },
    /// Two that don't belong together.
    #[error("the private key {key} is not the one of the first certificate in {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// It was valid.
    #[error("the certificate {path} expired on {on}")]
    Expired {
        /// The file.
        path: PathBuf,
        /// The day, by UTC.
        on: String,
    },
    /// It will be valid.
    #[error("the certificate {path} is not valid before {from}")]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// The day, by UTC.
        from: String,
    },
    /// TLS does not take it.
    #[error("can't use the certificate {path}: {reason}")]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: rustls::Error,
    },
}

/// A certificate that can be shown, with the chain to its authority.
#[derive(Clone, Debug)]
pub(crate) struct CertificatePair {
    provider: Arc<CryptoProvider>,
    shown: Arc<SingleCertAndKey>,
    leaf: CertificateDer<'static>,
    /// Since when it is valid; seconds since the Unix epoch.
    pub(crate) begins: u64,
    /// Up to when it is valid; seconds since the Unix epoch.
    pub(crate) expires: u64,
}

impl CertificatePair {
    /// Reads both files. The certificate must be valid `now`.
    ///
    /// # Errors
    /// See [`PairError`].
    pub(crate) fn read(files: &CertificateFiles, now: SystemTime) -> Result<Self, PairError> {
        let CertificateFiles { certificate, key } = files;
        let chain = chain(certificate)?;
        let leaf = chain.first().ok_or_else(|| PairError::NoCertificate(certificate.clone()))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let leaf = leaf.clone();
        let (begins, expires) =
            check_validity(&leaf, certificate, UnixTime::since_unix_epoch(now))?;
        let private = private_key(key)?;
        let private = provider
            .key_provider
            .load_private_key(private)
            .map_err(|reason| PairError::BadKey { path: key.clone(), reason })?;
        let pair = CertifiedKey::new(chain, private);
        match pair.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(PairError::Mismatch {
                    certificate: certificate.clone(),
                    key: key.clone(),
                });
            }
            Err(reason) => {
                return Err(PairError::BadCertificate { path: certificate.clone(), reason });
            }
        }
        let shown = Arc::new(SingleCertAndKey::from(pair));
        Ok(Self { provider, shown, leaf, begins, expires })
    }

    /// Whether it is for this domain.
    pub(crate) fn names(&self, domain: &str) -> bool {
        let Ok(name) = ServerName::try_from(domain) else { return false };
        ParsedCertificate::try_from(&self.leaf)
            .is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }

    /// TLS 1.2 and 1.3 with this certificate. Sessions of an acceptor are resumed by none but itself: who
    /// comes back after a change of certificate sees the new one.
    ///
    /// # Errors
    /// When the cryptography offers no version of TLS.
    pub(crate) fn acceptor(&self, protocol: Protocol) -> Result<TlsAcceptor, rustls::Error> {
        let shown = Arc::clone(&self.shown) as Arc<dyn ResolvesServerCert>;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        config.alpn_protocols = protocol.alpn();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Warns when anybody on this machine may read the key.
pub(crate) fn warn_of_others(key: &Path) {
    let Ok(metadata) = std::fs::metadata(key) else { return };
    if metadata.mode() & OTHERS != 0 {
        let mode = format!("{:03o}", metadata.mode() & 0o777);
        tracing::warn!(key = %key.display(), %mode, "others on this machine can read the private key");
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let bytes = read(path, "certificate")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes.expose()).collect();
    chain.map_err(|_quotes_lines| PairError::NoCertificate(path.to_owned()))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PairError> {
    let bytes = read(path, "private key")?;
    PrivateKeyDer::from_pem_slice(bytes.expose())
        .map_err(|_quotes_lines| PairError::NoKey(path.to_owned()))
}

fn read(path: &Path, what: &'static str) -> Result<Redacted<Vec<u8>>, PairError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes))
        .map_err(|reason| PairError::Unreadable { what, path: path.to_owned(), reason })?;
    Ok(Redacted::new(bytes))
}

/// When the certificate begins and ends, if it is valid now.
fn check_validity(
    leaf: &CertificateDer<'_>,
    path: &Path,
    now: UnixTime,
) -> Result<(u64, u64), PairError> {
    let bad = |reason| PairError::BadCertificate { path: path.to_owned(), reason };
    let parsed = ParsedCertificate::try_from(leaf).map_err(bad)?;
    match verdict(&parsed, now) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => {
            return Err(PairError::Expired { path: path.to_owned(), on: day(not_after) });
        }
        Some(CertificateError::NotValidYetContext { not_before, .. }) => {
            return Err(PairError::NotYetValid { path: path.to_owned(), from: day(not_before) });
        }
        Some(_) | None => {}
    }
    // At the beginning of time no certificate is valid yet, at its end every one has expired, and the
    // verdicts say since when and from when on.
    let begins = match verdict(&parsed, UnixTime::since_unix_epoch(Duration::ZERO)) {
        Some(CertificateError::NotValidYetContext { not_before, .. }) => not_before.as_secs(),
        Some(_) | None => 0,
    };
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    match verdict(&parsed, end_of_time) {
        Some(CertificateError::ExpiredContext { not_after, .. }) => {
            Ok((begins, not_after.as_secs()))
        }
        Some(_) | None => Ok((begins, u64::MAX)),
    }
}

/// What is wrong with a certificate at this time. Nobody is trusted here, so something always is; but its
/// dates are judged first.
fn verdict(certificate: &ParsedCertificate<'_>, at: UnixTime) -> Option<CertificateError> {
    let nobody = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(certificate, &nobody, &[], at, &[]) {
        Err(rustls::Error::InvalidCertificate(error)) => Some(error),
        Ok(()) | Err(_) => None,
    }
}

/// The day, by UTC.
fn day(at: UnixTime) -> String {
    let (year, month, day) = civil_date(i64::try_from(at.as_secs() / DAY).unwrap_or(i64::MAX));
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests;
