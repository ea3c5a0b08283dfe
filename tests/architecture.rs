//! The house keeps its plan: who depends on whom, where tokio lives, and what never gets in.
//!
//! The plan itself is in `ARCHITECTURE.md`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Our crates, and which of our crates each may depend on.
const EDGES: [(&str, &[&str]); 20] = [
    ("media", &[]),
    ("tickets", &[]),
    ("https", &[]),
    ("acme", &["media", "https"]),
    ("chain", &["tickets", "https"]),
    ("payer", &["tickets"]),
    ("container", &["media"]),
    ("codec", &["media"]),
    ("orchestrator", &["media", "codec", "tickets"]),
    ("signer", &["media", "orchestrator", "tickets", "https"]),
    ("rtp", &["media", "container"]),
    ("peers", &["rtp"]),
    ("ingest", &["media", "container", "peers", "rtp"]),
    ("segmenter", &["media", "container"]),
    ("router", &["media", "container", "orchestrator"]),
    ("playback", &["media"]),
    ("store", &["media", "orchestrator", "router", "payer", "tickets"]),
    ("faulty-orchestrator", &["media", "orchestrator"]),
    ("sim", &["media", "orchestrator", "router", "playback"]),
    (
        "headgate",
        &[
            "media",
            "container",
            "codec",
            "orchestrator",
            "rtp",
            "peers",
            "ingest",
            "segmenter",
            "router",
            "payer",
            "playback",
            "signer",
            "store",
            "tickets",
            "chain",
            "https",
            "acme",
            "faulty-orchestrator",
        ],
    ),
];
/// Crates of others that only some of ours may use.
const WRAPPED: [(&str, &[&str]); 15] = [
    ("ffmpeg-next", &["codec"]),
    ("rml_rtmp", &["ingest"]),
    ("webrtc", &["peers"]),
    ("rtc", &["peers"]),
    ("mp4", &["container"]),
    ("mp4-atom", &["container"]),
    ("h264-reader", &["container"]),
    ("tonic", &["orchestrator"]),
    ("m3u8-rs", &["playback", "headgate"]),
    ("sqlx", &["store"]),
    ("anyhow", &["headgate"]),
    ("k256", &["tickets"]),
    ("hyper-rustls", &["https", "orchestrator"]),
    ("rustls-native-certs", &["https"]),
    ("instant-acme", &["acme"]),
];
/// Crates that do no I/O at all.
const WITHOUT_IO: [&str; 6] = ["media", "container", "rtp", "segmenter", "tickets", "payer"];
/// Crates of others that never get in: second TLS stacks, and a second SQLite.
const FORBIDDEN: [&str; 5] = ["ring", "openssl", "openssl-sys", "native-tls", "rusqlite"];
/// The crate that may hold unsafe code.
const UNSAFE_ALLOWED_IN: &str = "codec";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn metadata(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version=1", "--locked", "--offline"]).args(arguments);
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Our crates with everything each declares, tests' dependencies included when asked for.
fn declared(with_dev: bool) -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let of_package = |package: &Value| {
        let dependencies = list(&package["dependencies"])
            .filter(|dependency| with_dev || dependency["kind"] != "dev")
            .map(|dependency| text(&dependency["name"]));
        (text(&package["name"]), dependencies.collect())
    };
    list(&metadata["packages"]).map(of_package).collect()
}

/// The Rust sources below each library crate's `src` but its tests, by crate.
fn library_sources() -> Vec<(String, PathBuf)> {
    let metadata = metadata(&["--no-deps"]);
    let mut sources = Vec::new();
    for package in list(&metadata["packages"]) {
        let manifest = text(&package["manifest_path"]);
        let source = Path::new(&manifest).parent().unwrap().join("src");
        if package["name"] != "headgate" {
            collect(&text(&package["name"]), &source, &mut sources);
        }
    }
    sources
}

fn collect(name: &str, folder: &Path, sources: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(name, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            sources.push((name.to_owned(), path));
        }
    }
}

/// Whether the file is only built for tests, by where it is.
fn is_test(path: &Path) -> bool {
    path.strip_prefix(root()).unwrap().iter().any(|part| part == "tests" || part == "tests.rs")
}

/// A file's lines of code: no comments, and nothing from its test module on.
fn code(path: &Path) -> Vec<String> {
    let source = fs::read_to_string(path).unwrap();
    let lines = source.lines().take_while(|line| *line != "mod tests {");
    let without_comment = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    lines.map(without_comment).collect()
}

fn is_word_in(word: &str, line: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<_, _> = EDGES.into_iter().collect();
    let declared = declared(true);
    let ours: Vec<_> = declared.keys().map(String::as_str).collect();
    let planned: BTreeSet<_> = allowed.keys().copied().collect();
    assert_eq!(
        ours.iter().copied().collect::<BTreeSet<_>>(),
        planned,
        "a crate without a place in the plan"
    );
    for (name, dependencies) in &declared {
        for dependency in
            dependencies.iter().filter(|dependency| declared.contains_key(*dependency))
        {
            let may = allowed.get(name.as_str()).unwrap().contains(&dependency.as_str());
            assert!(may, "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn wrapped_crates_stay_with_their_owners() {
    let declared = declared(false);
    for (name, dependencies) in &declared {
        for (wrapped, owners) in WRAPPED {
            let uses = dependencies.contains(wrapped);
            assert!(!uses || owners.contains(&name.as_str()), "{name} must not use {wrapped}");
        }
        for test_crate in ["faulty-orchestrator", "sim"] {
            assert!(!dependencies.contains(test_crate), "{name} ships with {test_crate}");
        }
        let shells = !WITHOUT_IO.contains(&name.as_str());
        assert!(shells || !dependencies.contains("tokio"), "{name} does no I/O");
    }
}

#[test]
fn tokio_lives_in_shells() {
    for (name, path) in library_sources() {
        let relative = path.strip_prefix(root()).unwrap();
        let in_shell = relative.iter().any(|part| part == "shell" || part == "shell.rs");
        if in_shell {
            continue;
        }
        for (index, line) in code(&path).iter().enumerate() {
            let uses = is_word_in("tokio", line) || is_word_in("tokio_util", line);
            assert!(
                !uses,
                "{name}: {}:{} uses tokio outside a shell",
                relative.display(),
                index + 1
            );
        }
    }
}

#[test]
fn unsafe_code_stays_in_one_crate() {
    for (name, path) in library_sources().into_iter().filter(|(name, _)| name != UNSAFE_ALLOWED_IN)
    {
        for (index, line) in code(&path).iter().enumerate() {
            let place = format!("{name}: {}:{}", path.display(), index + 1);
            assert!(!is_word_in("unsafe", line), "{place} holds unsafe code");
            assert!(!is_word_in("unsafe_code", line), "{place} lifts the ban on unsafe code");
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let metadata = metadata(&["--no-deps"]);
    for package in list(&metadata["packages"]) {
        let manifest = fs::read_to_string(text(&package["manifest_path"])).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(inherits.and_then(toml::Value::as_bool), Some(true), "{}", package["name"]);
    }
}

#[test]
fn forbidden_crates_are_not_built() {
    // `cargo metadata` also names what a weak feature could have brought in; the tree is what is built.
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--workspace", "--prefix=none", "--format={p}", "--locked", "--offline"]);
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("tokio"), "nothing was resolved");
    for forbidden in FORBIDDEN {
        assert!(!names.contains(forbidden), "{forbidden} is in the build");
    }
}
