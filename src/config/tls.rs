//! TLS for publishers and viewers: `[tls]`, and the listeners that a certificate opens.

use std::path::PathBuf;

use super::{
    ListenerConfig, ListenerDefaults,
    acme::{AcmeConfig, acme},
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

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Read at the start, and again whenever they change.
    Files(CertificateFiles),
    /// Ordered from an ACME server, and kept in the data directory.
    Acme(AcmeConfig),
}

/// What is reached over TLS, and with which certificate.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub source: CertificateSource,
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
    let source = source(root.section("tls", faults), args, faults);
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
    let Some(source) = source else {
        if !faults.mention_below("tls") {
            let missing = "needs a certificate: set tls.cert and tls.key, or tls.acme";
            wanted.into_iter().for_each(|name| faults.add(name, missing));
        }
        return None;
    };
    Some(TlsConfig { source, rtmps, https })
}

fn source(
    mut section: Section,
    args: &ServeArgs,
    faults: &mut Faults,
) -> Option<CertificateSource> {
    let cert = section.string("cert", faults).map(PathBuf::from);
    let key = section.string("key", faults).map(PathBuf::from);
    let (cert_path, key_path) = (section.path_of("cert"), section.path_of("key"));
    let acme_path = section.path_of("acme");
    let ordered = section.optional_section("acme", faults);
    let ordered =
        ordered.map(|it| if faults.mentions(&acme_path) { None } else { acme(it, faults) });
    section.finish(faults);
    match (args.tls_cert.clone().or(cert), args.tls_key.clone().or(key)) {
        (None, None) => ordered.flatten().map(CertificateSource::Acme),
        (Some(_), _) | (_, Some(_)) if ordered.is_some() => {
            faults.add(acme_path, "contradicts tls.cert and tls.key: say one of them");
            None
        }
        (Some(certificate), Some(key)) => {
            Some(CertificateSource::Files(CertificateFiles { certificate, key }))
        }
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

    fn files(source: CertificateSource) -> CertificateFiles {
        let CertificateSource::Files(files) = source else { panic!("no files: {source:?}") };
        files
    }

    const PAIR: &str = "[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"\n";

    #[test]
    fn a_certificate_opens_both_listeners() {
        let none = ServeArgs::default();
        assert!(Config::parse("", &none).unwrap().tls.is_none());
        let tls = Config::parse(PAIR, &none).unwrap().tls.unwrap();
        assert_eq!(tls.rtmps.addr.to_string(), "0.0.0.0:1936");
        assert_eq!(tls.https.addr.to_string(), "0.0.0.0:8443");
        assert_eq!(files(tls.source).key, PathBuf::from("k.pem"));
        let args = ServeArgs {
            tls_cert: Some("flag.pem".into()),
            https_addr: Some("127.0.0.1:443".to_owned()),
            ..ServeArgs::default()
        };
        let tls = Config::parse(&format!("{PAIR}[rtmps]\nconnections = 7\n"), &args).unwrap();
        let tls = tls.tls.unwrap();
        assert_eq!((tls.https.addr.port(), tls.rtmps.connections), (443, 7));
        assert_eq!(files(tls.source).certificate, PathBuf::from("flag.pem"));
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
            .map(|it| format!("{it}: needs a certificate: set tls.cert and tls.key, or tls.acme"));
        assert_eq!(faults("[https]\n", &flag), expected);
    }

    #[test]
    fn a_certificate_that_is_ordered_opens_both_listeners_and_needs_no_files() {
        let none = ServeArgs::default();
        let text = "[tls.acme]\ndomains = [\"a.example\"]\nterms_agreed = true\n";
        let tls = Config::parse(text, &none).unwrap().tls.unwrap();
        assert_eq!((tls.rtmps.addr.port(), tls.https.addr.port()), (1936, 8443));
        let CertificateSource::Acme(acme) = tls.source else { panic!("{:?}", tls.source) };
        assert_eq!(acme.settings.domains, ["a.example"]);
        let said = faults(&format!("{PAIR}{text}"), &none);
        assert_eq!(said, ["tls.acme: contradicts tls.cert and tls.key: say one of them"]);
        let key = ServeArgs { tls_key: Some("k.pem".into()), ..none.clone() };
        assert_eq!(faults(text, &key), said);
        assert_eq!(faults("[tls]\nacme = true\n", &none).len(), 1);
    }
}
