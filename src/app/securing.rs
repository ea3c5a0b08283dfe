//! The certificate for those who connect over TLS, and where it comes from.

use acme::Challenges;
use axum::{Router, extract::Path, http::StatusCode, routing::get};
use prometheus_client::registry::Registry;

use super::stages::Stage;
use crate::{
    config::{CertificateSource, Config},
    tls::{AcmeFiles, Certificates, Renewals, TlsMetrics},
};

/// What is shown over TLS, and what keeps it fresh.
#[derive(Debug)]
pub(super) struct Securing {
    pub(super) certificates: Certificates,
    /// Where certificates are ordered.
    ordered: Option<(Renewals, Challenges)>,
}

impl Securing {
    /// Reads the certificate. None where nothing is to be reached over TLS.
    pub(super) fn new(config: &Config, registry: &mut Registry) -> anyhow::Result<Option<Self>> {
        let Some(tls) = &config.tls else { return Ok(None) };
        let metrics = TlsMetrics::registered(registry);
        let acme = match &tls.source {
            CertificateSource::Files(files) => {
                let certificates = Certificates::read(files, metrics)?;
                return Ok(Some(Self { certificates, ordered: None }));
            }
            CertificateSource::Acme(acme) => acme,
        };
        let (challenges, files) =
            (Challenges::default(), AcmeFiles::new(&config.data_dir, &acme.settings.directory));
        let certificates =
            Certificates::awaited(&files.pair(), challenges.clone(), metrics.clone());
        let renewals = Renewals::new(acme, files, challenges.clone(), metrics)?;
        Ok(Some(Self { certificates, ordered: Some((renewals, challenges)) }))
    }

    /// Answers requests that check our domains (RFC 8555 §8.3).
    pub(super) fn checks(&self) -> Router {
        let Some((_, challenges)) = &self.ordered else { return Router::new() };
        let challenges = challenges.clone();
        let answer = async move |Path(token): Path<String>| {
            challenges.request(&token).ok_or(StatusCode::NOT_FOUND)
        };
        Router::new().route("/.well-known/acme-challenge/{token}", get(answer))
    }

    /// When its files change, the certificate does; they are changed when it is time.
    pub(super) fn follow(securing: Option<Self>, stage: &Stage) {
        let Some(Self { certificates, ordered }) = securing else { return };
        stage.tasks.spawn(certificates.follow(stage.closed.clone()));
        if let Some((renewals, _)) = ordered {
            stage.tasks.spawn(renewals.run(stage.closed.clone()));
        }
    }
}
