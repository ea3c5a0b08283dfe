//! `audit.jsonl`: a line for each thing that was asked.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use signer::AuditEntry;

use crate::append_log;

/// Bytes after which a new file begins.
const MAX_BYTES: u64 = 64 << 20;
/// Older files that are kept: `audit.1.jsonl` is the youngest.
const KEPT: u32 = 8;

/// Appends lines; only the owner can read them.
#[derive(Debug)]
pub(crate) struct AuditFile {
    data_dir: PathBuf,
    max_bytes: u64,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl AuditFile {
    /// Goes on with the directory's file.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        Self::bounded(data_dir, MAX_BYTES)
    }

    fn bounded(data_dir: &Path, max_bytes: u64) -> io::Result<Self> {
        let open = Mutex::new(Open::at(&name(data_dir, 0))?);
        Ok(Self { data_dir: data_dir.to_owned(), max_bytes, open })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// When it can't be written; then nothing must be given away that it would have told of.
    pub(crate) fn write(&self, entry: &AuditEntry) -> io::Result<()> {
        let line = entry.to_line();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.bytes >= self.max_bytes {
            for number in (0..KEPT).rev() {
                match fs::rename(name(&self.data_dir, number), name(&self.data_dir, number + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Err(_) | Ok(()) => {}
                }
            }
            *open = Open::at(&name(&self.data_dir, 0))?;
        }
        open.file.write_all(line.as_bytes())?;
        open.bytes = open.bytes.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        Ok(())
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = append_log::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes })
    }
}

fn name(data_dir: &Path, number: u32) -> PathBuf {
    let name = if number == 0 { "audit.jsonl".to_owned() } else { format!("audit.{number}.jsonl") };
    data_dir.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_lines_are_kept_for_a_while() {
        let directory = std::env::temp_dir().join(format!("headgate-audit-{}", std::process::id()));
        drop(fs::remove_dir_all(&directory));
        fs::create_dir_all(&directory).unwrap();
        let audit = AuditFile::bounded(&directory, 1).unwrap();
        for time in 0..12 {
            audit.write(&AuditEntry { time, ..AuditEntry::default() }).unwrap();
        }
        let read = |number| fs::read_to_string(name(&directory, number)).unwrap();
        assert!(read(0).starts_with("{\"time\":11,") && read(8).starts_with("{\"time\":3,"));
        assert!(!name(&directory, 9).exists());
    }
}
