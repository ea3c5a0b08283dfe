//! What is kept of an ACME server, in the data directory.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use media::Redacted;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{config::CertificateFiles, file_replacement::FileReplacement};

/// Certificate with key, account, and the last orders, of one ACME server: what a test server issued is not
/// shown once another is asked. All are for their owner only, and replaced as a whole.
#[derive(Clone, Debug)]
pub(crate) struct AcmeFiles {
    directory: PathBuf,
}

impl AcmeFiles {
    /// Those of the server with this directory URL.
    pub(crate) fn new(data_dir: &Path, url: &str) -> Self {
        let host = Url::parse(url).ok().and_then(|it| it.host_str().map(str::to_owned));
        let host = host.unwrap_or_default().replace([':', '[', ']'], "_");
        let digest = Sha256::digest(url.as_bytes());
        let digest = hex::encode(digest.get(..4).unwrap_or_default());
        Self { directory: data_dir.join("acme").join(format!("{host}-{digest}")) }
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// When that can't be.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)
    }

    /// Key and certificates are in one file, so that they always belong together.
    pub(crate) fn pair(&self) -> CertificateFiles {
        let path = self.directory.join("certificate.pem");
        CertificateFiles { certificate: path.clone(), key: path }
    }

    pub(crate) fn keep_pair(&self, pem: &Redacted<String>) -> io::Result<()> {
        replace(&self.pair().key, pem.expose().trim_end())
    }

    /// The account's credentials, if there are any.
    pub(crate) fn account(&self) -> Option<Redacted<String>> {
        fs::read_to_string(self.directory.join("account.json")).ok().map(Redacted::new)
    }

    pub(crate) fn keep_account(&self, credentials: &Redacted<String>) -> io::Result<()> {
        replace(&self.directory.join("account.json"), credentials.expose())
    }

    /// The server does not know it any more.
    pub(crate) fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(self.directory.join("account.json"))
    }

    /// When the last orders were made, since the Unix epoch.
    pub(crate) fn orders(&self) -> Vec<Duration> {
        let text = fs::read_to_string(self.directory.join("orders")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok().map(Duration::from_secs)).collect()
    }

    pub(crate) fn keep_orders(&self, orders: impl Iterator<Item = Duration>) -> io::Result<()> {
        let lines: Vec<_> = orders.map(|it| it.as_secs().to_string()).collect();
        replace(&self.directory.join("orders"), &lines.join("\n"))
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut replacement = FileReplacement::begin(path)?;
    replacement.push(text.as_bytes())?;
    replacement.commit()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_for_its_owner_only() {
        let name = format!("headgate-acme-{}", std::process::id());
        let data_dir = std::env::temp_dir().join(name);
        let files = AcmeFiles::new(&data_dir, "https://ca.example/dir");
        assert!(files.account().is_none() && files.orders().is_empty());
        files.prepare().unwrap();
        let secret = Redacted::new("{}".to_owned());
        files.keep_account(&secret).unwrap();
        files.keep_pair(&secret).unwrap();
        files.keep_orders([1, 2].map(Duration::from_secs).into_iter()).unwrap();
        for path in [files.pair().key, files.directory.join("account.json")] {
            assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(&files.directory).unwrap().mode() & 0o777, 0o700);
        let again = AcmeFiles::new(&data_dir, "https://ca.example/dir");
        assert_eq!(again.orders(), [1, 2].map(Duration::from_secs));
        assert_eq!(again.account().unwrap().expose().trim(), "{}");
        let staging = AcmeFiles::new(&data_dir, "https://ca.example/staging");
        assert!(staging.account().is_none(), "another server's account is no use");
        again.forget_account().unwrap();
        assert!(again.account().is_none());
        fs::remove_dir_all(data_dir).unwrap();
    }
}
