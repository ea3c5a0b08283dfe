//! A gateway without a key: a signer in a process of its own pays for it.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use headgate::addresses::Addresses;
use tokio::process::{Child, Command};

use crate::support::{
    paid::{PaidNode, Process, config, directory, key_file, ledger, pool, pushed, sum, wait_for},
    pushing::{TINY, segments},
};

/// Of the payer: nobody else's in these tests.
const KEY: [u8; 32] = [0x46; 32];
const TOKEN: &str = "a-long-secret-of-the-gateway";

struct Signer {
    port: u16,
    process: Child,
}

impl Signer {
    async fn start(directory: &Path, port: u16) -> Self {
        let data_dir = directory.join("signer");
        std::fs::create_dir_all(&data_dir).unwrap();
        Addresses::clear(&data_dir).unwrap();
        let tokens = directory.join("tokens");
        std::fs::write(&tokens, format!("gateway {TOKEN}\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
        command.args(["signer", "--addr", &format!("127.0.0.1:{port}"), "--data-dir"]);
        command.arg(&data_dir).arg("--tokens").arg(tokens);
        command.arg("--eth-keystore-path").arg(key_file(directory, KEY[0]));
        command.args(["--max-ticket-ev", "1000000000000000"]);
        command.args(["--max-total-ev", "100000000000000000"]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().unwrap();
        let addr = wait_for(&data_dir, |it| it.signer).await;
        Self { port: addr.port(), process }
    }

    async fn kill(mut self) -> u16 {
        self.process.kill().await.unwrap();
        self.port
    }
}

/// A configuration that pays through a signer.
fn signed_config(directory: &Path, signer: &Signer, node: &PaidNode) -> PathBuf {
    let token = directory.join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let key = key_file(directory, KEY[0]);
    let with_key = config(directory, &pool(&[&node.url]), "");
    let with_signer = with_key.replace("mode = \"onchain\"", "mode = \"signer\"").replace(
        &format!("eth_keystore_path = {key:?}"),
        &format!(
            "signer_url = \"http://127.0.0.1:{}\"\nsigner_token_file = {token:?}",
            signer.port
        ),
    );
    assert!(!with_signer.contains("keystore"), "{with_signer}");
    let file = directory.join("headgate.toml");
    std::fs::write(&file, with_signer).unwrap();
    file
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// All that a process has in memory and may read.
fn memory(id: u32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{id}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let place = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let mut bytes = vec![0; usize::try_from(place(to) - place(from)).unwrap()];
        memory.seek(SeekFrom::Start(place(from))).unwrap();
        if memory.read_exact(&mut bytes).is_ok() {
            all.append(&mut bytes);
        }
    }
    all
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// No form of the key, in memory or on disk.
fn no_key_in(id: u32, data_dir: &Path) {
    let (raw, hex) = (KEY.to_vec(), hex::encode(KEY).into_bytes());
    let memory = memory(id);
    assert!(holds(&memory, TOKEN.as_bytes()), "this search finds what is there");
    for form in [&raw, &hex] {
        assert!(!holds(&memory, form), "the key is in memory");
        for file in files_below(data_dir) {
            assert!(!holds(&std::fs::read(&file).unwrap(), form), "{}", file.display());
        }
    }
}

async fn a_signer_that_is_gone(name: &str, away: Duration) {
    let directory = directory(name);
    let node = PaidNode::start(&directory, "node", "1200", 0).await;
    let signer = Signer::start(&directory, 0).await;
    let file = signed_config(&directory, &signer, &node);
    let data_dir = directory.join("gateway");
    let gateway = Process::start(&file, &data_dir).await;
    let bodies = segments(&directory, &TINY, 8, "ts").await;
    let mut number = 0;
    for body in &bodies {
        let found = pushed(&gateway.client, "cam-key-cam", number, body.clone()).await;
        assert_eq!(found, ["large", "small"], "segment {number}");
        number += 1;
    }
    no_key_in(gateway.process.id().unwrap(), &data_dir);

    let port = signer.kill().await;
    let gone = tokio::time::Instant::now();
    let mut answers = 0;
    while gone.elapsed() < away {
        let asked = tokio::time::Instant::now();
        let body = bodies[usize::try_from(number).unwrap() % bodies.len()].clone();
        let found = pushed(&gateway.client, "cam-key-cam", number, body).await;
        assert!(found.is_empty(), "segment {number} is not paid for");
        assert!(asked.elapsed() < Duration::from_secs(5), "the client is answered in time");
        number += 1;
        answers += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(answers >= 2);
    let _signer = Signer::start(&directory, port).await;
    let back = tokio::time::Instant::now();
    loop {
        let body = bodies[usize::try_from(number).unwrap() % bodies.len()].clone();
        number += 1;
        if !pushed(&gateway.client, "cam-key-cam", number - 1, body).await.is_empty() {
            break;
        }
        assert!(back.elapsed() < Duration::from_secs(6), "segments are paid for again");
    }
    println!("{answers} segments unpaid in {away:?}, paid again after {:?}", back.elapsed());
    let Process { mut process, .. } = gateway;
    let id = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
    process.wait().await.unwrap();
    let lines = ledger(&data_dir).await;
    let (credited, debited, refused) = node.totals().await;
    assert_eq!(refused, 0);
    assert_eq!(sum(&lines, |it| &it.sent).floor(), credited);
    assert_eq!(sum(&lines, |it| &it.debited).floor(), debited);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_holds_no_key_and_outlives_its_signer() {
    a_signer_that_is_gone("signer", Duration::from_secs(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "most of a minute"]
async fn the_gateway_outlives_thirty_seconds_without_its_signer() {
    a_signer_that_is_gone("signer-30", Duration::from_secs(30)).await;
}
