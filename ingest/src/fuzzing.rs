//! Bodies of the fuzz targets: any bytes may go in, nothing may come out but an end.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use crate::{
    demux::Demux,
    rtmp::{ChunkLimits, ChunkReader, Output, RtmpSession, SessionConfig, amf0},
};

/// Any moment; the cores only compare moments.
static START: LazyLock<Instant> = LazyLock::new(crate::shell::now);

/// Feeds the chunk reader in two pieces.
pub fn chunk_reader(data: &[u8]) {
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let (mut front, mut back) = data.split_at(data.len() / 2);
    for part in [&mut front, &mut back] {
        loop {
            match reader.read(part) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Decodes AMF0 values.
pub fn amf0(data: &[u8]) {
    drop(amf0::decode(data));
    drop(amf0::decode_leading(data));
}

/// Runs a session past its handshake, lets every publisher in, and demultiplexes what comes.
pub fn session(data: &[u8]) {
    let now = *START;
    let mut session = RtmpSession::new(SessionConfig::default(), now);
    let mut handshake = vec![0; 3073];
    if let Some(version) = handshake.first_mut() {
        *version = 3;
    }
    if session.handle_input(now, &handshake).is_err() {
        return;
    }
    let mut demux = Demux::new();
    let mut rest = data;
    loop {
        let consumed = session.handle_input(now, rest);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Publish(_) => {
                    if session.accept_publish(now).is_err() {
                        return;
                    }
                }
                Output::Media(message) => {
                    if demux.push(now, &message).is_err() {
                        return;
                    }
                    while demux.poll_output().is_some() {}
                }
                Output::Unpublished => demux = Demux::new(),
                Output::Encoder(_) => {}
                Output::Close(_) => return,
            }
        }
        session.writes().clear();
        let Ok(consumed) = consumed else { return };
        rest = rest.get(consumed..).unwrap_or(&[]);
        if rest.is_empty() {
            break;
        }
    }
    drop(session.handle_timeout(now + Duration::from_secs(60)));
}
