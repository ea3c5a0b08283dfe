//! Encrypted key files: Web3 Secret Storage, version 3, as wallets and go-livepeer write them.
//!
//! Everything here is arithmetic over bytes, but slow on purpose: deriving the key of a usual file
//! takes about a second and 256 MiB. Call it where blocking is allowed.

use aes::Aes128;
use alloy_primitives::{Address, B256};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{KeyError, PrivateKey, keccak::keccak256_of};

/// The only version there is code for.
const VERSION: u32 = 3;
/// The only cipher of that version.
const CIPHER: &str = "aes-128-ctr";
/// The only function inside PBKDF2.
const PRF: &str = "hmac-sha256";
/// Bytes that a password is stretched to: the cipher's key, then the checksum's.
const DERIVED: usize = 32;
/// Most memory that opening a file may take, in bytes.
const MAX_MEMORY: u64 = 1 << 29;
/// Most passes over that memory.
const MAX_PASSES: u32 = 16;
/// Most rounds of PBKDF2: several seconds.
const MAX_ROUNDS: u32 = 10_000_000;
/// Most bytes of a file.
const MAX_FILE: usize = 16 * 1024;

/// Why a key file can't be opened. No variant tells anything of the key or the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// Not the file of a wallet.
    #[error("not a key file of version 3: {0}")]
    Malformed(&'static str),
    /// Another version, cipher or key derivation.
    #[error("key files with {0:?} are not supported")]
    Unsupported(String),
    /// It asks for more time or memory than any wallet's.
    #[error("the key file's {0} is out of range")]
    OutOfRange(&'static str),
    /// The checksum doesn't fit.
    #[error("wrong password")]
    WrongPassword,
    /// What is inside is no private key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file names another address than its key has.
    #[error("the key file is for {named}, but its key is of {found}")]
    OtherAddress {
        /// In the file.
        named: Address,
        /// Of the key.
        found: Address,
    },
}

/// Randomness of a new file. Never use any of it twice.
#[derive(Clone, Debug)]
pub struct KeystoreSeed {
    /// Makes equal passwords different.
    pub salt: [u8; 32],
    /// Where the cipher begins.
    pub iv: [u8; 16],
    /// Names the file; becomes a UUID of version 4.
    pub id: [u8; 16],
}

/// How hard a new file is to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strength {
    /// As go-ethereum's: 256 MiB.
    #[default]
    Standard,
    /// As go-ethereum's for small devices: 4 MiB. For tests, and for keys without money.
    Light,
}

impl Strength {
    const fn parameters(self) -> (u32, u32, u32) {
        match self {
            Self::Standard => (1 << 18, 8, 1),
            Self::Light => (1 << 12, 8, 6),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
    #[serde(default)]
    id: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

/// Of both derivations: each has its own of these.
#[derive(Default, Serialize, Deserialize)]
struct KdfParams {
    dklen: u32,
    salt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prf: Option<String>,
}

/// A password, stretched.
type Derived = Zeroizing<[u8; DERIVED]>;

/// Opens a key file.
pub fn decrypt(file: &[u8], password: &[u8]) -> Result<PrivateKey, KeystoreError> {
    if file.len() > MAX_FILE {
        return Err(KeystoreError::OutOfRange("size"));
    }
    let file: File = serde_json::from_slice(file)
        .map_err(|_| KeystoreError::Malformed("a field is missing or of another type"))?;
    let crypto = &file.crypto;
    if file.version != VERSION {
        return Err(KeystoreError::Unsupported(format!("version {}", file.version)));
    }
    if crypto.cipher != CIPHER {
        return Err(KeystoreError::Unsupported(crypto.cipher.clone()));
    }
    let iv: [u8; 16] = fixed(&crypto.cipherparams.iv, "the cipher's start")?;
    let mut key = Zeroizing::new(fixed::<32>(&crypto.ciphertext, "the encrypted key")?);
    let expected: [u8; 32] = fixed(&crypto.mac, "the checksum")?;
    let derived = derive(&crypto.kdf, &crypto.kdfparams, password)?;
    if !bool::from(checksum(&derived, &*key).0.ct_eq(&expected)) {
        return Err(KeystoreError::WrongPassword);
    }
    apply_cipher(&derived, &iv, &mut *key);
    let key = PrivateKey::from_bytes(&*key)?;
    match file.address.as_deref().map(|named| named.parse::<Address>()) {
        Some(Ok(named)) if named != key.address() => {
            Err(KeystoreError::OtherAddress { named, found: key.address() })
        }
        Some(Err(_)) => Err(KeystoreError::Malformed("the address")),
        Some(Ok(_)) | None => Ok(key),
    }
}

/// The text of a new key file.
pub fn encrypt(
    key: &PrivateKey,
    password: &[u8],
    seed: &KeystoreSeed,
    strength: Strength,
) -> Result<String, KeystoreError> {
    let (n, r, p) = strength.parameters();
    let kdfparams = KdfParams {
        dklen: 32,
        salt: hex::encode(seed.salt),
        n: Some(n),
        r: Some(r),
        p: Some(p),
        ..KdfParams::default()
    };
    let derived = derive("scrypt", &kdfparams, password)?;
    let mut ciphertext = key.to_bytes();
    apply_cipher(&derived, &seed.iv, &mut *ciphertext);
    let file = File {
        address: Some(hex::encode(key.address())),
        crypto: Crypto {
            cipher: CIPHER.into(),
            cipherparams: CipherParams { iv: hex::encode(seed.iv) },
            ciphertext: hex::encode(*ciphertext),
            kdf: "scrypt".into(),
            kdfparams,
            mac: hex::encode(checksum(&derived, &*ciphertext)),
        },
        id: uuid(seed.id),
        version: VERSION,
    };
    serde_json::to_string(&file).map_err(|_| KeystoreError::Malformed("it can't be written"))
}

fn derive(kdf: &str, params: &KdfParams, password: &[u8]) -> Result<Derived, KeystoreError> {
    let salt = hex::decode(&params.salt).map_err(|_| KeystoreError::Malformed("the salt"))?;
    if usize::try_from(params.dklen) != Ok(DERIVED) {
        return Err(KeystoreError::OutOfRange("dklen"));
    }
    let missing = KeystoreError::Malformed("a parameter of the key derivation is missing");
    let mut derived = Derived::default();
    match (kdf, (params.n, params.r, params.p), params.c) {
        ("scrypt", (Some(n), Some(r), Some(p)), _) => {
            let params = scrypt_params(n, r, p)?;
            scrypt::scrypt(password, &salt, &params, &mut *derived)
                .map_err(|_| KeystoreError::OutOfRange("dklen"))?;
        }
        ("pbkdf2", _, Some(rounds)) => {
            if !(1..=MAX_ROUNDS).contains(&rounds) {
                return Err(KeystoreError::OutOfRange("c"));
            }
            match params.prf.as_deref() {
                Some(PRF) => {}
                other => return Err(KeystoreError::Unsupported(other.unwrap_or_default().into())),
            }
            pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt, rounds, &mut *derived);
        }
        ("scrypt" | "pbkdf2", _, _) => return Err(missing),
        (other, _, _) => return Err(KeystoreError::Unsupported(other.into())),
    }
    Ok(derived)
}

fn scrypt_params(n: u32, r: u32, p: u32) -> Result<scrypt::Params, KeystoreError> {
    let memory = u64::from(n).saturating_mul(u64::from(r)).saturating_mul(128);
    if !n.is_power_of_two() || n < 2 || memory > MAX_MEMORY || p > MAX_PASSES {
        return Err(KeystoreError::OutOfRange("scrypt cost"));
    }
    u8::try_from(n.ilog2())
        .ok()
        .and_then(|log_n| scrypt::Params::new(log_n, r, p).ok())
        .ok_or(KeystoreError::OutOfRange("scrypt cost"))
}

fn checksum(derived: &Derived, ciphertext: &[u8]) -> B256 {
    let [_, secret] = halves(derived);
    keccak256_of([&secret[..], ciphertext])
}

fn apply_cipher(derived: &Derived, iv: &[u8; 16], bytes: &mut [u8]) {
    let [key, _] = halves(derived);
    Ctr128BE::<Aes128>::new((&*key).into(), iv.into()).apply_keystream(bytes);
}

fn halves(derived: &Derived) -> [Zeroizing<[u8; 16]>; 2] {
    let mut halves = [Zeroizing::new([0; 16]), Zeroizing::new([0; 16])];
    for (half, bytes) in halves.iter_mut().zip(derived.chunks_exact(16)) {
        half.copy_from_slice(bytes);
    }
    halves
}

fn fixed<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| KeystoreError::Malformed(what))?;
    Ok(bytes)
}

/// RFC 9562, version 4.
fn uuid(random: [u8; 16]) -> String {
    let number = u128::from_be_bytes(random);
    let number = number & !(0xf << 76) | (4 << 76);
    let number = number & !(0b11 << 62) | (0b10 << 62);
    let digits = format!("{number:032x}");
    let group = |from, to| digits.get(from..to).unwrap_or_default();
    [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
}

#[cfg(test)]
mod tests;
