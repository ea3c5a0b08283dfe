//! Which files make a pair, and what is said of those that don't.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;

/// 2026-11-28, noon.
const NOW: Duration = Duration::from_secs(1_795_867_200);
const HOUR: Duration = Duration::from_secs(3_600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

struct Made {
    certificate: String,
    key: String,
}

/// A self-signed certificate, valid from and to these times.
fn made(from: SystemTime, to: SystemTime) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["gateway.example".to_owned()]).unwrap();
    params.not_before = from.into();
    params.not_after = to.into();
    // Authorities that sign themselves are shown, too: labs do so.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    Made { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn files(name: &str, certificate: &str, key: &str) -> CertificateFiles {
    let directory = std::env::temp_dir().join(format!("headgate-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (cert, private) = (format!("{name}-cert.pem"), format!("{name}-key.pem"));
    let files =
        CertificateFiles { certificate: directory.join(cert), key: directory.join(private) };
    std::fs::write(&files.certificate, certificate).unwrap();
    std::fs::write(&files.key, key).unwrap();
    files
}

fn refusal(name: &str, certificate: &str, key: &str) -> String {
    let files = files(name, certificate, key);
    CertificatePair::read(&files, now()).unwrap_err().to_string()
}

#[test]
fn a_valid_pair_is_taken_with_its_end() {
    let made = made(now() - HOUR, now() + HOUR);
    let pair = CertificatePair::read(&files("good", &made.certificate, &made.key), now()).unwrap();
    assert_eq!(pair.expires, (NOW + HOUR).as_secs());
    assert_eq!(pair.begins, (NOW - HOUR).as_secs());
    assert!(pair.names("gateway.example") && !pair.names("other.example"));
    pair.acceptor(Protocol::Http).unwrap();
    let other = self::made(now() - HOUR, now() + HOUR).certificate;
    let chain = format!("{}{other}", made.certificate);
    CertificatePair::read(&files("chain", &chain, &made.key), now()).unwrap();
    let swapped = refusal("order", &format!("{other}{}", made.certificate), &made.key);
    assert!(swapped.contains("first certificate in"), "{swapped}");
}

#[test]
fn dates_are_looked_at() {
    let late = made(now() - 48 * HOUR, now() - HOUR);
    let said = refusal("late", &late.certificate, &late.key);
    assert!(said.ends_with("late-cert.pem expired on 2026-11-28"), "{said}");
    let early = made(now() + HOUR * 24, now() + HOUR * 48);
    let said = refusal("early", &early.certificate, &early.key);
    assert!(said.ends_with("early-cert.pem is not valid before 2026-11-29"), "{said}");
}

#[test]
fn files_that_make_no_pair_are_named_and_not_quoted() {
    let (one, other) = (made(now() - HOUR, now() + HOUR), made(now() - HOUR, now() + HOUR));
    let said = refusal("foreign", &one.certificate, &other.key);
    assert!(said.contains("foreign-key.pem is not the one of"), "{said}");
    assert!(said.ends_with("foreign-cert.pem"), "{said}");
    let said = refusal("mixed", &one.key, &one.certificate);
    assert!(said.ends_with("mixed-cert.pem holds no certificate in PEM"), "{said}");
    let said = refusal("empty", &one.certificate, "");
    assert!(said.contains("empty-key.pem holds no private key"), "{said}");
    let sealed = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let said = refusal("sealed", &one.certificate, &sealed);
    assert!(said.contains("sealed-key.pem holds no private key"), "{said}");
    let broken = one.key.replacen("\nM", "\nsesame-M", 1);
    let said = refusal("broken", &one.certificate, &broken);
    assert!(said.contains("broken-key.pem") && !said.contains("sesame"), "{said}");
    let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let said = refusal("torn", torn, &one.key);
    assert!(said.contains("can't use the certificate") && said.contains("torn-cert.pem"), "{said}");
    let mut gone = files("gone", &one.certificate, &one.key);
    gone.key.set_extension("missing");
    let said = CertificatePair::read(&gone, now()).unwrap_err().to_string();
    assert!(said.starts_with("can't read the private key"), "{said}");
    assert!(said.contains("gone-key.missing"), "{said}");
}
