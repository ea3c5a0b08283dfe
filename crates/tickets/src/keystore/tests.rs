//! Files of the format's own definition, files of ours, and files that must not open.

use serde_json::{Value, json};

use super::*;

const PASSWORD: &[u8] = b"testpassword";
const KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

/// The definition's file with PBKDF2.
fn pbkdf2_file() -> Value {
    json!({
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": {
                "c": 262_144,
                "dklen": 32,
                "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
            },
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3,
    })
}

/// The definition's file with scrypt.
fn scrypt_file() -> Value {
    json!({
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
            "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": 32,
                "n": 262_144,
                "r": 1,
                "p": 8,
                "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
            },
            "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3,
    })
}

/// A file of ours, quick to open.
fn light_file() -> Value {
    let seed = KeystoreSeed { salt: [1; 32], iv: [2; 16], id: [0xff; 16] };
    let key = PrivateKey::from_hex(KEY).unwrap();
    let text = encrypt(&key, PASSWORD, &seed, Strength::Light).unwrap();
    assert!(!text.contains(KEY));
    serde_json::from_str(&text).unwrap()
}

fn open(file: &Value, password: &[u8]) -> Result<String, KeystoreError> {
    let key = decrypt(file.to_string().as_bytes(), password)?;
    Ok(hex::encode(*key.to_bytes()))
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut file = light_file();
    *file.pointer_mut(pointer).unwrap() = value;
    file
}

#[test]
fn the_definitions_files_open() {
    assert_eq!(open(&pbkdf2_file(), PASSWORD).as_deref(), Ok(KEY));
    assert_eq!(open(&scrypt_file(), PASSWORD).as_deref(), Ok(KEY));
    let mut old = scrypt_file();
    let crypto = old.as_object_mut().unwrap().remove("crypto").unwrap();
    old["Crypto"] = crypto;
    assert_eq!(open(&old, b"wrong"), Err(KeystoreError::WrongPassword));
}

#[test]
fn new_files_open_with_their_password_only() {
    let file = light_file();
    assert_eq!(open(&file, PASSWORD).as_deref(), Ok(KEY));
    assert_eq!(open(&file, b"testpasswore"), Err(KeystoreError::WrongPassword));
    assert_eq!(open(&file, b""), Err(KeystoreError::WrongPassword));
    assert_eq!(file["id"], "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(file["address"], "008aeeda4d805471df9b2a5b0f38a0c3bcba786b");
}

#[test]
fn damaged_files_are_refused() {
    let flipped = "00".repeat(32);
    for (pointer, value, expected) in [
        ("/version", json!(1), KeystoreError::Unsupported("version 1".into())),
        ("/crypto/cipher", json!("aes-128-cbc"), KeystoreError::Unsupported("aes-128-cbc".into())),
        ("/crypto/kdf", json!("argon2"), KeystoreError::Unsupported("argon2".into())),
        (
            "/crypto/kdf",
            json!("pbkdf2"),
            KeystoreError::Malformed("a parameter of the key derivation is missing"),
        ),
        ("/crypto/ciphertext", json!(flipped), KeystoreError::WrongPassword),
        ("/crypto/mac", json!(flipped), KeystoreError::WrongPassword),
        ("/crypto/mac", json!("00"), KeystoreError::Malformed("the checksum")),
        ("/crypto/cipherparams/iv", json!("zz"), KeystoreError::Malformed("the cipher's start")),
        ("/crypto/kdfparams/dklen", json!(16), KeystoreError::OutOfRange("dklen")),
        ("/crypto/kdfparams/n", json!(1_u32 << 30), KeystoreError::OutOfRange("scrypt cost")),
        ("/crypto/kdfparams/n", json!(1), KeystoreError::OutOfRange("scrypt cost")),
        ("/crypto/kdfparams/n", json!(1_000), KeystoreError::OutOfRange("scrypt cost")),
        ("/crypto/kdfparams/r", json!(u32::MAX), KeystoreError::OutOfRange("scrypt cost")),
        ("/crypto/kdfparams/r", json!(0), KeystoreError::OutOfRange("scrypt cost")),
        ("/crypto/kdfparams/p", json!(17), KeystoreError::OutOfRange("scrypt cost")),
        ("/address", json!("1234"), KeystoreError::Malformed("the address")),
    ] {
        assert_eq!(open(&changed(pointer, value), PASSWORD), Err(expected), "{pointer}");
    }
    let other = changed("/address", json!("00".repeat(20)));
    assert!(matches!(open(&other, PASSWORD), Err(KeystoreError::OtherAddress { .. })));
    let mut costly = pbkdf2_file();
    costly["crypto"]["kdfparams"]["c"] = json!(u32::MAX);
    assert_eq!(open(&costly, PASSWORD), Err(KeystoreError::OutOfRange("c")));
    costly["crypto"]["kdfparams"]["c"] = json!(1);
    costly["crypto"]["kdfparams"]["prf"] = json!("hmac-sha512");
    assert_eq!(open(&costly, PASSWORD), Err(KeystoreError::Unsupported("hmac-sha512".into())));
    assert!(matches!(decrypt(b"{}", PASSWORD), Err(KeystoreError::Malformed(_))));
    let huge = decrypt(&vec![b' '; MAX_FILE + 1], PASSWORD).unwrap_err();
    assert_eq!(huge, KeystoreError::OutOfRange("size"));
}

#[test]
fn neither_key_nor_password_is_shown() {
    let key = PrivateKey::from_hex(KEY).unwrap();
    let shown = format!("{key:?}");
    assert_eq!(shown, "PrivateKey(0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b)");
}
