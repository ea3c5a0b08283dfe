//! A Postgres server of the tests' own.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{Connection as _, Executor as _, PgConnection};

/// Sets a cluster up where there is none, and runs a server on it until the pipe on its input ends, which
/// it does with the test's process, however that ends. `initdb` and `postgres` refuse to run as root.
const SCRIPT: &str = r#"
set -eu
folder=$1 bin=$2 at_end=$3
as=
if [ "$(id -u)" = 0 ]; then
    as="setpriv --reuid=nobody --regid=nogroup --clear-groups --"
    chown nobody:nogroup "$folder"
fi
cd "$folder"
if [ ! -e data/PG_VERSION ]; then
    $as "$bin/initdb" --pgdata=data --username=headgate --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync --no-instructions >&2
    echo "local all guarded scram-sha-256" | cat - data/pg_hba.conf >hba
    cat hba >data/pg_hba.conf
fi
exec 3<&0
$as "$bin/postgres" -D data -c listen_addresses= -c "unix_socket_directories=$folder" \
    -c shared_buffers=32MB -c max_connections=200 </dev/null 3<&- &
server=$!
cat <&3 >/dev/null
kill -INT "$server" 2>/dev/null || true
wait "$server" || true
[ "$at_end" = keep ] || rm -rf "$folder"
"#;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    folder: PathBuf,
    /// Its standard input keeps the server running.
    runner: Child,
}

/// A database of its own on a server.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) url: String,
}

impl Server {
    /// Starts one on an empty folder, which goes with it.
    pub(super) fn start() -> Self {
        let folder = super::new_folder("postgres");
        Self { runner: run(&folder, "remove"), folder }
    }

    /// Starts one on an empty folder that stays, for [`Server::start_again`].
    pub(super) fn start_to_be_killed() -> Self {
        let folder = super::new_folder("postgres");
        Self { runner: run(&folder, "keep"), folder }
    }

    /// Kills it, with every process that serves a connection. Nothing is written any more.
    pub(super) fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        // First so that it starts no others, and sees none of them end.
        signal("STOP", &pid);
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap().split_whitespace() {
            signal("KILL", child);
        }
        signal("KILL", &pid);
        drop(self.runner.stdin.take());
        self.runner.wait().unwrap();
    }

    /// Starts it on what a killed one left; the folder goes with it.
    pub(super) fn start_again(&mut self) {
        self.runner = run(&self.folder, "remove");
    }

    /// An empty database, under a name that no other test uses.
    pub(super) async fn database(&self) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.execute(format!("CREATE DATABASE {name}")).await;
        Database { url: self.url("headgate", &name) }
    }

    /// Executes a statement that is about the whole server.
    pub(super) async fn execute(&self, sql: String) {
        let mut connection =
            PgConnection::connect(&self.url("headgate", "postgres")).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The URL of one of its databases.
    pub(super) fn url(&self, user: &str, database: &str) -> String {
        let folder = self.folder.display();
        format!("postgres://{user}@localhost/{database}?host={folder}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.runner.stdin.take());
        self.runner.wait().unwrap();
    }
}

/// The one that tests share, each with databases of its own. It ends with the process.
pub(super) fn shared() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(Server::start);
    &SHARED
}

fn signal(name: &str, pid: &str) {
    Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, name, pid]).status().unwrap();
}

fn run(folder: &Path, at_end: &str) -> Child {
    let mut runner = Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .args([folder, &programs()])
        .arg(at_end)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(runner.stderr.take().unwrap());
    wait_until_ready(told);
    runner
}

/// Reads what the server says until it takes connections, and the rest so that it never waits for us.
fn wait_until_ready(mut told: BufReader<ChildStderr>) {
    let mut all = String::new();
    while !all.contains("ready to accept connections") {
        assert!(told.read_line(&mut all).unwrap() > 0, "the server did not start:\n{all}");
    }
    std::thread::spawn(move || {
        let mut rest = [0; 4096];
        while told.read(&mut rest).is_ok_and(|read| read > 0) {}
    });
}

/// Where Debian keeps the programs, the latest version first; elsewhere they are looked up.
fn programs() -> PathBuf {
    let mut found: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort_by_key(|bin| {
        let version = bin.parent().and_then(|path| path.file_name()?.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    });
    let searched = std::env::var_os("PATH").unwrap_or_default();
    found
        .pop()
        .or_else(|| std::env::split_paths(&searched).find(|bin| bin.join("initdb").exists()))
        .expect("these tests run a Postgres server: scripts/need test")
}
