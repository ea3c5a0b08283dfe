//! The certificate that is shown, and how it follows its files.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use acme::Challenges;
use media::wall_clock_now;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    metrics::TlsMetrics,
    pair::{CertificatePair, PairError, warn_of_others},
};
use crate::config::CertificateFiles;

/// How often the files are looked at. Files that change at one look and not until the next are complete.
const POLL: Duration = Duration::from_millis(400);
/// How often a pair that can't be used is tried again: what keeps it out need not be in the files.
const RETRY: Duration = Duration::from_secs(60);

/// What is spoken inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RTMP, which TLS has no name for.
    Rtmp,
    /// HTTP/2 and HTTP/1.1.
    Http,
}

impl Protocol {
    /// What is offered to clients that ask by ALPN.
    pub(super) fn alpn(self) -> Vec<Vec<u8>> {
        match self {
            Self::Rtmp => Vec::new(),
            Self::Http => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        }
    }
}

/// The pair of certificate and key that new handshakes use. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    files: Arc<CertificateFiles>,
    /// What the files were before they were read.
    read_at: Fingerprint,
    /// None before the first.
    current: Arc<RwLock<Option<Current>>>,
    challenges: Option<Challenges>,
    metrics: TlsMetrics,
}

struct Current {
    rtmp: TlsAcceptor,
    http: TlsAcceptor,
    /// Seconds since the Unix epoch.
    expires: u64,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// When they hold no pair that can be used now.
    pub(crate) fn read(files: &CertificateFiles, metrics: TlsMetrics) -> Result<Self, PairError> {
        let read_at = fingerprint(files);
        let current = load(files)?;
        metrics.taken(current.expires);
        let (files, current) = (Arc::new(files.clone()), Arc::new(RwLock::new(Some(current))));
        Ok(Self { files, read_at, current, challenges: None, metrics })
    }

    /// Reads files that are written by another part of this process, and may not be there yet: handshakes
    /// are refused until they are. `challenges` are answered before and after.
    pub(crate) fn awaited(
        files: &CertificateFiles,
        challenges: Challenges,
        metrics: TlsMetrics,
    ) -> Self {
        let read_at = fingerprint(files);
        let current = load(files).inspect_err(|error| {
            if read_at.iter().any(Option::is_some) {
                tracing::warn!(%error, "the stored certificate can't be used");
            }
        });
        let current = current.inspect(|it| metrics.taken(it.expires)).ok();
        let (files, current) = (Arc::new(files.clone()), Arc::new(RwLock::new(current)));
        Self { files, read_at, current, challenges: Some(challenges), metrics }
    }

    /// For one handshake, with what is current. None before there is a certificate.
    pub(super) fn acceptor(&self, protocol: Protocol) -> Option<TlsAcceptor> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| match protocol {
            Protocol::Rtmp => current.rtmp.clone(),
            Protocol::Http => current.http.clone(),
        })
    }

    /// What answers handshakes that check our domains, while there may be any.
    pub(super) fn challenges(&self) -> Option<&Challenges> {
        self.challenges.as_ref().filter(|it| it.expects_handshakes())
    }

    pub(super) const fn metrics(&self) -> &TlsMetrics {
        &self.metrics
    }

    /// Until `closed`: takes over what the files hold when they change. Connections that stand go on as
    /// they are. Files that can't be used change nothing; the log says so once, the metrics for as long.
    pub(crate) async fn follow(self, closed: CancellationToken) {
        let mut watch = Watch::new(self.read_at);
        let mut looks = tokio::time::interval(POLL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = closed.cancelled() => return,
                _ = looks.tick() => {}
            }
            let this = self.clone();
            let look = tokio::task::spawn_blocking(move || {
                this.look(&mut watch, Instant::now());
                watch
            });
            match look.await {
                Ok(looked) => watch = looked,
                Err(error) => {
                    return tracing::error!(%error, "certificates are not followed any more");
                }
            }
        }
    }

    fn look(&self, watch: &mut Watch, now: Instant) {
        self.tell_of_expiry(watch);
        if !watch.is_due(fingerprint(&self.files), now) {
            return;
        }
        let shown = self.files.certificate.display();
        match load(&self.files) {
            Ok(new) => {
                watch.refused = None;
                watch.expiry_told = false;
                self.metrics.taken(new.expires);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(new);
                tracing::info!(certificate = %shown, "new certificate: handshakes use it from now on");
            }
            Err(error) => {
                self.metrics.refused();
                let said = error.to_string();
                if watch.refused.as_ref() != Some(&said) {
                    tracing::warn!(%error, "the new certificate is not used");
                    watch.refused = Some(said);
                }
            }
        }
    }

    fn tell_of_expiry(&self, watch: &mut Watch) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let Some(expires) = current.as_ref().map(|it| it.expires) else { return };
        drop(current);
        let now = wall_clock_now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if now.as_secs() > expires && !watch.expiry_told {
            watch.expiry_told = true;
            let certificate = self.files.certificate.display();
            tracing::error!(%certificate, "the certificate has expired: clients will refuse it");
        }
    }
}

fn load(files: &CertificateFiles) -> Result<Current, PairError> {
    let pair = CertificatePair::read(files, wall_clock_now())?;
    warn_of_others(&files.key);
    let expires = pair.expires;
    let acceptor = |protocol| {
        pair.acceptor(protocol)
            .map_err(|reason| PairError::BadCertificate { path: files.certificate.clone(), reason })
    };
    Ok(Current { rtmp: acceptor(Protocol::Rtmp)?, http: acceptor(Protocol::Http)?, expires })
}

/// What was seen of the files, and said of them.
struct Watch {
    seen: Fingerprint,
    /// Those that were read.
    tried: Fingerprint,
    /// Why those are not used, and what the log has said.
    refused: Option<String>,
    tried_at: Option<Instant>,
    expiry_told: bool,
}

impl Watch {
    const fn new(read: Fingerprint) -> Self {
        Self { seen: read, tried: read, refused: None, tried_at: None, expiry_told: false }
    }

    /// Whether the files, which are `found` now, are to be read.
    fn is_due(&mut self, found: Fingerprint, now: Instant) -> bool {
        let settled = std::mem::replace(&mut self.seen, found) == found;
        let again = self.refused.is_some()
            && self.tried_at.is_none_or(|at| now.saturating_duration_since(at) >= RETRY);
        if !settled || (found == self.tried && !again) {
            return false;
        }
        self.tried = found;
        self.tried_at = Some(now);
        true
    }
}

/// Changes whenever one of the files is written or replaced, or its rights change.
type Fingerprint = [Option<FileState>; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds of the last change of content or rights.
    changed: (i64, i64),
}

fn fingerprint(files: &CertificateFiles) -> Fingerprint {
    [&files.certificate, &files.key].map(|path| state(path))
}

fn state(path: &Path) -> Option<FileState> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(FileState {
        inode: metadata.ino(),
        length: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(number: u64) -> Fingerprint {
        let state = FileState { inode: number, length: 1, changed: (1, 1) };
        [Some(state), Some(state)]
    }

    #[test]
    fn files_are_read_once_when_they_have_settled() {
        let now = Instant::now();
        let mut watch = Watch::new(files(1));
        assert!(!watch.is_due(files(1), now));
        let half = [files(2)[0], files(1)[1]];
        assert!(!watch.is_due(half, now), "the key may be on its way");
        assert!(!watch.is_due(files(2), now));
        assert!(watch.is_due(files(2), now));
        assert!(!watch.is_due(files(2), now + RETRY * 2), "they were taken");
        assert!(!watch.is_due([None, None], now), "replaced in two steps");
        assert!(!watch.is_due(files(2), now));
        assert!(!watch.is_due(files(2), now), "they are what they were");
    }

    #[test]
    fn what_was_refused_is_tried_again_later() {
        let now = Instant::now();
        let mut watch = Watch::new(files(1));
        assert!(!watch.is_due(files(2), now) && watch.is_due(files(2), now));
        watch.refused = Some("no".to_owned());
        assert!(!watch.is_due(files(2), now + RETRY / 2));
        assert!(watch.is_due(files(2), now + RETRY));
        assert!(!watch.is_due(files(2), now + RETRY * 3 / 2));
    }
}
