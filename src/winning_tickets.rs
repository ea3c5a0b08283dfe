//! `winning-tickets.jsonl`: what an orchestrator won, until it is redeemed.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use orchestrator::server::{RedeemError, Redeemer};
use serde_json::{Value, json};
use tickets::{B256, ExpirationParams, Signature, Ticket, WinningTicket};

use crate::{append_log, file_replacement::FileReplacement, tickets_lock::TicketsLock};

/// Name of the file in the data directory.
const FILE: &str = "winning-tickets.jsonl";
/// Bytes of the file from which on no payment is taken any more, some 70 000 tickets. The next start drops
/// those that are settled; where none are redeemed, the operator has to move the file away.
const MAX_BYTES: u64 = 64 << 20;
/// Tickets kept in memory while the disk takes none: more than payments under way can win.
const MAX_UNSAVED: usize = 16_384;

/// Writes each winning ticket to a file, as a line of JSON with all that the contract wants to see, and
/// has it on the disk before the payment is answered. Only the owner can read the file: until a ticket
/// is redeemed its `recipient_rand` is a secret.
#[derive(Debug)]
pub(crate) struct WinningTickets {
    log: Mutex<Log>,
    _lock: TicketsLock,
}

#[derive(Debug)]
struct Log {
    file: File,
    bytes: u64,
    max_bytes: u64,
    unsaved: VecDeque<String>,
}

impl WinningTickets {
    /// Goes on with the file in this directory.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn open(data_dir: &Path, lock: TicketsLock) -> io::Result<Self> {
        Self::open_bounded(data_dir, lock, MAX_BYTES)
    }

    fn open_bounded(data_dir: &Path, lock: TicketsLock, max_bytes: u64) -> io::Result<Self> {
        let file = append_log::open(&data_dir.join(FILE))?;
        let bytes = file.metadata()?.len();
        let log = Log { file, bytes, max_bytes, unsaved: VecDeque::new() };
        Ok(Self { log: Mutex::new(log), _lock: lock })
    }

    /// All tickets of the file, oldest first, and how many lines hold none: they were cut short, or
    /// changed.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn read(data_dir: &Path) -> io::Result<(Vec<WinningTicket>, usize)> {
        let (mut tickets, mut unreadable) = (Vec::new(), 0);
        for line in BufReader::new(File::open(data_dir.join(FILE))?).split(b'\n') {
            let line = line?;
            match ticket(&line) {
                Some(ticket) => tickets.push(ticket),
                None if line.iter().all(u8::is_ascii_whitespace) => {}
                None => unreadable += 1,
            }
        }
        Ok((tickets, unreadable))
    }

    /// Rewrites the file without the tickets that are settled, and says how many those were. Lines that
    /// hold no ticket stay: nobody knows what became of them.
    ///
    /// # Errors
    /// When it can't be read or rewritten; it is as it was then, or without the settled ones.
    pub(crate) fn drop_settled(
        data_dir: &Path,
        _lock: &TicketsLock,
        is_settled: impl Fn(&B256) -> bool,
    ) -> io::Result<usize> {
        let path = data_dir.join(FILE);
        drop(append_log::open(&path)?);
        let is_dropped = |line: &[u8]| ticket(line).is_some_and(|it| is_settled(&it.ticket.hash()));
        let lines = || File::open(&path).map(|file| BufReader::new(file).split(b'\n'));
        let mut dropped = 0_usize;
        for line in lines()? {
            dropped += usize::from(is_dropped(&line?));
        }
        if dropped == 0 {
            return Ok(0);
        }
        let mut rewritten = FileReplacement::begin(&path)?;
        for line in lines()? {
            let line = line?;
            if !is_dropped(&line) && !line.iter().all(u8::is_ascii_whitespace) {
                rewritten.push(&line)?;
            }
        }
        rewritten.commit()?;
        Ok(dropped)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn append(&mut self, line: &str) -> io::Result<()> {
        // One write each; what a full disk leaves of a line is ended before the next try.
        let written = append_log::append(&mut self.file, line);
        self.bytes = self.file.metadata()?.len();
        written
    }

    fn save(&mut self) -> io::Result<()> {
        while let Some(line) = self.unsaved.pop_front() {
            if let Err(error) = self.append(&line) {
                let retried = if line.starts_with('\n') { line } else { format!("\n{line}") };
                self.unsaved.push_front(retried);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Redeemer for WinningTickets {
    fn has_room(&self) -> bool {
        let mut log = self.log();
        // What the disk did not take is tried again before anybody pays more.
        log.save().is_ok() && log.bytes < log.max_bytes
    }

    fn redeem(&self, ticket: WinningTicket) -> Result<(), RedeemError> {
        let mut log = self.log();
        if log.unsaved.len() >= MAX_UNSAVED {
            return Err(RedeemError("too many are unsaved; this one is lost".to_owned()));
        }
        log.unsaved.push_back(line(&ticket));
        log.save().map_err(|error| RedeemError(format!("{error}; it is kept and tried again")))
    }
}

fn line(won: &WinningTicket) -> String {
    let WinningTicket { ticket, signature, recipient_rand } = won;
    let round = &ticket.expiration;
    let line = json!({
        "hash": ticket.hash().to_string(),
        "recipient": ticket.recipient.to_string(),
        "sender": ticket.sender.to_string(),
        "face_value": ticket.face_value.to_string(),
        "win_prob": ticket.win_prob.to_string(),
        "sender_nonce": ticket.sender_nonce,
        "recipient_rand_hash": ticket.recipient_rand_hash.to_string(),
        "creation_round": round.creation_round,
        "creation_round_block_hash": round.creation_round_block_hash.to_string(),
        "signature": format!("0x{}", hex::encode(signature.to_bytes())),
        "recipient_rand": recipient_rand.to_string(),
    });
    format!("{line}\n")
}

/// What [`line()`] wrote; `None` for anything else, and for a ticket that isn't what its hash says.
fn ticket(line: &[u8]) -> Option<WinningTicket> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| line.get(name)?.as_str();
    let number = |name: &str| text(name)?.parse().ok();
    let ticket = Ticket {
        recipient: text("recipient")?.parse().ok()?,
        sender: text("sender")?.parse().ok()?,
        face_value: number("face_value")?,
        win_prob: number("win_prob")?,
        sender_nonce: u32::try_from(line.get("sender_nonce")?.as_u64()?).ok()?,
        recipient_rand_hash: text("recipient_rand_hash")?.parse().ok()?,
        expiration: ExpirationParams {
            creation_round: line.get("creation_round")?.as_u64()?,
            creation_round_block_hash: text("creation_round_block_hash")?.parse().ok()?,
        },
    };
    let signature = hex::decode(text("signature")?.strip_prefix("0x")?).ok()?;
    let signature = Signature::from_wire(&signature).ok()?;
    let is_whole = ticket.hash().to_string() == text("hash")?;
    let recipient_rand = number("recipient_rand")?;
    is_whole.then_some(WinningTicket { ticket, signature, recipient_rand })
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        fs::OpenOptions,
        os::unix::fs::PermissionsExt as _,
        path::PathBuf,
        process::{Command, Stdio},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tickets::{Address, B256, ExpirationParams, PrivateKey, Ticket, U256};

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("headgate-won-{}-{name}", std::process::id()));
        fs::remove_dir_all(&path).unwrap_or_default();
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn open_bounded(directory: &Path, max_bytes: u64) -> WinningTickets {
        let lock = TicketsLock::try_take(directory).unwrap();
        WinningTickets::open_bounded(directory, lock, max_bytes).unwrap()
    }

    fn open(directory: &Path) -> WinningTickets {
        open_bounded(directory, MAX_BYTES)
    }

    fn drop_settled(directory: &Path, is_settled: impl Fn(&B256) -> bool) -> usize {
        let lock = TicketsLock::try_take(directory).unwrap();
        WinningTickets::drop_settled(directory, &lock, is_settled).unwrap()
    }

    fn won(sender_nonce: u32) -> WinningTicket {
        let ticket = Ticket {
            recipient: Address::repeat_byte(1),
            sender: Address::repeat_byte(2),
            face_value: U256::MAX,
            win_prob: U256::from(3),
            sender_nonce,
            recipient_rand_hash: B256::repeat_byte(4),
            expiration: ExpirationParams {
                creation_round: 5,
                creation_round_block_hash: B256::repeat_byte(6),
            },
        };
        let key = PrivateKey::from_bytes(&[7; 32]).unwrap();
        let signature = key.sign(ticket.hash().as_slice());
        WinningTicket { ticket, signature, recipient_rand: U256::from(8) }
    }

    fn lines(directory: &Path) -> Vec<Value> {
        let text = fs::read_to_string(directory.join(FILE)).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[test]
    fn every_field_the_contract_wants_is_kept_and_private() {
        let directory = directory("fields");
        let log = open(&directory);
        log.redeem(won(9)).unwrap();
        let [line] = &lines(&directory)[..] else { panic!("one line") };
        assert_eq!(line["hash"], won(9).ticket.hash().to_string());
        assert_eq!(line["recipient"], "0x0101010101010101010101010101010101010101");
        assert_eq!(line["face_value"], U256::MAX.to_string());
        assert_eq!((&line["sender_nonce"], &line["creation_round"]), (&json!(9), &json!(5)));
        assert_eq!(line["recipient_rand"], "8");
        assert_eq!(line["signature"].as_str().unwrap().len(), 132);
        let mode = fs::metadata(directory.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn tickets_come_back_and_others_do_not() {
        let directory = directory("read");
        let log = open(&directory);
        log.redeem(won(1)).unwrap();
        let path = directory.join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        let changed = whole.replace("\"sender_nonce\":1", "\"sender_nonce\":2");
        fs::write(&path, format!("{whole}\n{}\n{changed}", &whole[..40])).unwrap();
        assert_eq!(WinningTickets::read(&directory).unwrap(), (vec![won(1)], 2));
    }

    #[test]
    fn a_line_cut_short_loses_nothing_else() {
        let directory = directory("cut");
        fs::write(directory.join(FILE), "{\"hash\":").unwrap();
        open(&directory).redeem(won(1)).unwrap();
        let again = open(&directory);
        again.redeem(won(2)).unwrap();
        let nonces: Vec<_> =
            lines(&directory).iter().map(|line| line["sender_nonce"].clone()).collect();
        assert_eq!(nonces, [json!(1), json!(2)]);
    }

    #[test]
    fn a_full_file_takes_what_is_under_way_and_then_nothing() {
        let directory = directory("full");
        let log = open_bounded(&directory, 1_000);
        assert!(log.has_room());
        log.redeem(won(1)).unwrap();
        log.redeem(won(2)).unwrap();
        assert!(!log.has_room());
        log.redeem(won(3)).unwrap();
        assert_eq!(lines(&directory).len(), 3);
        drop(log);
        assert!(!open_bounded(&directory, 1_000).has_room());
    }

    #[test]
    fn what_a_disk_does_not_take_is_kept() {
        let directory = directory("disk");
        let log = open(&directory);
        // A file that can't be written to.
        log.log().file = File::open(directory.join(FILE)).unwrap();
        log.redeem(won(1)).unwrap_err();
        assert!(!log.has_room());
        log.log().file = OpenOptions::new().append(true).open(directory.join(FILE)).unwrap();
        assert!(log.has_room());
        log.redeem(won(2)).unwrap();
        assert_eq!(lines(&directory).len(), 2);
    }

    /// A file with tickets 1 to 4 and a line that holds none, and its text.
    fn four_and_a_scrap(directory: &Path) -> String {
        let log = open(directory);
        for nonce in 1..=4 {
            log.redeem(won(nonce)).unwrap();
        }
        let path = directory.join(FILE);
        let text = fs::read_to_string(&path).unwrap().replacen('\n', "\n{\"hash\":\n\n", 1);
        fs::write(&path, &text).unwrap();
        text
    }

    fn is_even(hash: &B256) -> bool {
        [2, 4].iter().any(|nonce| won(*nonce).ticket.hash() == *hash)
    }

    #[test]
    fn settled_tickets_go_and_nothing_else() {
        let directory = directory("settled");
        let text = four_and_a_scrap(&directory);
        assert_eq!(drop_settled(&directory, |_| false), 0);
        let path = directory.join(FILE);
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing to drop, nothing written");
        // What an earlier process left unfinished is no part of it.
        fs::write(directory.join("winning-tickets.jsonl.new"), "rubbish".repeat(1_000)).unwrap();
        assert_eq!(drop_settled(&directory, is_even), 2);
        let left = (vec![won(1), won(3)], 1);
        assert_eq!(WinningTickets::read(&directory).unwrap(), left, "the scrap is kept");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(drop_settled(&directory, is_even), 0);
        open(&directory).redeem(won(5)).unwrap();
        let left = (vec![won(1), won(3), won(5)], 1);
        assert_eq!(WinningTickets::read(&directory).unwrap(), left);
    }

    const KILLED_IN: &str = "HEADGATE_TEST_KILLED_IN";

    /// The process that the next test kills; alone it does nothing.
    #[test]
    fn rewrites_until_it_is_killed() {
        let Some(directory) = env::var_os(KILLED_IN) else { return };
        let rewriting = |hash: &B256| {
            // Asked once for each ticket to count them, and once to write them.
            if ASKED.fetch_add(1, Ordering::Relaxed) == 7 {
                println!("killed here");
                loop {
                    std::thread::park();
                }
            }
            is_even(hash)
        };
        drop_settled(Path::new(&directory), rewriting);
    }

    static ASKED: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn killed_while_it_is_rewritten_the_file_is_as_it_was() {
        let directory = directory("killed");
        let text = four_and_a_scrap(&directory);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "winning_tickets::tests::rewrites_until_it_is_killed"])
            .env(KILLED_IN, &directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let reached = said.any(|line| line.unwrap().contains("killed here"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(reached, "it was killed while it wrote");
        assert!(directory.join("winning-tickets.jsonl.new").exists());
        assert_eq!(fs::read_to_string(directory.join(FILE)).unwrap(), text);
        assert_eq!(drop_settled(&directory, is_even), 2);
        assert_eq!(WinningTickets::read(&directory).unwrap(), (vec![won(1), won(3)], 1));
    }
}
