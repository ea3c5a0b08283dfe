//! The publish page's own tests, of what it computes without a browser: they run in Node.

use std::{path::Path, process::Command};

#[test]
fn what_the_publish_page_computes_is_right() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("publisher/tests");
    let mut files: Vec<_> =
        std::fs::read_dir(tests).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let output = Command::new("node").arg("--test").args(files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("# tests ") && !said.contains("# tests 0\n"), "{said}");
}
