//! Files that are damaged, or were never a database.

use std::time::UNIX_EPOCH;

use media::StreamName;
use router::{FleetMemory as _, RememberedOrchestrator};

use super::Folder;
use crate::{Store, StoreError};

/// Bytes of a page, SQLite's default.
const PAGE: usize = 4096;

async fn written(folder: &Folder) -> Vec<u8> {
    let store = folder.open().await;
    let learned = (0..2_000).map(|index| RememberedOrchestrator {
        address: format!("https://o{index}.example").parse().unwrap(),
        latency_permille: 1,
        success_permille: 1,
        round_trip_micros: 1,
        demoted_until: None,
        offences: 0,
        learned: UNIX_EPOCH,
    });
    store.remember(learned.collect()).await.unwrap();
    store.close().await;
    std::fs::read(folder.file()).unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let text = b"this is a diary, and not a database at all\n".repeat(300);
    std::fs::write(folder.file(), &text).unwrap();
    let refused = Store::open(&folder.file()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Open { .. }), "{refused}");
    assert_eq!(std::fs::read(folder.file()).unwrap(), text);
}

#[tokio::test]
async fn a_folder_is_no_database() {
    let folder = Folder::new();
    let refused = Store::open(&folder.0).await.unwrap_err();
    assert!(matches!(refused, StoreError::Open { .. }), "{refused}");
}

#[tokio::test]
async fn damage_below_the_schema_is_an_error_when_it_is_read() {
    let folder = Folder::new();
    let mut bytes = written(&folder).await;
    // The first pages are those of the schema and its versions; what was learned fills the last ones.
    let learned = bytes.len() - 10 * PAGE;
    bytes[learned..].fill(0xa5);
    std::fs::write(folder.file(), &bytes).unwrap();

    let store = folder.open().await;
    let refused = store.recall().await.unwrap_err();
    assert!(refused.to_string().contains("recall orchestrators"), "{refused}");
    let known = store.next_sequence(&StreamName::new("camera").unwrap()).await;
    assert_eq!(known, Ok(None), "other tables can still be read");
    store.close().await;
}

#[tokio::test]
async fn damage_anywhere_is_an_error_or_harmless() {
    let folder = Folder::new();
    let intact = written(&folder).await;
    let mut refused = 0;
    for page in (0..intact.len() / PAGE).step_by(3) {
        let mut bytes = intact.clone();
        for (index, byte) in bytes[page * PAGE..][..PAGE].iter_mut().enumerate() {
            *byte ^= u8::try_from((index * 31 + page) % 251).unwrap();
        }
        std::fs::write(folder.file(), &bytes).unwrap();
        match Store::open(&folder.file()).await {
            Ok(store) => {
                refused += u32::from(store.recall().await.is_err());
                store.close().await;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0, "no damage was noticed");
}

#[tokio::test]
async fn a_file_cut_short_is_an_error() {
    let folder = Folder::new();
    let bytes = written(&folder).await;
    std::fs::write(folder.file(), &bytes[..3 * PAGE]).unwrap();
    let outcome = match Store::open(&folder.file()).await {
        Ok(store) => {
            let recalled = store.recall().await.map_err(|error| error.to_string());
            store.close().await;
            recalled.map(drop)
        }
        Err(error) => Err(error.to_string()),
    };
    assert!(outcome.is_err());
}
