//! The child's main: packets from standard input, frames to standard output, logs to standard error.

use std::io::{self, Read as _, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{SOUND_HEADER, SoundEncoder, SoundUnit, read_header, write_header};
use crate::{library, stdin_watch, wire};

/// Packets read ahead of the work: two seconds.
const READ_AHEAD: usize = 100;

/// Makes AAC of the Opus packets that arrive on standard input until it closes, then returns.
///
/// Blocks the calling thread. Standard output belongs to the protocol: the caller must not print.
#[must_use]
pub fn run_sound_worker() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nowhere to say it; the exit code remains.
            writeln!(io::stderr(), "sound worker ends: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    library::initialize().map_err(io::Error::other)?;
    let detailed = |fault: crate::TranscodeFault| {
        let detail = fault.detail().to_owned();
        io::Error::other(format!("{fault}: {detail}"))
    };
    let mut encoder = SoundEncoder::open().map_err(detailed)?;
    let (sender, packets) = sync_channel(READ_AHEAD);
    let (done, done_receiver) = sync_channel::<()>(0);
    thread::Builder::new().name("packets".into()).spawn(move || {
        read_packets(&sender);
        drop(sender);
        stdin_watch::end_process_unless_done(&done_receiver);
    })?;
    let result = answer(&mut encoder, &packets, detailed);
    drop(done);
    result
}

fn answer(
    encoder: &mut SoundEncoder,
    packets: &Receiver<io::Result<SoundUnit>>,
    detailed: impl Fn(crate::TranscodeFault) -> io::Error,
) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for packet in packets {
        for frame in encoder.encode(&packet?).map_err(&detailed)? {
            let header = write_header(frame.pts, &frame.payload);
            let header = header.ok_or_else(|| wire::invalid("a frame over the limit"))?;
            stdout.write_all(&header)?;
            stdout.write_all(&frame.payload)?;
        }
        stdout.flush()?;
    }
    Ok(())
}

fn read_packets(packets: &SyncSender<io::Result<SoundUnit>>) {
    let mut stdin = io::stdin().lock();
    let mut next = || -> io::Result<Option<SoundUnit>> {
        let mut header = [0; SOUND_HEADER];
        match stdin.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let (length, pts) =
            read_header(header).ok_or_else(|| wire::invalid("a packet over the limit"))?;
        let mut payload = vec![0; length];
        stdin.read_exact(&mut payload)?;
        Ok(Some(SoundUnit { pts, payload: payload.into() }))
    };
    while let Some(packet) = next().transpose() {
        let broken = packet.is_err();
        if packets.send(packet).is_err() || broken {
            break;
        }
    }
}
