//! A real ACME server, Pebble, with a name server that sends every name to this machine.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustls::{RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject as _};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
};

use super::{authority::Authority, http::HttpClient};

/// Where checks of domains go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckPorts {
    pub(crate) http: u16,
    pub(crate) tls: u16,
}

/// Where a server will be, which may not run yet.
#[derive(Debug)]
pub(crate) struct Pebble {
    directory: PathBuf,
    acme: u16,
    management: u16,
    names: u16,
    names_management: u16,
    running: Option<(Child, Child)>,
}

/// A port that nobody has now.
pub(crate) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

impl Pebble {
    /// Ports for one whose files are to be in this directory, with the authority's pair for its own address.
    pub(crate) async fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            acme: free_port().await,
            management: free_port().await,
            names: free_port().await,
            names_management: free_port().await,
            running: None,
        }
    }

    /// The settings of a gateway that gets its certificate here.
    pub(crate) fn settings(&self, more: &str) -> String {
        let root = self.directory.join("ca.pem");
        format!(
            "[tls.acme]\ndomains = [\"live.headgate.test\", \"cdn.headgate.test\"]\n\
             terms_agreed = true\nemail = \"ops@headgate.test\"\ndirectory_root = {root:?}\n\
             directory = \"https://localhost:{}/dir\"\n{more}\n",
            self.acme
        )
    }

    /// Starts it, to issue certificates that live for so long, and waits until it answers.
    pub(crate) async fn start(
        &mut self,
        authority: &Authority,
        checks: CheckPorts,
        life: Duration,
    ) {
        let (cert, key) = (authority.file("cert.pem"), authority.file("key.pem"));
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "127.0.0.1:{}", "managementListenAddress": "127.0.0.1:{}",
                "certificate": {cert:?}, "privateKey": {key:?}, "httpPort": {}, "tlsPort": {},
                "externalAccountBindingRequired": false, "certificateValidityPeriod": {}}}}}"#,
            self.acme,
            self.management,
            checks.http,
            checks.tls,
            life.as_secs(),
        );
        let path = self.directory.join("pebble.json");
        std::fs::write(&path, config).unwrap();
        let names = format!("127.0.0.1:{}", self.names);
        let mut server = Command::new("pebble");
        server.arg("-config").arg(path).args(["-dnsserver", &names]);
        server.env("PEBBLE_VA_NOSLEEP", "1");
        let mut resolver = Command::new("pebble-challtestsrv");
        let management = format!("127.0.0.1:{}", self.names_management);
        resolver.args(["-dns01", &names, "-management", &management, "-defaultIPv6", ""]);
        resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let spawn = |mut command: Command, log: &str| {
            let log = std::fs::File::create(self.directory.join(log)).unwrap();
            command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).kill_on_drop(true);
            command.spawn().expect("pebble is installed: scripts/need test")
        };
        self.running = Some((spawn(resolver, "names.log"), spawn(server, "pebble.log")));
        let client = HttpClient::secure(([127, 0, 0, 1], self.acme).into(), authority.roots());
        client.wait_for("/dir", Duration::from_secs(10), |text| text.contains("newOrder")).await;
    }

    /// Kills it.
    pub(crate) async fn stop(&mut self) {
        let (mut resolver, mut server) = self.running.take().expect("it runs");
        resolver.kill().await.unwrap();
        server.kill().await.unwrap();
    }

    /// Who signs what it issues, also in the file whose path is returned.
    pub(crate) async fn roots(&self, authority: &Authority) -> (RootCertStore, String) {
        let server = ([127, 0, 0, 1], self.management).into();
        let root = HttpClient::secure(server, authority.roots()).get("/roots/0").await;
        let path = self.directory.join("issued-root.pem");
        std::fs::write(&path, &root.body).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&root.body).unwrap()).unwrap();
        (roots, path.to_str().unwrap().to_owned())
    }
}
