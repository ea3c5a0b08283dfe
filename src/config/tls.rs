//! TLS for publishers and viewers: `[tls]`, and the listeners that a certificate opens.

use std::path::PathBuf;

use super::{
    ListenerConfig, ListenerDefaults,
    reader::{Faults, Section},
    {HTTP, RTMP, listener},
};
use crate::cli::ServeArgs;

const RTMPS: ListenerDefaults = ListenerDefaults { port: 1936, ..RTMP };
const HTTPS: ListenerDefaults = ListenerDefaults { port: 8443, ..HTTP };

/// Where a certificate and its key are, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What is reached over TLS, and with which certificate.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Read at the start, and again whenever they change.
    pub files: CertificateFiles,
    /// Where publishers connect (RTMPS).
    pub rtmps: ListenerConfig,
    /// Where viewers connect (HTTPS).
    pub https: ListenerConfig,
}

/// Takes `[tls]`, `[rtmps]` and `[https]`.
pub(super) fn tls(
    root: &mut Section,
    args: &ServeArgs,
    open: bool,
    faults: &mut Faults,
) -> Option<TlsConfig> {
    let files = files(root.section("tls", faults), args, faults);
    let mut wanted = Vec::new();
    let mut take = |name: &str, flag: Option<&str>, defaults: &ListenerDefaults| {
        let section = root.optional_section(name, faults);
        if section.is_some() || flag.is_some() {
            wanted.push(name.to_owned());
        }
        let section = section.unwrap_or_else(|| Section::at(name.to_owned(), toml::Table::new()));
        listener(section, flag, open, defaults, faults)
    };
    let rtmps = take("rtmps", args.rtmps_addr.as_deref(), &RTMPS);
    let https = take("https", args.https_addr.as_deref(), &HTTPS);
    let Some(files) = files else {
        if !faults.mention_below("tls") {
            let missing = "needs a certificate: set tls.cert and tls.key";
            wanted.into_iter().for_each(|name| faults.add(name, missing));
        }
        return None;
    };
    Some(TlsConfig { files, rtmps, https })
}

fn files(mut section: Section, args: &ServeArgs, faults: &mut Faults) -> Option<CertificateFiles> {
    let cert = section.string("cert", faults).map(PathBuf::from);
    let key = section.string("key", faults).map(PathBuf::from);
    if section.value("acme").is_some() {
        faults.add(
            section.path_of("acme"),
            "certificates are not fetched: let an ACME client (certbot, lego) renew the files of cert and key; they are taken over without a restart",
        );
    }
    let (cert_path, key_path) = (section.path_of("cert"), section.path_of("key"));
    section.finish(faults);
    match (args.tls_cert.clone().or(cert), args.tls_key.clone().or(key)) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            faults.add(key_path, "missing: the file with the certificate's private key");
            None
        }
        (None, Some(_)) => {
            faults.add(cert_path, "missing: the file with the certificate");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn faults(text: &str, args: &ServeArgs) -> Vec<String> {
        let faults = Config::parse(text, args).err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    const PAIR: &str = "[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"\n";

    #[test]
    fn a_certificate_opens_both_listeners() {
        let none = ServeArgs::default();
        assert!(Config::parse("", &none).unwrap().tls.is_none());
        let tls = Config::parse(PAIR, &none).unwrap().tls.unwrap();
        assert_eq!(tls.rtmps.addr.to_string(), "0.0.0.0:1936");
        assert_eq!(tls.https.addr.to_string(), "0.0.0.0:8443");
        assert_eq!(tls.files.key, PathBuf::from("k.pem"));
        let args = ServeArgs {
            tls_cert: Some("flag.pem".into()),
            https_addr: Some("127.0.0.1:443".to_owned()),
            ..ServeArgs::default()
        };
        let tls = Config::parse(&format!("{PAIR}[rtmps]\nconnections = 7\n"), &args).unwrap();
        let tls = tls.tls.unwrap();
        assert_eq!((tls.https.addr.port(), tls.rtmps.connections), (443, 7));
        assert_eq!(tls.files.certificate, PathBuf::from("flag.pem"));
    }

    #[test]
    fn open_gateways_are_reached_from_this_machine_only() {
        let open = ServeArgs { open: Some(true), ..ServeArgs::default() };
        let tls = Config::parse(PAIR, &open).unwrap().tls.unwrap();
        assert!(tls.rtmps.addr.ip().is_loopback() && tls.https.addr.ip().is_loopback());
        let exposed = ServeArgs { rtmps_addr: Some(":1936".to_owned()), ..open };
        let said = faults(PAIR, &exposed);
        assert!(said.len() == 1 && said[0].contains("(rtmps-addr)"), "{said:?}");
    }

    #[test]
    fn half_a_pair_and_listeners_without_one_are_faults() {
        let none = ServeArgs::default();
        assert_eq!(
            faults("[tls]\ncert = \"c.pem\"\n[https]\n", &none),
            ["tls.key: missing: the file with the certificate's private key"]
        );
        let flag = ServeArgs { rtmps_addr: Some("127.0.0.1:1".to_owned()), ..none.clone() };
        let expected = ["rtmps", "https"]
            .map(|it| format!("{it}: needs a certificate: set tls.cert and tls.key"));
        assert_eq!(faults("[https]\n", &flag), expected);
        let acme = faults(&format!("{PAIR}acme = true\n"), &none);
        assert!(acme.len() == 1 && acme[0].starts_with("tls.acme: certificates are not fetched"));
    }
}
