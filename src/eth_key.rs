//! The Ethereum key of an operator, from the files wallets keep it in.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use media::Redacted;
use tickets::{Address, PrivateKey, keystore};

/// Most bytes read of a key file or a password file.
const MAX_FILE: u64 = 64 << 10;
/// Most files looked at in a directory of key files.
const MAX_KEYS: usize = 1_024;

/// Reads a key: an encrypted key file of version 3, a file of 64 hex digits, or a directory of such
/// files, of which `account` picks one. Takes about a second, and 256 MiB: not for the executor's
/// threads.
///
/// # Errors
/// When there is no such key, the password is wrong, or the key is of another account.
pub(crate) fn load(
    path: &Path,
    password: Option<&Path>,
    account: Option<Address>,
) -> anyhow::Result<PrivateKey> {
    let file = if path.is_dir() { pick(path, account)? } else { path.to_owned() };
    let shown = file.display();
    let bytes = read(&file).with_context(|| format!("can't read the key file {shown}"))?;
    let text = std::str::from_utf8(bytes.expose()).unwrap_or_default().trim_start();
    let key = if text.starts_with('{') {
        let password = match password {
            Some(path) => read_password(path)?,
            None => bail!(
                "the key file {shown} is encrypted: say with --eth-password where its password is"
            ),
        };
        keystore::decrypt(bytes.expose(), password.expose().as_bytes())
            .with_context(|| format!("can't open the key file {shown}"))?
    } else {
        PrivateKey::from_hex(text).with_context(|| format!("can't use the key file {shown}"))?
    };
    let found = key.address();
    ensure!(
        account.is_none_or(|account| account == found),
        "the key file {shown} is of {found}, not of the account that was asked for"
    );
    Ok(key)
}

/// The account's file, or the only one there is. Wallets put the address at the end of the name.
fn pick(directory: &Path, account: Option<Address>) -> anyhow::Result<PathBuf> {
    let shown = directory.display();
    let listed = fs::read_dir(directory).with_context(|| format!("can't read {shown}"))?;
    let files = listed.take(MAX_KEYS).filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    if let Some(account) = account {
        let digits = format!("{account:x}");
        files.retain(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.to_ascii_lowercase().contains(digits.trim_start_matches("0x"))
        });
    }
    match files.as_slice() {
        [file] => Ok(file.clone()),
        [] => bail!("{shown} holds no key file of that account"),
        _ => bail!("{shown} holds several key files: say with --eth-acct-addr which one"),
    }
}

/// A password file's first line.
fn read_password(path: &Path) -> anyhow::Result<Redacted<String>> {
    let shown = path.display();
    let bytes = read(path).with_context(|| format!("can't read the password file {shown}"))?;
    let text = std::str::from_utf8(bytes.expose());
    let text = text.map_err(|_| anyhow::anyhow!("the password file {shown} holds no text"))?;
    Ok(Redacted::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn read(path: &Path) -> std::io::Result<Redacted<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(Redacted::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "4646464646464646464646464646464646464646464646464646464646464646";

    fn directory(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("headgate-keys-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn sealed(byte: u8) -> (PrivateKey, String) {
        let key = PrivateKey::from_bytes(&[byte; 32]).unwrap();
        let seed = keystore::KeystoreSeed { salt: [1; 32], iv: [2; 16], id: [3; 16] };
        let text = keystore::encrypt(&key, b"secret", &seed, keystore::Strength::Light).unwrap();
        (key, text)
    }

    #[test]
    fn plain_keys_are_read() {
        let path = directory("plain").join("key");
        fs::write(&path, format!("0x{HEX}\n")).unwrap();
        let key = load(&path, None, None).unwrap();
        assert_eq!(key.address().to_string(), "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
        let error = load(&path, None, Some(Address::repeat_byte(1))).unwrap_err();
        assert!(error.to_string().contains("not of the account"), "{error}");
        fs::write(&path, "not a key").unwrap();
        let error = format!("{:#}", load(&path, None, None).unwrap_err());
        assert!(error.contains("not a private key") && !error.contains("not a key\n"), "{error}");
    }

    #[test]
    fn encrypted_keys_need_their_password() {
        let directory = directory("sealed");
        let (first, text) = sealed(0x46);
        let (second, other) = sealed(0x47);
        let name = |key: &PrivateKey| format!("UTC--2026-01-01T00-00-00Z--{:x}", key.address());
        let file = directory.join(name(&first));
        fs::write(&file, text).unwrap();
        let password = std::env::temp_dir().join(format!("headgate-pw-{}", std::process::id()));
        fs::write(&password, "secret\n").unwrap();
        let only = load(&directory, Some(&password), None).unwrap();
        assert_eq!(only.address(), first.address());
        assert!(load(&file, None, None).unwrap_err().to_string().contains("--eth-password"));

        fs::write(directory.join(name(&second).replace("0x", "")), other).unwrap();
        let error = load(&directory, Some(&password), None).unwrap_err().to_string();
        assert!(error.contains("--eth-acct-addr"), "{error}");
        let picked = load(&directory, Some(&password), Some(second.address())).unwrap();
        assert_eq!(picked.address(), second.address());
        assert!(load(&directory, Some(&password), Some(Address::repeat_byte(1))).is_err());
        fs::write(&password, "guess").unwrap();
        let error = format!("{:#}", load(&file, Some(&password), None).unwrap_err());
        assert!(error.contains("wrong password") && !error.contains("guess"), "{error}");
    }
}
