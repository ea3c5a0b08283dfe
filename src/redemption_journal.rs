//! `redemptions.jsonl`: what became of winning tickets.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use serde_json::{Value, json};
use tickets::{B256, U256};

use crate::{append_log, file_replacement::FileReplacement};

/// Name of the file in the data directory.
const FILE: &str = "redemptions.jsonl";
/// Bytes from which on a start shortens the file.
const MAX_BYTES: u64 = 8 << 20;
/// Tickets with nothing left to do whose last step a shortened file still tells, for the operator: less
/// than half of [`MAX_BYTES`].
const HISTORY_MAX: usize = 10_000;

/// What was done about a ticket, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A transaction with that nonce was about to be sent.
    Sending {
        /// The nonce.
        nonce: u64,
    },
    /// The contract has it. Where another process sent the transaction only that is known.
    Redeemed {
        /// The transaction, the wei it paid, and the wei it cost.
        by: Option<(B256, U256, U256)>,
    },
    /// It wasn't redeemed in time.
    Expired,
}

impl Step {
    /// Whether there is nothing left to do.
    pub(crate) const fn is_last(&self) -> bool {
        matches!(self, Self::Redeemed { .. } | Self::Expired)
    }
}

/// A file that steps are added to, each on the disk before the next is taken.
#[derive(Debug)]
pub(crate) struct RedemptionJournal {
    file: File,
}

impl RedemptionJournal {
    /// Goes on with the file in this directory, and gives the last step of each ticket in it.
    ///
    /// # Errors
    /// When it can't be opened or read.
    pub(crate) fn open(data_dir: &Path) -> io::Result<(Self, HashMap<B256, Step>)> {
        let file = append_log::open(&data_dir.join(FILE))?;
        let (steps, _) = read_all(&file)?;
        Ok((Self { file }, steps))
    }

    /// Rewrites a file that has become long: with the last step of each ticket that has something left to
    /// do, and of the latest that have not. Not to be called while the file is open, nor while tickets
    /// are kept whose last step may go.
    ///
    /// # Errors
    /// When it can't be read or rewritten; it is as it was then, or shortened.
    pub(crate) fn shorten(data_dir: &Path) -> io::Result<()> {
        Self::shorten_bounded(data_dir, MAX_BYTES, HISTORY_MAX)
    }

    fn shorten_bounded(data_dir: &Path, max_bytes: u64, history_max: usize) -> io::Result<()> {
        let path = data_dir.join(FILE);
        let file = File::open(&path)?;
        if file.metadata()?.len() <= max_bytes {
            return Ok(());
        }
        let (mut steps, settled) = read_all(&file)?;
        let mut shortened = FileReplacement::begin(&path)?;
        let forgotten = settled.len().saturating_sub(history_max);
        for (place, hash) in settled.iter().enumerate() {
            let Some(step) = steps.remove(hash) else { continue };
            if place >= forgotten {
                shortened.push(line(*hash, &step).as_bytes())?;
            }
        }
        for (hash, step) in &steps {
            shortened.push(line(*hash, step).as_bytes())?;
        }
        shortened.commit()
    }

    /// Puts down a step, and returns when it is on the disk.
    ///
    /// # Errors
    /// When it may not be.
    pub(crate) fn append(&mut self, hash: B256, step: &Step) -> io::Result<()> {
        let line = line(hash, step);
        // What a full disk left of a line must not swallow this one.
        append_log::append(&mut self.file, &format!("\n{line}\n"))
    }
}

/// The last step of each ticket, and those with nothing left to do in the order in which that was so.
fn read_all(file: &File) -> io::Result<(HashMap<B256, Step>, Vec<B256>)> {
    let (mut steps, mut settled) = (HashMap::new(), Vec::new());
    for line in BufReader::new(file).split(b'\n') {
        // A line that was cut short says of a step that it was not taken yet.
        let Some((hash, step)) = read(&line?) else { continue };
        let known = steps.get(&hash);
        if known.is_some_and(Step::is_last) {
            continue;
        }
        if step.is_last() {
            settled.push(hash);
        }
        steps.insert(hash, step);
    }
    Ok((steps, settled))
}

/// A step as a line, without its end.
fn line(hash: B256, step: &Step) -> String {
    let mut line = match step {
        Step::Sending { nonce } => json!({"nonce": nonce, "step": "sending"}),
        Step::Redeemed { by: None } => json!({"step": "redeemed"}),
        Step::Redeemed { by: Some((transaction, paid, fee)) } => json!({
            "step": "redeemed",
            "transaction": transaction.to_string(),
            "paid": paid.to_string(),
            "fee": fee.to_string(),
        }),
        Step::Expired => json!({"step": "expired"}),
    };
    if let Some(fields) = line.as_object_mut() {
        fields.insert("hash".to_owned(), json!(hash.to_string()));
    }
    line.to_string()
}

fn read(line: &[u8]) -> Option<(B256, Step)> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| line.get(name)?.as_str();
    let hash = text("hash")?.parse().ok()?;
    let by = || {
        let transaction = text("transaction")?.parse().ok()?;
        Some((transaction, text("paid")?.parse().ok()?, text("fee")?.parse().ok()?))
    };
    let step = match text("step")? {
        "sending" => Step::Sending { nonce: line.get("nonce")?.as_u64()? },
        "redeemed" => Step::Redeemed { by: by() },
        "expired" => Step::Expired,
        _ => return None,
    };
    Some((hash, step))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let name = format!("headgate-journal-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::remove_dir_all(&path).unwrap_or_default();
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn hash(number: u8) -> B256 {
        B256::repeat_byte(number)
    }

    #[test]
    fn the_last_step_of_each_ticket_is_known_again() {
        let directory = directory("steps");
        let (mut journal, steps) = RedemptionJournal::open(&directory).unwrap();
        assert!(steps.is_empty());
        let paid = Step::Redeemed { by: Some((hash(9), U256::from(7), U256::MAX)) };
        for (number, step) in [
            (1, Step::Sending { nonce: 4 }),
            (2, Step::Sending { nonce: 5 }),
            (2, paid),
            (2, Step::Sending { nonce: 6 }),
            (3, Step::Expired),
            (4, Step::Redeemed { by: None }),
        ] {
            journal.append(hash(number), &step).unwrap();
        }
        let (_, steps) = RedemptionJournal::open(&directory).unwrap();
        let expected = [
            (hash(1), Step::Sending { nonce: 4 }),
            (hash(2), paid),
            (hash(3), Step::Expired),
            (hash(4), Step::Redeemed { by: None }),
        ];
        assert_eq!(steps, HashMap::from(expected));
    }

    #[test]
    fn a_long_file_is_shortened_to_what_is_open_and_the_latest() {
        let directory = directory("long");
        let (mut journal, _) = RedemptionJournal::open(&directory).unwrap();
        for number in 1..=9 {
            journal.append(hash(number), &Step::Sending { nonce: number.into() }).unwrap();
            if number % 2 == 0 {
                journal.append(hash(number), &Step::Expired).unwrap();
            }
        }
        drop(journal);
        let path = directory.join(FILE);
        let bytes = fs::metadata(&path).unwrap().len();
        RedemptionJournal::shorten_bounded(&directory, bytes, 2).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), bytes, "it may be so long");
        RedemptionJournal::shorten_bounded(&directory, bytes - 1, 2).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 7, "{text}");
        let (mut journal, steps) = RedemptionJournal::open(&directory).unwrap();
        let open = [1, 3, 5, 7, 9].map(|it| (hash(it), Step::Sending { nonce: it.into() }));
        let latest = [6, 8].map(|it| (hash(it), Step::Expired));
        assert_eq!(steps, open.into_iter().chain(latest).collect::<HashMap<_, _>>());
        journal.append(hash(9), &Step::Expired).unwrap();
        assert_eq!(RedemptionJournal::open(&directory).unwrap().1[&hash(9)], Step::Expired);
    }

    #[test]
    fn a_line_cut_short_was_no_step() {
        let directory = directory("cut");
        let (mut journal, _) = RedemptionJournal::open(&directory).unwrap();
        journal.append(hash(1), &Step::Expired).unwrap();
        let path = directory.join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{}", &whole[..whole.len() - 5])).unwrap();
        let (mut journal, steps) = RedemptionJournal::open(&directory).unwrap();
        assert_eq!(steps, HashMap::from([(hash(1), Step::Expired)]));
        journal.append(hash(2), &Step::Expired).unwrap();
        assert_eq!(RedemptionJournal::open(&directory).unwrap().1.len(), 2);
    }
}
