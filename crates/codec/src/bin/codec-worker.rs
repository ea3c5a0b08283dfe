//! The crate's own child process, for its tests: a worker, or the test picture.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test-picture", url] => codec::run_test_picture(codec::TestPictureConfig::new(*url)),
        _ => codec::run_worker(),
    }
}
