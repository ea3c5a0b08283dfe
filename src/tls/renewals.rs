//! Orders a certificate when one is due, and puts it where [`super::Certificates`] finds it.

use std::{
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use acme::{AcmeAccount, AcmeClient, AcmeFailure, Challenges, FailureKind, Schedule, Validity};
use https::system_roots;
use media::{Redacted, wall_clock_now};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_util::sync::CancellationToken;

use super::{AcmeFiles, CertificatePair, TlsMetrics};
use crate::config::AcmeConfig;

/// Longest wait without a look at the clock, which may have been set.
const LOOK: Duration = Duration::from_secs(600);
/// How long the disk has before a certificate that it didn't take is written again.
const WRITE_AGAIN: Duration = Duration::from_secs(30);
/// Most bytes read of a file with roots.
const ROOTS_MAX: u64 = 1 << 20;

/// Why certificates can't be ordered at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// The file with the root of the server's own certificate is no use.
    #[error("can't use the directory_root {path}: {reason}")]
    Root {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The data directory can't be written.
    #[error("can't keep certificates in the data directory: {0}")]
    Directory(#[from] io::Error),
}

/// Has a certificate ordered whenever one is due. A server that fails harms nothing: what is there is shown.
#[derive(Debug)]
pub(crate) struct Renewals {
    client: AcmeClient,
    domains: Vec<String>,
    files: AcmeFiles,
    schedule: Schedule,
    metrics: TlsMetrics,
}

/// This machine's roots, and the one that the operator names for the server.
///
/// # Errors
/// When its file holds none.
pub(crate) fn directory_roots(config: &AcmeConfig) -> Result<RootCertStore, SetupError> {
    let mut roots = system_roots();
    let Some(path) = &config.directory_root else { return Ok(roots) };
    let bad = |reason: String| SetupError::Root { path: path.clone(), reason };
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(ROOTS_MAX).read_to_end(&mut pem))
        .map_err(|error| bad(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|_quotes_lines| bad("it holds no certificate in PEM".to_owned()))?;
    if found.is_empty() {
        return Err(bad("it holds no certificate in PEM".to_owned()));
    }
    for certificate in found {
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    Ok(roots)
}

impl Renewals {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub(crate) fn new(
        config: &AcmeConfig,
        files: AcmeFiles,
        challenges: Challenges,
        metrics: TlsMetrics,
    ) -> Result<Self, SetupError> {
        files.prepare()?;
        let client =
            AcmeClient::new(config.settings.clone(), directory_roots(config)?, challenges)?;
        let schedule = Schedule::new(files.orders());
        let domains = config.settings.domains.clone();
        Ok(Self { client, domains, files, schedule, metrics })
    }

    /// Until `closed`.
    pub(crate) async fn run(mut self, closed: CancellationToken) {
        let work = async {
            loop {
                self.wait_until_due().await;
                match Box::pin(self.attempt()).await {
                    Ok(()) => self.schedule.succeeded(),
                    Err(failure) => self.put_off(&failure),
                }
                self.metrics.failed_in_a_row(self.schedule.failures());
            }
        };
        // What an order has under way is left where it is: the server forgets it in time.
        tokio::select! {
            () = closed.cancelled() => {}
            () = work => {}
        }
    }

    async fn wait_until_due(&self) {
        let mut told = false;
        loop {
            let wait = self.schedule.wait(self.held(), since_epoch());
            if wait.is_zero() {
                return;
            }
            if self.schedule.failures() == 0 && !std::mem::replace(&mut told, true) {
                let wait = whole_seconds(wait);
                tracing::info!(domains = ?self.domains, ?wait, "the next certificate is not due yet");
            }
            tokio::time::sleep(wait.min(LOOK)).await;
        }
    }

    /// Of the stored certificate, if it is valid now and has all our names.
    fn held(&self) -> Option<Validity> {
        let pair = self.stored()?;
        let all = self.domains.iter().all(|domain| pair.names(domain));
        let (begins, expires) = (pair.begins, pair.expires);
        let (begins, expires) = (Duration::from_secs(begins), Duration::from_secs(expires));
        all.then_some(Validity { begins, expires })
    }

    fn stored(&self) -> Option<CertificatePair> {
        CertificatePair::read(&self.files.pair(), wall_clock_now()).ok()
    }

    async fn attempt(&mut self) -> Result<(), AcmeFailure> {
        let account = self.sign_in().await?;
        self.schedule.ordering(since_epoch());
        let orders: Vec<_> = self.schedule.orders().collect();
        // An order that is not noted could be made again and again after crashes.
        self.on_disk(move |files| files.keep_orders(orders.into_iter())).await.map_err(unkept)?;
        tracing::info!(domains = ?self.domains, "ordering a certificate");
        let pem = self.client.order(&account).await?;
        self.metrics.ordered("done");
        self.keep(pem).await;
        Ok(())
    }

    async fn sign_in(&self) -> Result<AcmeAccount, AcmeFailure> {
        let kept = self.on_disk(|files| Ok(files.account())).await.ok().flatten();
        let (account, new) = self.client.sign_in(kept.as_ref()).await?;
        if let Some(new) = new {
            self.on_disk(move |files| files.keep_account(&new)).await.map_err(unkept)?;
            tracing::info!(?account, "made an account at the ACME server");
        }
        Ok(account)
    }

    /// Until it is on the disk: another order would not help.
    async fn keep(&self, pem: Redacted<String>) {
        let pem = Arc::new(pem);
        loop {
            let written = Arc::clone(&pem);
            match self.on_disk(move |files| files.keep_pair(&written)).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(%error, "can't store the new certificate, trying again");
                    tokio::time::sleep(WRITE_AGAIN).await;
                }
            }
        }
        tracing::info!(domains = ?self.domains, "stored a new certificate");
    }

    /// Waits for the disk where nobody else has to.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AcmeFiles) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let files = self.files.clone();
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
    }

    fn put_off(&mut self, failure: &AcmeFailure) {
        self.metrics.ordered(failure.kind.name());
        if failure.kind == FailureKind::NoAccount
            && let Err(error) = self.files.forget_account()
        {
            tracing::warn!(%error, "can't remove the account that the ACME server does not know");
        }
        let now = since_epoch();
        self.schedule.failed(failure, rand::random(), now);
        let again_in = whole_seconds(self.schedule.wait(None, now));
        let left = self.stored().map(|it| it.expires.saturating_sub(now.as_secs()));
        let valid_for = left.map(|left| tracing::field::debug(Duration::from_secs(left)));
        tracing::warn!(
            domains = ?self.domains, reason = %failure, ?again_in, valid_for,
            "no new certificate"
        );
    }
}

/// The disk's fault; the next attempt may find room.
fn unkept(error: io::Error) -> AcmeFailure {
    let reason = format!("can't write the data directory: {error}");
    AcmeFailure { kind: FailureKind::Refused, reason, retry_after: None }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn since_epoch() -> Duration {
    wall_clock_now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
