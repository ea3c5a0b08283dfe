//! `signer.jsonl`: what the signer granted, on the disk before any signature leaves.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, bail};
use signer::{Record, SigningDesk};
use tokio::sync::oneshot;

/// Names of the files in the data directory.
const FILE: &str = "signer.jsonl";
const NEW_FILE: &str = "signer.jsonl.new";
const LOCK_FILE: &str = "signer.lock";
/// Bytes from which on the journal is written anew, if that halves it.
const COMPACT_AT: u64 = 16 << 20;
/// Records that wait for the disk; when full, further requests are refused.
const WAITING: usize = 1_024;
/// Most records that one write takes.
const BATCH: usize = 256;

/// The desk, which the journal's thread reads to begin a new file.
pub(crate) type SharedDesk = Arc<Mutex<SigningDesk>>;

/// The desk, whatever became of who held it last.
pub(crate) fn lock(desk: &SharedDesk) -> MutexGuard<'_, SigningDesk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a record isn't on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JournalError {
    /// Too many wait already.
    #[error("the signer is busy")]
    Busy,
    /// The disk took it not.
    #[error("the signer's journal can't be written")]
    Broken,
}

/// Writes records, in a thread of its own; many at a time where many wait.
#[derive(Debug)]
pub(crate) struct Journal {
    queue: SyncSender<Job>,
}

#[derive(Debug)]
struct Job {
    /// `None` only waits for those before it.
    record: Option<Record>,
    written: oneshot::Sender<bool>,
}

/// Waits for the disk.
#[derive(Debug)]
pub(crate) struct Written(oneshot::Receiver<bool>);

impl Written {
    /// Until the record is on the disk.
    pub(crate) async fn wait(self) -> Result<(), JournalError> {
        if self.0.await == Ok(true) { Ok(()) } else { Err(JournalError::Broken) }
    }
}

impl Journal {
    /// Takes up the journal of this directory, and goes on with it. The thread ends when the journal
    /// is dropped.
    ///
    /// # Errors
    /// When the directory is in use by another signer, or the journal is damaged.
    pub(crate) fn open(
        data_dir: &Path,
        desk: SigningDesk,
    ) -> anyhow::Result<(Self, SharedDesk, JoinHandle<()>)> {
        Self::open_compacting(data_dir, desk, COMPACT_AT)
    }

    fn open_compacting(
        data_dir: &Path,
        mut desk: SigningDesk,
        compact_at: u64,
    ) -> anyhow::Result<(Self, SharedDesk, JoinHandle<()>)> {
        let lock = take_lock(data_dir)?;
        let path = data_dir.join(FILE);
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("can't open {}", path.display()))?;
        let bytes = restore(&file, &mut desk)
            .with_context(|| format!("can't take up {}", path.display()))?;
        sync_directory(data_dir).context("can't write the data directory")?;
        let desk: SharedDesk = Arc::new(Mutex::new(desk));
        let (queue, jobs) = sync_channel(WAITING);
        let writer = Writer {
            data_dir: data_dir.to_owned(),
            file,
            bytes,
            compact_min: compact_at,
            compact_at,
            broken: false,
            sync_directory,
            desk: Arc::clone(&desk),
            _lock: lock,
        };
        let thread = std::thread::Builder::new().name("journal".into());
        let thread = thread.spawn(move || writer.run(&jobs)).context("can't start a thread")?;
        Ok((Self { queue }, desk, thread))
    }

    /// Hands over a record. Call it while the desk is still locked, so that records are written in
    /// their order; then let go of the desk, and wait.
    pub(crate) fn write(&self, record: Option<Record>) -> Result<Written, JournalError> {
        let (written, wait) = oneshot::channel();
        match self.queue.try_send(Job { record, written }) {
            Ok(()) => Ok(Written(wait)),
            Err(TrySendError::Full(_)) => Err(JournalError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(JournalError::Broken),
        }
    }
}

struct Writer {
    data_dir: PathBuf,
    file: File,
    /// Bytes that are on the disk.
    bytes: u64,
    compact_min: u64,
    compact_at: u64,
    /// Nothing is granted any more: what the file holds is not known.
    broken: bool,
    sync_directory: fn(&Path) -> io::Result<()>,
    desk: SharedDesk,
    _lock: File,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(BATCH - 1));
            let taken = self.write(&batch);
            if taken {
                let mut desk = lock(&self.desk);
                batch.iter().filter_map(|job| job.record.as_ref()).for_each(|it| desk.written(it));
            }
            for job in batch {
                // Who asked may have left.
                let _gone = job.written.send(taken);
            }
            if self.bytes >= self.compact_at && !self.broken {
                self.compact();
            }
        }
    }

    fn write(&mut self, batch: &[Job]) -> bool {
        if self.broken {
            return false;
        }
        let records = batch.iter().filter_map(|job| job.record.as_ref());
        let lines: Vec<u8> = records.flat_map(line).collect();
        if lines.is_empty() {
            return true;
        }
        match self.file.write_all(&lines).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.bytes = self.bytes.saturating_add(u64::try_from(lines.len()).unwrap_or(0));
                true
            }
            Err(error) => {
                tracing::error!(%error, "the journal can't be written: nothing is signed");
                // Half a line must not stand before the next one.
                let mended = self.file.set_len(self.bytes).and_then(|()| self.file.sync_data());
                self.broken = mended.is_err();
                false
            }
        }
    }

    /// Goes on in a new file, with what matters.
    fn compact(&mut self) {
        let now = media::wall_clock_now();
        let records = lock(&self.desk).snapshot(now);
        match self.replace(&records) {
            Ok((file, bytes)) => {
                (self.file, self.bytes) = (file, bytes);
                self.compact_at = self.compact_min.max(bytes.saturating_mul(2));
                // The old file has no name any more: what went there would be lost. Which of the two a crash
                // leaves is not known.
                if let Err(error) = (self.sync_directory)(&self.data_dir) {
                    tracing::error!(%error, "the journal's directory can't be written: nothing is signed");
                    self.broken = true;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the journal can't be written anew; it goes on growing");
                self.compact_at = self.bytes.saturating_mul(2);
            }
        }
    }

    /// Writes a new file and puts it in the old one's place; its directory is not synced.
    fn replace(&self, records: &[Record]) -> io::Result<(File, u64)> {
        let unfinished = self.data_dir.join(NEW_FILE);
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create_new(true).mode(0o600).open(&unfinished)?;
        let lines: Vec<u8> = records.iter().flat_map(line).collect();
        file.write_all(&lines)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, self.data_dir.join(FILE))?;
        Ok((file, u64::try_from(lines.len()).unwrap_or(u64::MAX)))
    }
}

fn line(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Reads all records. What a crash left of the last ones is cut off: it was never answered.
fn restore(file: &File, desk: &mut SigningDesk) -> anyhow::Result<u64> {
    let mut reader = BufReader::new(file.try_clone()?);
    let (mut good, mut read) = (0_u64, 0_u64);
    let mut cut = false;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        read = read.saturating_add(u64::try_from(length)?);
        let whole = line.last() == Some(&b'\n');
        match serde_json::from_slice(&line).ok().filter(|_| whole) {
            Some(_) if cut => bail!("line {number} follows one that can't be read"),
            Some(record) => {
                desk.restore(record).with_context(|| format!("line {number}"))?;
                good = read;
            }
            None => cut = true,
        }
    }
    if cut {
        tracing::warn!(
            bytes = read - good,
            "cut off what a crash left of the journal's last record"
        );
        file.set_len(good)?;
        file.sync_all()?;
    }
    Ok(good)
}

fn take_lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("can't open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another signer uses {}: two would sign a nonce twice", data_dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).context("can't lock the data directory"),
    }
}

fn sync_directory(data_dir: &Path) -> io::Result<()> {
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, os::unix::fs::MetadataExt as _};

    use signer::{
        SegmentRequest, SigningLimits,
        messages::segment::{PriceField, SegmentField, TicketsField},
    };
    use tickets::{Address, B256, ExpirationParams, TicketParams, U256, UnsignedBatch};

    use super::*;

    const SENDER: Address = Address::repeat_byte(8);

    fn request(first_nonce: u32) -> SegmentRequest {
        let round = ExpirationParams::default();
        let params = TicketParams {
            recipient: Address::repeat_byte(1),
            face_value: U256::from(51_000),
            win_prob: U256::MAX / U256::from(51),
            recipient_rand_hash: B256::repeat_byte(2),
            seed: U256::from(7),
            expiration_block: 100,
            expiration: round,
        };
        let batch = UnsignedBatch::new(SENDER, params, round, first_nonce, NonZeroU32::MIN);
        SegmentRequest {
            payment_id: first_nonce.to_string(),
            sender: SENDER.to_string(),
            stream: "studio".to_owned(),
            orchestrator: String::new(),
            session_id: String::new(),
            price: PriceField { wei: 1, pixels: 1 },
            segment: SegmentField {
                manifest_id: "job".to_owned(),
                sequence: 1,
                hash: B256::repeat_byte(9).to_string(),
                profiles: vec!["p".to_owned()],
            },
            tickets: Some(TicketsField::new(&batch.unwrap())),
        }
    }

    fn open(directory: &Path) -> (Journal, SharedDesk, JoinHandle<()>) {
        let desk = SigningDesk::new(SENDER, SigningLimits::default());
        Journal::open_compacting(directory, desk, 4_000).unwrap()
    }

    async fn grant(journal: &Journal, desk: &SharedDesk, nonce: u32) -> bool {
        let written = {
            let mut desk = lock(desk);
            let now = media::wall_clock_now();
            let Ok(grant) = desk.pay_segment(now, "gateway", &request(nonce)) else { return false };
            journal.write(grant.record.clone()).unwrap()
        };
        written.wait().await.unwrap();
        true
    }

    fn directory(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("headgate-journal-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[tokio::test]
    async fn a_journal_stays_short_and_forgets_nothing() {
        let directory = directory("short");
        let mut all = 0;
        for run in 0..3 {
            let (journal, desk, thread) = open(&directory);
            assert_eq!(lock(&desk).total().to_string(), (run * 150 * 1_000).to_string());
            for nonce in 1..=150 {
                assert!(grant(&journal, &desk, run * 150 + nonce).await);
                all += 1;
            }
            drop(journal);
            tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
        }
        let length = std::fs::metadata(directory.join(FILE)).unwrap().len();
        // A record has some 250 bytes; what is kept of each payment has half of that.
        assert!(length < 450 * 250, "{length}");
        let first = std::fs::read_to_string(directory.join(FILE)).unwrap();
        assert!(first.starts_with("{\"snapshot\":{\"through\":"));
        let (_journal, desk, _thread) = open(&directory);
        assert_eq!(lock(&desk).total().to_string(), (all * 1_000).to_string());
        for nonce in [1, 150, 151, 450] {
            let mut other = request(nonce);
            other.payment_id = "other".to_owned();
            let refused = lock(&desk).pay_segment(media::wall_clock_now(), "gateway", &other);
            assert_eq!(refused.unwrap_err(), signer::Refusal::NonceUsed(nonce));
        }
    }

    #[tokio::test]
    async fn a_payment_that_found_the_signer_busy_is_on_the_disk_when_it_comes_again() {
        let directory = directory("busy");
        let (journal, desk, thread) = open(&directory);
        let now = media::wall_clock_now();
        let waiting = {
            // The thread needs the desk to go on, once it has written.
            let mut desk = lock(&desk);
            let grant = desk.pay_segment(now, "gateway", &request(1)).unwrap();
            let mut waiting = vec![journal.write(grant.record).unwrap()];
            // From here on it takes nothing out of the queue.
            while std::fs::metadata(directory.join(FILE)).unwrap().len() == 0 {
                std::thread::yield_now();
            }
            while let Ok(written) = journal.write(None) {
                waiting.push(written);
            }
            let grant = desk.pay_segment(now, "gateway", &request(2)).unwrap();
            assert_eq!(journal.write(grant.record).unwrap_err(), JournalError::Busy);
            waiting
        };
        for written in waiting {
            written.wait().await.unwrap();
        }
        let written = {
            let again = lock(&desk).pay_segment(now, "gateway", &request(2)).unwrap();
            assert!(again.repeated);
            journal.write(again.record).unwrap()
        };
        written.wait().await.unwrap();
        let again = lock(&desk).pay_segment(now, "gateway", &request(2)).unwrap();
        assert!(again.repeated && again.record.is_none(), "it is there");
        drop(journal);
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
        let (_journal, desk, _thread) = open(&directory);
        assert_eq!(lock(&desk).total().to_string(), "2000");
    }

    #[test]
    fn a_new_file_whose_name_may_be_lost_is_written_to_no_more() {
        let directory = directory("unsynced");
        let (journal, desk, thread) = open(&directory);
        drop(journal);
        thread.join().unwrap();
        let path = directory.join(FILE);
        let options = OpenOptions::new().append(true).open(&path);
        let mut writer = Writer {
            data_dir: directory.clone(),
            file: options.unwrap(),
            bytes: 0,
            compact_min: 1,
            compact_at: 1,
            broken: false,
            sync_directory: |_| Err(io::Error::other("no space")),
            desk: Arc::clone(&desk),
            _lock: take_lock(&directory).unwrap(),
        };
        let now = media::wall_clock_now();
        let grant = lock(&desk).pay_segment(now, "gateway", &request(1)).unwrap();
        let (written, _wait) = oneshot::channel();
        let batch = [Job { record: grant.record, written }];
        assert!(writer.write(&batch));
        writer.compact();
        let inode = |metadata: io::Result<std::fs::Metadata>| metadata.unwrap().ino();
        assert_eq!(inode(writer.file.metadata()), inode(std::fs::metadata(&path)));
        assert_eq!(writer.bytes, std::fs::metadata(&path).unwrap().len());
        assert!(!writer.write(&batch), "nothing is signed");
    }

    #[tokio::test]
    async fn a_damaged_journal_is_not_taken_up() {
        let directory = directory("damaged");
        let (journal, desk, thread) = open(&directory);
        for nonce in 1..=3 {
            assert!(grant(&journal, &desk, nonce).await);
        }
        drop(journal);
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
        let path = directory.join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"number\":2", "\"number\":x", 1)).unwrap();
        let desk = SigningDesk::new(SENDER, SigningLimits::default());
        let error = format!("{:#}", Journal::open(&directory, desk).unwrap_err());
        assert!(error.contains("line 3 follows one that can't be read"), "{error}");
    }
}
