//! A file that takes another's place at once, or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Lines that are to take the place of a file's. Until [`Self::commit`] the file is as it was, whenever
/// this process ends; what an earlier one left unfinished is removed.
#[derive(Debug)]
pub(crate) struct FileReplacement {
    path: PathBuf,
    unfinished: PathBuf,
    writer: BufWriter<File>,
}

impl FileReplacement {
    /// Begins a file that only its owner can read, beside the one it is to replace.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
        Ok(Self { path: path.to_owned(), unfinished, writer: BufWriter::new(file) })
    }

    /// Adds a line, which is given without its end.
    ///
    /// # Errors
    /// When the disk doesn't take it.
    pub(crate) fn push(&mut self, line: &[u8]) -> io::Result<()> {
        self.writer.write_all(line)?;
        self.writer.write_all(b"\n")
    }

    /// Puts it in the other's place, and returns when that is on the disk.
    ///
    /// # Errors
    /// When it may not be. The file then holds the old lines or the new ones.
    pub(crate) fn commit(self) -> io::Result<()> {
        let Self { path, unfinished, writer } = self;
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
    }
}
