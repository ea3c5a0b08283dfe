//! Who may ask the signer.

use std::{
    collections::HashMap,
    fmt, fs,
    net::IpAddr,
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Fewest characters of a token.
const LENGTH_MIN: usize = 16;
/// Most bytes of a file of tokens.
const MAX_FILE: u64 = 1 << 20;
/// Wrong tokens from one address within a minute after which further ones are told so, and not each is put on
/// record. A right one is let in all the same.
const FAILURES_MAX: u32 = 30;
/// Most addresses whose failures are counted.
const MAX_ADDRESSES: usize = 4_096;

/// Digests of the tokens, each with its holder's name. Empty: nobody is asked for one.
#[derive(Default)]
pub(crate) struct Tokens {
    holders: Vec<(String, [u8; 32])>,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    minute: u64,
    of: HashMap<IpAddr, u32>,
}

/// Why somebody isn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No token, or none that is known.
    Unknown,
    /// Too many wrong ones from this address: wait for the next minute.
    TooMany,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.holders.len())
    }
}

impl Tokens {
    /// Reads a file of tokens.
    ///
    /// # Errors
    /// When it can't be read, or a line is no token. No token is quoted.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let size = fs::metadata(path).map(|found| found.len());
        let size = size.with_context(|| format!("can't read the tokens {shown}"))?;
        ensure!(size <= MAX_FILE, "the file of tokens {shown} is too long");
        let text =
            fs::read_to_string(path).with_context(|| format!("can't read the tokens {shown}"))?;
        Self::parse(&text).with_context(|| format!("the file of tokens {shown}"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut holders: Vec<(String, [u8; 32])> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let Some((name, token)) = line.split_once(char::is_whitespace) else {
                bail!("line {number} is not `NAME TOKEN`");
            };
            let digest = digest(token.trim()).with_context(|| format!("line {number}"))?;
            ensure!(
                holders.iter().all(|(known, _)| known != name),
                "line {number}: the name {name} is there twice"
            );
            holders.push((name.to_owned(), digest));
        }
        ensure!(!holders.is_empty(), "it holds no token");
        Ok(Self { holders, ..Self::default() })
    }

    /// Whether anybody may ask.
    pub(crate) const fn is_open(&self) -> bool {
        self.holders.is_empty()
    }

    /// Whose token it is: `presented` is the value of `Authorization`.
    pub(crate) fn check(
        &self,
        presented: Option<&str>,
        peer: IpAddr,
        minute: u64,
    ) -> Result<&str, Denied> {
        if self.is_open() {
            return Ok("-");
        }
        // Others behind the same address may be wrong as often as they like.
        if let Some(name) = bearer(presented).and_then(|token| self.holder(token)) {
            return Ok(name);
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.minute != minute {
            *failures = Failures { minute, of: HashMap::new() };
        }
        if failures.of.get(&peer).is_some_and(|count| *count >= FAILURES_MAX) {
            return Err(Denied::TooMany);
        }
        if failures.of.len() < MAX_ADDRESSES || failures.of.contains_key(&peer) {
            *failures.of.entry(peer).or_default() += 1;
        }
        Err(Denied::Unknown)
    }

    /// Compares with every digest, however early one fits.
    fn holder(&self, token: &str) -> Option<&str> {
        let presented = Sha256::digest(token.as_bytes());
        let mut found = None;
        for (name, digest) in &self.holders {
            if bool::from(presented.as_slice().ct_eq(digest)) {
                found = Some(name.as_str());
            }
        }
        found
    }
}

fn bearer(presented: Option<&str>) -> Option<&str> {
    let (scheme, token) = presented?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn digest(token: &str) -> anyhow::Result<[u8; 32]> {
    let mut digest = [0; 32];
    if let Some(text) = token.strip_prefix("sha256:") {
        hex::decode_to_slice(text, &mut digest).ok().context("not a SHA-256 digest")?;
        return Ok(digest);
    }
    ensure!(token.len() >= LENGTH_MIN, "a token has at least {LENGTH_MIN} characters");
    Ok(Sha256::digest(token.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn tokens_are_known_by_their_digests() {
        // printf '%s' another-secret-token | sha256sum
        let hash = hex::encode(Sha256::digest(b"another-secret-token"));
        let text = format!("# gateways\nfirst the-first-secret-token\n\nsecond sha256:{hash}\n");
        let tokens = Tokens::parse(&text).unwrap();
        assert_eq!(tokens.check(Some("Bearer the-first-secret-token"), PEER, 1), Ok("first"));
        assert_eq!(tokens.check(Some("bearer another-secret-token"), PEER, 1), Ok("second"));
        for wrong in [None, Some("Bearer x"), Some("Basic the-first-secret-token"), Some("")] {
            assert_eq!(tokens.check(wrong, PEER, 1), Err(Denied::Unknown), "{wrong:?}");
        }
        assert_eq!(format!("{tokens:?}"), "Tokens(2)");
    }

    #[test]
    fn who_guesses_is_told_to_wait_and_locks_out_nobody() {
        let tokens = Tokens::parse("first the-first-secret-token").unwrap();
        let right = Some("Bearer the-first-secret-token");
        for _ in 0..FAILURES_MAX {
            assert_eq!(tokens.check(Some("Bearer guess"), PEER, 1), Err(Denied::Unknown));
        }
        for wrong in [Some("Bearer guess"), None] {
            assert_eq!(tokens.check(wrong, PEER, 1), Err(Denied::TooMany));
            assert_eq!(tokens.check(right, PEER, 1), Ok("first"));
        }
        let other = Ipv4Addr::new(10, 0, 0, 1).into();
        assert_eq!(tokens.check(Some("Bearer guess"), other, 1), Err(Denied::Unknown));
        assert_eq!(tokens.check(Some("Bearer guess"), PEER, 2), Err(Denied::Unknown));
    }

    #[test]
    fn files_that_would_let_anybody_in_are_refused() {
        let refused = |text: &str| format!("{:#}", Tokens::parse(text).unwrap_err());
        assert!(refused("# nobody\n").contains("no token"));
        assert!(refused("name").contains("line 1"));
        let short = refused("name secret");
        assert!(short.contains("16 characters") && !short.contains("secret"), "{short}");
        assert!(refused("name sha256:zz").contains("SHA-256"));
        assert!(refused("a the-first-secret-token\na the-other-secret-token").contains("twice"));
    }
}
