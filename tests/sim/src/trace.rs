//! What happened in a run, as a number that stands for it, and as text on demand.

use std::{
    fmt,
    hash::{DefaultHasher, Hasher as _},
    io,
    time::Duration,
};

/// How much of a run the trace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Every event, every release and every attempt.
    #[default]
    Events,
    /// The whole decision of each segment as well.
    Decisions,
}

/// Takes every line of a run into one hash, and writes it where that is wanted.
pub(crate) struct Trace<'a> {
    hasher: DefaultHasher,
    detail: Detail,
    out: Option<&'a mut dyn io::Write>,
}

impl fmt::Debug for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("detail", &self.detail).finish_non_exhaustive()
    }
}

/// Hashes text without keeping it.
struct Hashing<'a>(&'a mut DefaultHasher);

impl fmt::Write for Hashing<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl<'a> Trace<'a> {
    pub(crate) fn new(detail: Detail, out: Option<&'a mut dyn io::Write>) -> Self {
        Self { hasher: DefaultHasher::new(), detail, out }
    }

    pub(crate) const fn detail(&self) -> Detail {
        self.detail
    }

    /// Takes one line, of one stream where `stream` says so.
    pub(crate) fn line(&mut self, at: Duration, stream: Option<usize>, line: fmt::Arguments<'_>) {
        self.hasher.write_u128(at.as_nanos());
        self.hasher.write_usize(stream.map_or(usize::MAX, |index| index));
        // Hashing does not fail, and a trace nobody reads any more is no reason to stop.
        fmt::write(&mut Hashing(&mut self.hasher), line).unwrap_or_default();
        if let Some(out) = &mut self.out {
            let seconds = at.as_secs_f64();
            let written = match stream {
                Some(stream) => writeln!(out, "{seconds:11.6} s{stream} {line}"),
                None => writeln!(out, "{seconds:11.6} -- {line}"),
            };
            written.unwrap_or_default();
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}
