//! The store over real files, and over a real server. What a port promises is tested on both: see
//! `on_both_engines`.

/// Runs tests on each engine. Each is a function of the place for a store.
macro_rules! on_both_engines {
    ($($(#[$mark:meta])* $test:ident,)*) => {
        mod on_sqlite {
            $($(#[$mark])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::shell::tests::Place::file()).await;
            })*
        }

        mod on_postgres {
            $($(#[$mark])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::shell::tests::Place::database().await).await;
            })*
        }
    };
}

mod damage;
mod files;
mod memory;
mod payer_run;
mod payments;
mod payments_bounds;
mod payments_killed;
mod payments_speed;
mod sequences;
mod server;
mod server_lost;

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use self::server::Database;
use super::{Store, store::Limits};

/// Where a store of a test is.
#[derive(Debug)]
enum Place {
    File(Folder),
    Database(Database),
}

impl Place {
    fn file() -> Self {
        Self::File(Folder::new())
    }

    async fn database() -> Self {
        Self::Database(server::shared().database().await)
    }

    async fn open(&self) -> Store {
        self.open_within(Limits::default()).await
    }

    async fn open_within(&self, limits: Limits) -> Store {
        match self {
            Self::File(folder) => Store::open_within(&folder.file(), limits).await.unwrap(),
            Self::Database(it) => Store::connect_within(&it.url, limits).await.unwrap(),
        }
    }

    async fn open_to_read(&self) -> Store {
        match self {
            Self::File(folder) => Store::open_to_read(&folder.file()).await.unwrap(),
            Self::Database(it) => Store::connect_to_read(&it.url).await.unwrap(),
        }
    }

    /// What another process changes; gives how many rows.
    async fn execute(&self, sql: &'static str) -> u64 {
        match self {
            Self::File(folder) => {
                let mut other = stranger(&folder.file()).await;
                sqlx::query(sql).execute(&mut other).await.unwrap().rows_affected()
            }
            Self::Database(it) => {
                let mut other = PgConnection::connect(&it.url).await.unwrap();
                sqlx::query(sql).execute(&mut other).await.unwrap().rows_affected()
            }
        }
    }

    /// What another process counts.
    async fn count(&self, sql: &'static str) -> i64 {
        match self {
            Self::File(folder) => {
                let mut other = stranger(&folder.file()).await;
                sqlx::query_scalar(sql).fetch_one(&mut other).await.unwrap()
            }
            Self::Database(it) => {
                let mut other = PgConnection::connect(&it.url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut other).await.unwrap()
            }
        }
    }
}

/// A new folder for temporary files.
fn new_folder(kind: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("headgate-{kind}-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir(&path).unwrap();
    path
}

/// A folder of its own for one test, removed at the end.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(new_folder("store"))
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }

    async fn open(&self) -> Store {
        Store::open(&self.file()).await.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Another process's connection to the file.
async fn stranger(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Like [`stranger`], and creates the file.
async fn creating(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}
