//! The operator's hooks as the operator configures them.

use std::time::Duration;

use media::Redacted;
use url::Url;

use super::reader::{Faults, Section};
use crate::webhook::{EndpointError, HookEndpoint, HookSecret, INTERVAL_DEFAULT, INTERVAL_RANGE};

/// Who is asked about publishers of streams that are not configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthWebhookConfig {
    /// Where it listens.
    pub endpoint: HookEndpoint,
    /// What its calls are signed with.
    pub secret: Option<HookSecret>,
}

/// Who is asked for more orchestrators of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolWebhook {
    /// Where it listens.
    pub endpoint: HookEndpoint,
    /// How often it is asked.
    pub interval: Duration,
    /// Whether orchestrators that it names may be in private networks: only where the operator vouches
    /// for the list as for the file.
    pub allow_private: bool,
}

/// Reads `auth_webhook` and `auth_webhook_secret`; the flag's URL wins.
pub(super) fn auth_webhook(
    root: &mut Section,
    flag: Option<&Redacted<String>>,
    faults: &mut Faults,
) -> Option<AuthWebhookConfig> {
    let from_file = root.string("auth_webhook", faults).map(Redacted::new);
    let secret = root.string("auth_webhook_secret", faults).map(Redacted::new);
    let flag = flag.filter(|url| !url.expose().trim().is_empty());
    let Some(url) = flag.or(from_file.as_ref()) else {
        if secret.is_some() && !faults.mentions("auth_webhook") {
            faults.add("auth_webhook_secret", "there is no auth_webhook whose calls it could sign");
        }
        return None;
    };
    let secret = secret.map(|text| {
        let secret = HookSecret::new(text.expose());
        if secret.is_none() {
            let least = HookSecret::LENGTH_MIN;
            faults.add("auth_webhook_secret", format!("must have {least} characters or more"));
        }
        secret
    });
    Some(AuthWebhookConfig {
        endpoint: endpoint(url.expose(), "auth_webhook", faults)?,
        secret: secret.flatten(),
    })
}

/// Reads `webhook` and `webhook_interval` of a pool.
pub(super) fn pool_webhook(
    section: &mut Section,
    allow_private: bool,
    faults: &mut Faults,
) -> Option<PoolWebhook> {
    let path = section.path_of("webhook");
    let url = section.string("webhook", faults);
    let interval = section.duration("webhook_interval", INTERVAL_RANGE, faults);
    Some(PoolWebhook {
        endpoint: endpoint(&url?, &path, faults)?,
        interval: interval.unwrap_or(INTERVAL_DEFAULT),
        allow_private,
    })
}

fn endpoint(text: &str, path: &str, faults: &mut Faults) -> Option<HookEndpoint> {
    let url = Url::parse(text.trim()).map_err(|_| EndpointError::Malformed);
    url.and_then(|url| HookEndpoint::new(&url)).map_err(|error| faults.add(path, error)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, flag: Option<&str>) -> Result<Option<AuthWebhookConfig>, String> {
        let mut faults = Faults::default();
        let mut root = Section::root(text.parse().unwrap());
        let flag = flag.map(|url| Redacted::new(url.to_owned()));
        let read = auth_webhook(&mut root, flag.as_ref(), &mut faults);
        root.finish(&mut faults);
        match faults.into_result() {
            Ok(()) => Ok(read),
            Err(faults) => Err(faults.iter().map(|it| format!("{it}\n")).collect()),
        }
    }

    #[test]
    fn the_flag_wins_and_an_empty_one_says_nothing() {
        let file = "auth_webhook = \"https://a.example/auth\"\nauth_webhook_secret = \"0123456789abcdef\"\n";
        let hook = |flag| {
            let read = read(file, flag).unwrap().unwrap();
            (read.endpoint.to_string(), read.secret.is_some())
        };
        assert_eq!(hook(None), ("https://a.example/auth".to_owned(), true));
        assert_eq!(hook(Some(" ")), ("https://a.example/auth".to_owned(), true));
        assert_eq!(hook(Some("http://b/")), ("http://b/".to_owned(), true));
        assert_eq!(read("", None), Ok(None));
    }

    #[test]
    fn faults_quote_neither_url_nor_secret() {
        let file = "auth_webhook = \"ftp://user:pass@h/\"\nauth_webhook_secret = \"whsec\"\n";
        let said = read(file, None).unwrap_err();
        assert!(said.contains("auth_webhook: the scheme"), "{said}");
        assert!(said.contains("auth_webhook_secret: must have 16"), "{said}");
        assert!(!said.contains("pass") && !said.contains("whsec"), "{said}");
        let unused = read("auth_webhook_secret = \"0123456789abcdef\"\n", None).unwrap_err();
        assert!(unused.contains("there is no auth_webhook"), "{unused}");
        assert!(!read(" ", Some("nonsense secret")).unwrap_err().contains("nonsense"));
    }
}
