//! The certificate an orchestrator shows.

use std::{sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    SanType,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

const VALIDITY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The host can't be written into a certificate, or the key could not be made.
    #[error("the certificate can't be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up with it.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// TLS with a certificate made for this start, as orchestrators of the network show it
/// (livepeer-wire §2.3): ECDSA P-256, one year, a CA, one DNS name holding the service host even when
/// that is an IP address. Offers `h2` and `http/1.1`.
///
/// # Errors
/// When the host can't be written into a certificate, or the cryptography fails.
pub fn self_signed_certificate(host: &str) -> Result<ServerConfig, CertificateError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::DnsName(host.try_into()?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let now = media::wall_clock_now();
    params.not_before = now.into();
    params.not_after = (now + VALIDITY).into();
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_addresses_get_certificates() {
        for host in ["orch.example", "127.0.0.1", "[::1]"] {
            let config = self_signed_certificate(host).unwrap();
            assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        }
        assert!(self_signed_certificate("höst").is_err());
    }
}
