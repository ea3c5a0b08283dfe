//! Whole transport stream files, as orchestrators send them back.

use bytes::Bytes;

use super::{
    TsError, adts,
    elementary::{ElementaryStream, StreamAssembler},
    h264,
    packet::Packets,
    psi::{self, ProgramEntry, SectionAssembler, StreamEntry},
};
use crate::demuxed::Demuxed;

/// The longest file that is read, in bytes: at 20 Mbit/s, 3.5 minutes.
pub const MAX_FILE_LEN: usize = 512 << 20;

/// Reads a transport stream: the first H.264 and the first ADTS AAC stream of its first program.
///
/// Times are those of the file, unwrapped: the file's first decoding time stands as it is (0 to
/// 2^33), every other is the nearest reading of the 33-bit clock to the one before it in its track.
/// Video stays at 90 kHz; audio is converted to the sampling rate, each frame after the first of a
/// PES packet one frame later than the one before. Video samples are AVCC with the parameter sets
/// taken out. Media bytes are copied once, to put PES packets together.
///
/// A file comes over a reliable transport, so what is missing from it was never written: lost
/// packets, cut units, times that go back and parameters that change are errors, not things to
/// conceal. Bytes between packets are skipped, as long as no packet is lost with them. Memory is
/// bounded by a small multiple of the file's length.
///
/// # Errors
///
/// [`TsError`], with the position in the file.
pub fn read(file: &Bytes) -> Result<Demuxed, TsError> {
    if file.len() > MAX_FILE_LEN {
        return Err(TsError::TooLarge { len: file.len(), limit: MAX_FILE_LEN });
    }
    let media = find_media(file)?;
    let (video, audio) = collect(file, &media)?;
    let first = [&video, &audio].into_iter().flatten().filter_map(ElementaryStream::first_reading);
    let reference = first.min_by_key(|(position, _)| *position).map_or(0, |(_, reading)| reading);
    Ok(Demuxed {
        video: video.map(|stream| h264::track(stream, reference)).transpose()?.flatten(),
        audio: audio.map(|stream| adts::track(stream, reference)).transpose()?.flatten(),
    })
}

/// The PIDs of the streams to read.
#[derive(Debug, PartialEq, Eq)]
struct MediaPids {
    video: Option<u16>,
    audio: Option<u16>,
}

/// Reads the tables of the whole file, so that tables may come after media.
fn find_media(file: &[u8]) -> Result<MediaPids, TsError> {
    let mut pat = SectionAssembler::default();
    let mut pmt = SectionAssembler::default();
    let mut program: Option<ProgramEntry> = None;
    let mut streams: Option<Vec<StreamEntry>> = None;
    for packet in Packets::new(file) {
        let packet = packet?;
        let payload = file.get(packet.payload).unwrap_or_default();
        if payload.is_empty() {
            continue;
        }
        let position = packet.position;
        if packet.pid == psi::PAT_PID {
            pat.push(payload, packet.unit_start, position, |section| {
                match (program, section.programs().next()) {
                    (None, first) => program = first,
                    (Some(known), Some(first)) if known != first => {
                        return Err(TsError::ProgramChanged { position });
                    }
                    (Some(_), _) => {}
                }
                Ok(())
            })?;
        } else if let Some(program) = program.filter(|program| program.pmt_pid == packet.pid) {
            pmt.push(payload, packet.unit_start, position, |section| {
                if !section.is_pmt() || section.extension != program.program_number {
                    return Ok(());
                }
                let reason = "lengths of the PMT do not add up";
                let listed = section.streams().ok_or(TsError::Section { position, reason })?;
                match &streams {
                    None => streams = Some(listed),
                    Some(known) if *known == listed => {}
                    Some(_) => return Err(TsError::ProgramChanged { position }),
                }
                Ok(())
            })?;
        }
    }
    choose(&streams.ok_or(TsError::NoProgram)?)
}

/// Sound in another coding than AAC counts as no sound: a caller that needs it sees that it is not
/// there. Video in another coding is an error, since it is what a file is read for.
fn choose(streams: &[StreamEntry]) -> Result<MediaPids, TsError> {
    let pid_of = |stream_type| {
        streams.iter().find(|stream| stream.stream_type == stream_type).map(|stream| stream.pid)
    };
    let media =
        MediaPids { video: pid_of(psi::STREAM_TYPE_H264), audio: pid_of(psi::STREAM_TYPE_ADTS) };
    if media.video.is_none() {
        // MPEG-1, MPEG-2, MPEG-4 part 2, JPEG 2000, HEVC, VVC, AVS2.
        let foreign = [0x01, 0x02, 0x10, 0x21, 0x24, 0x33, 0xD2];
        let video = streams.iter().find(|stream| foreign.contains(&stream.stream_type));
        if let Some(&StreamEntry { stream_type, .. }) = video {
            return Err(TsError::UnsupportedVideo { stream_type });
        }
        if media.audio.is_none() {
            return Err(TsError::NoMedia);
        }
    }
    Ok(media)
}

/// Puts the PES packets of both streams together.
fn collect(
    file: &[u8],
    media: &MediaPids,
) -> Result<(Option<ElementaryStream>, Option<ElementaryStream>), TsError> {
    // Video is nearly all of a file, audio a small part of it.
    let mut video = media.video.map(|pid| StreamAssembler::new(pid, file.len()));
    let mut audio = media.audio.map(|pid| StreamAssembler::new(pid, file.len() / 16));
    for packet in Packets::new(file) {
        let packet = packet?;
        for stream in [&mut video, &mut audio].into_iter().flatten() {
            if stream.pid() == packet.pid {
                stream.push(file, &packet)?;
            }
        }
    }
    let finish = |stream: Option<StreamAssembler>| stream.map(StreamAssembler::finish).transpose();
    Ok((finish(video)?, finish(audio)?))
}
