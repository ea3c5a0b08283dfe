//! Embeds the watch page's player library where `make player` has fetched it.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    // The folder, not the file: a file that is missing would count as changed in every build.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=player");
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?;
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let package = Path::new(&root).join("player/node_modules/hls.js");
    let (library, license) = (package.join("dist/hls.min.js"), package.join("LICENSE"));
    let source = if library.is_file() && license.is_file() {
        format!(
            "pub(super) const HLS_JS: Option<&[u8]> = Some(include_bytes!({library:?}));\n\
             pub(super) const HLS_JS_LICENSE: &[u8] = include_bytes!({license:?});\n"
        )
    } else {
        "pub(super) const HLS_JS: Option<&[u8]> = None;\n\
         pub(super) const HLS_JS_LICENSE: &[u8] = &[];\n"
            .to_owned()
    };
    fs::write(Path::new(&out).join("player.rs"), source)
}
