//! `[tls.acme]`: a certificate that is ordered from an ACME server.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf};

use acme::{AcmeSettings, ChallengeKind};

use super::reader::{Faults, Section};

/// Let's Encrypt, whose certificates everybody trusts.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Most names in a certificate, by Let's Encrypt's limit.
const DOMAINS_MAX: usize = 100;

/// What is ordered, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// The order.
    pub settings: AcmeSettings,
    /// Who signs the server's own certificate, where it is not known to this machine; a file in PEM.
    pub directory_root: Option<PathBuf>,
}

/// Takes `[tls.acme]`.
pub(super) fn acme(mut section: Section, faults: &mut Faults) -> Option<AcmeConfig> {
    let domains_path = section.path_of("domains");
    let terms_path = section.path_of("terms_agreed");
    let domains = section.texts("domains", "domain names", faults);
    let email_path = section.path_of("email");
    let email = section.string("email", faults);
    let directory_path = section.path_of("directory");
    let directory = section.string("directory", faults).unwrap_or_else(|| DIRECTORY.to_owned());
    let directory_root = section.string("directory_root", faults).map(PathBuf::from);
    let terms_agreed = section.boolean("terms_agreed", faults);
    let challenge = challenge(&mut section, faults);
    section.finish(faults);

    let domains = self::domains(domains.unwrap_or_default(), &domains_path, faults);
    if email.as_deref().is_some_and(|it| !is_email(it)) {
        faults.add(email_path, "expected an e-mail address");
    }
    let https = url::Url::parse(&directory).is_ok_and(|it| it.scheme() == "https");
    if !https {
        faults.add(directory_path, "expected an https:// URL");
    }
    if terms_agreed != Some(true) && !faults.mentions(&terms_path) {
        let missing = "read the terms of service of the server that issues, then say true";
        faults.add(terms_path, missing);
    }
    let settings = AcmeSettings { directory, domains, email, challenge };
    (!settings.domains.is_empty() && https && terms_agreed == Some(true))
        .then_some(AcmeConfig { settings, directory_root })
}

fn challenge(section: &mut Section, faults: &mut Faults) -> ChallengeKind {
    let path = section.path_of("challenge");
    match section.string("challenge", faults).as_deref() {
        None | Some("tls-alpn-01") => ChallengeKind::TlsAlpn,
        Some("http-01") => ChallengeKind::Http,
        Some(_) => {
            faults.add(path, "expected \"tls-alpn-01\" or \"http-01\"");
            ChallengeKind::default()
        }
    }
}

/// In small letters and each once, in their order. None when there is a fault.
fn domains(given: Vec<String>, path: &str, faults: &mut Faults) -> Vec<String> {
    let before = given.len();
    let mut seen = BTreeSet::new();
    let mut domains = Vec::new();
    for domain in given.into_iter().map(|it| it.to_ascii_lowercase()) {
        if domain.starts_with("*.") {
            faults
                .add(path, format!("{domain:?} can only be checked by DNS-01, which is not built"));
        } else if !is_domain(&domain) {
            faults.add(
                path,
                format!("{domain:?} is not a domain name (write others than ASCII as xn--…)"),
            );
        } else if seen.insert(domain.clone()) {
            domains.push(domain);
        }
    }
    if before == 0 && !faults.mentions(path) {
        faults.add(path, "missing: the names that publishers and viewers use");
    } else if domains.len() > DOMAINS_MAX {
        faults.add(path, format!("more than {DOMAINS_MAX} names"));
    }
    if faults.mentions(path) { Vec::new() } else { domains }
}

/// Two labels at least, of letters, digits and hyphens (RFC 1123 §2.1).
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(label)
        && text.parse::<IpAddr>().is_err()
}

fn is_email(text: &str) -> bool {
    let plain = text.bytes().all(|it| it.is_ascii_graphic() && !b",?&#%<>\"".contains(&it));
    plain && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && is_domain(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Fault;

    fn read(text: &str) -> Result<AcmeConfig, Vec<String>> {
        let mut faults = Faults::default();
        let section = Section::at("tls.acme".to_owned(), text.parse().unwrap());
        let config = acme(section, &mut faults);
        let lines = |faults: Vec<Fault>| faults.iter().map(Fault::to_string).collect::<Vec<_>>();
        faults.into_result().map_err(lines)?;
        Ok(config.expect("what has no fault is a configuration"))
    }

    const LEAST: &str =
        "terms_agreed = true\ndomains = [\"Live.Example.com\", \"live.example.com\"]\n";

    #[test]
    fn what_is_left_out_is_lets_encrypt_by_tls_alpn() {
        let config = read(LEAST).unwrap();
        let AcmeSettings { directory, domains, email, challenge } = config.settings;
        assert_eq!((directory.as_str(), challenge), (DIRECTORY, ChallengeKind::TlsAlpn));
        assert_eq!((domains, email), (vec!["live.example.com".to_owned()], None));
        let whole = "email = \"ops@example.com\"\ndirectory = \"https://ca.example:14000/dir\"\ndirectory_root = \"ca.pem\"\nchallenge = \"http-01\"\n";
        let config = read(&format!("{LEAST}{whole}")).unwrap();
        assert_eq!(config.directory_root, Some(PathBuf::from("ca.pem")));
        assert_eq!(config.settings.email.as_deref(), Some("ops@example.com"));
        assert_eq!(config.settings.challenge, ChallengeKind::Http);
    }

    #[test]
    fn terms_have_to_be_agreed_to() {
        for text in ["domains = \"a.example\"", "domains = \"a.example\"\nterms_agreed = false"] {
            let said = read(text).unwrap_err();
            assert!(
                said.len() == 1 && said[0].starts_with("tls.acme.terms_agreed: read"),
                "{said:?}"
            );
        }
    }

    #[test]
    fn names_that_no_server_can_check_are_faults() {
        for domain in [
            "*.example.com",
            "localhost",
            "192.0.2.1",
            "bücher.example",
            "a..b",
            "-a.b",
            "a.b:443",
            "https://a.b",
            "[::1]",
        ] {
            let said =
                read(&format!("terms_agreed = true\ndomains = [\"ok.example\", {domain:?}]"))
                    .unwrap_err();
            assert!(said.len() == 1 && said[0].starts_with("tls.acme.domains: "), "{said:?}");
        }
        let none = read("terms_agreed = true").unwrap_err();
        assert_eq!(none, ["tls.acme.domains: missing: the names that publishers and viewers use"]);
        assert_eq!(read("terms_agreed = true\ndomains = []").unwrap_err(), none);
    }

    #[test]
    fn every_fault_is_said() {
        let text =
            "email = \"ops\"\ndirectory = \"http://ca.example\"\nchallenge = \"dns-01\"\nkey = 1\n";
        let said = read(text).unwrap_err();
        for setting in ["domains", "email", "directory", "challenge", "terms_agreed", "key"] {
            assert!(
                said.iter().any(|it| it.starts_with(&format!("tls.acme.{setting}: "))),
                "{said:?}"
            );
        }
    }
}
