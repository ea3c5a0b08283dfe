//! Files that only grow, one line at a time, and survive being cut short.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Opens a file that only its owner can read, to add lines and to read what is there. A line that was
/// cut short is ended, so that it doesn't swallow the next one.
///
/// # Errors
/// When it can't be opened or written.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            append(&mut file, "\n")?;
        }
    }
    file.rewind()?;
    Ok(file)
}

/// Writes lines at once, and returns when they are on the disk.
///
/// # Errors
/// When they may not be.
pub(crate) fn append(file: &mut File, lines: &str) -> io::Result<()> {
    file.write_all(lines.as_bytes())?;
    file.sync_data()
}
