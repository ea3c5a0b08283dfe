//! Replays the fuzz corpora as a plain test: each file as it is, cut short, and with bytes changed.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

use std::{collections::BTreeSet, fs, path::Path};

/// A fuzz target's body.
type Target = fn(&[u8]);

/// Every target of `tests/fuzz`, by name.
const TARGETS: [(&str, Target); 21] = [
    ("amf0", ingest::fuzzing::amf0),
    ("annex_b", container::fuzzing::annex_b),
    ("asc", container::fuzzing::asc),
    ("av1", container::fuzzing::av1),
    ("avcc", container::fuzzing::avcc),
    ("chunk_reader", ingest::fuzzing::chunk_reader),
    ("demux", ingest::fuzzing::demux),
    ("enhanced_rtmp", container::fuzzing::enhanced_rtmp),
    ("flv", container::fuzzing::flv),
    ("datagrams", peers::fuzzing::routes),
    ("hevc", container::fuzzing::hevc),
    ("mp4", container::fuzzing::mp4),
    ("offer", peers::fuzzing::offer),
    ("push", ingest::fuzzing::push),
    ("rtp_h264", rtp::fuzzing::rtp_h264),
    ("rtp_layers", peers::fuzzing::media),
    ("rtp_opus", rtp::fuzzing::rtp_opus),
    ("sdp_fragment", peers::fuzzing::fragment),
    ("session", ingest::fuzzing::session),
    ("sps", container::fuzzing::sps),
    ("ts", container::fuzzing::ts),
];
/// How often each file is cut short, and how often it is changed.
const VARIANTS: usize = 48;

fn names(folder: &str, suffix: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.strip_suffix(suffix).unwrap_or(&name).to_owned()).collect()
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = fs::read_dir(folder).unwrap();
    let read = |path: std::path::PathBuf| (path.display().to_string(), fs::read(&path).unwrap());
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

#[test]
fn every_target_has_a_corpus_and_is_replayed() {
    let replayed: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets", ".rs"), replayed);
    assert_eq!(names("corpus", ""), replayed);
    for (name, _) in TARGETS {
        assert!(!corpus(name).is_empty(), "{name} has no corpus");
    }
}

#[test]
fn corpora_are_read_without_a_panic() {
    for (name, target) in TARGETS {
        for (path, data) in corpus(name) {
            println!("{path}");
            target(&data);
        }
    }
}

#[test]
fn corpora_cut_short_are_read_without_a_panic() {
    for (name, target) in TARGETS {
        for (path, data) in corpus(name) {
            let step = data.len().div_ceil(VARIANTS).max(1);
            for length in (0..data.len()).step_by(step) {
                println!("{path}, {length} bytes");
                target(data.get(..length).unwrap());
            }
        }
    }
}

#[test]
fn corpora_with_changed_bytes_are_read_without_a_panic() {
    for (name, target) in TARGETS {
        for (path, data) in corpus(name) {
            let step = data.len().div_ceil(VARIANTS).max(1);
            for at in (0..data.len()).step_by(step) {
                for byte in [0x00, 0x7F, 0xFF] {
                    println!("{path}, byte {at} is {byte}");
                    let mut changed = data.clone();
                    *changed.get_mut(at).unwrap() = byte;
                    target(&changed);
                }
            }
        }
    }
}
