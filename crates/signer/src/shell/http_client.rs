//! The HTTP client that asks a signer.

use bytes::Bytes;
use http::{Request, Response};
use https::{Connections, HttpsClient, HttpsError};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::client::{SignerClientConfig, SignerSetupError, Trust};
use crate::SignerError;

/// Longest answer: a payment of a hundred tickets has some 11 kB.
const ANSWER_MAX: usize = 256 << 10;
/// Connections without a call that are kept.
const IDLE_MAX: usize = 8;

/// Keeps and shares its connections.
#[derive(Clone, Debug)]
pub(super) struct HttpClient(HttpsClient);

impl From<HttpsError> for SignerError {
    fn from(error: HttpsError) -> Self {
        Self::unreachable(error.to_string())
    }
}

impl HttpClient {
    pub(super) fn new(config: &SignerClientConfig) -> Result<Self, SignerSetupError> {
        let roots =
            if config.url.is_tls() { roots(&config.trust)? } else { RootCertStore::empty() };
        let connections = Connections {
            connect_limit: config.deadline,
            idle_limit: config.idle_timeout,
            idle_max: IDLE_MAX,
        };
        Ok(Self(HttpsClient::new(roots, connections)?))
    }

    /// One call, to the answer's last byte.
    pub(super) async fn call(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, SignerError> {
        let (head, body) = self.0.send(request).await?.into_parts();
        Ok(Response::from_parts(head, https::read_body(body, ANSWER_MAX).await?))
    }
}

fn roots(trust: &Trust) -> Result<RootCertStore, SignerSetupError> {
    let roots = match trust {
        Trust::System => https::system_roots(),
        Trust::Authority(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|_| SignerSetupError::Authority)?)?;
            }
            roots
        }
    };
    if roots.is_empty() { Err(SignerSetupError::NoRoots) } else { Ok(roots) }
}
