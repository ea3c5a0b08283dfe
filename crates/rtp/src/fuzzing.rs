//! Bodies of the fuzz targets: any packets are taken without panic, and what comes out holds together.
//!
//! The input is a list of packets. Each begins with a byte of switches and a byte of length:
//!
//! | bits | meaning |
//! |---|---|
//! | 0 | marker |
//! | 1, 2 | sequence number: next, one left out, repeated, one back |
//! | 3, 4 | timestamp: the same, a frame on, a second back, half the circle on |
//! | 5 | a sender report follows the packet, its wall clock made of the payload |
//! | 6 | 400 ms pass first |
//! | 7 | the length counts eight bytes each |

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use container::avc;
use media::TrackId;

use crate::{Output, Packet, Receiver, ReceiverConfig, SenderReport, opus};

/// Any moment; the cores only compare moments.
#[expect(clippy::disallowed_methods, reason = "nothing measures time with it")]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Packets of an H.264 track.
pub fn rtp_h264(data: &[u8]) {
    let mut receiver = Receiver::new(ReceiverConfig::default(), *START);
    receiver.add_h264(TrackId::VIDEO, &[]);
    run(receiver, TrackId::VIDEO, 3_000, data);
}

/// Packets of an Opus track; and the whole input as one packet's payload.
pub fn rtp_opus(data: &[u8]) {
    opus::fuzz_packet(data);
    let mut receiver = Receiver::new(ReceiverConfig::default(), *START);
    receiver.add_opus(TrackId::AUDIO);
    run(receiver, TrackId::AUDIO, 960, data);
}

fn run(mut receiver: Receiver, track: TrackId, frame: u32, mut data: &[u8]) {
    let (mut now, mut sequence, mut timestamp) = (*START, u16::MAX - 4, u32::MAX - 4 * frame);
    let mut checks = Checks::default();
    while let [switches, length, rest @ ..] = data {
        let length = usize::from(*length) << if switches & 0x80 == 0 { 0 } else { 3 };
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        data = rest;
        now += Duration::from_millis(if switches & 0x40 == 0 { 1 } else { 400 });
        receiver.handle_timeout(now);
        sequence = sequence.wrapping_add(match switches >> 1 & 3 {
            0 => 1,
            1 => 2,
            2 => 0,
            _ => u16::MAX,
        });
        timestamp = timestamp.wrapping_add(match switches >> 3 & 3 {
            0 => 0,
            1 => frame,
            2 => frame.wrapping_mul(50).wrapping_neg(),
            _ => 1 << 31,
        });
        receiver.handle_packet(
            track,
            Packet {
                ssrc: 1,
                sequence,
                timestamp,
                marker: switches & 1 != 0,
                payload: Bytes::copy_from_slice(payload),
                arrived: now,
            },
        );
        if switches & 0x20 != 0 {
            let ntp = payload.first_chunk().map_or(u64::MAX, |head| u64::from_be_bytes(*head));
            let report = SenderReport { ssrc: 1, ntp, rtp: timestamp, arrived: now };
            receiver.handle_sender_report(track, report);
        }
        while let Some(output) = receiver.poll_output() {
            checks.check(&output);
        }
        assert!(receiver.poll_timeout().is_none_or(|timeout| timeout > now), "what is due is done");
    }
}

/// What must hold of every output.
#[derive(Debug, Default)]
struct Checks {
    ends: BTreeMap<TrackId, i64>,
    announced: bool,
}

impl Checks {
    fn check(&mut self, output: &Output) {
        let (track, pts, end) = match output {
            Output::Track(_) => {
                self.announced = true;
                return;
            }
            Output::AccessUnit(unit) => {
                assert!(self.announced, "parameters come first");
                let payload = unit.payload.to_contiguous();
                assert!(avc::nalus(&payload, 4).all(|nalu| nalu.is_ok()), "whole NAL units");
                let read = avc::normalize(&payload, 4).map(|unit| (unit.has_picture, unit.idr));
                assert_eq!(read, Ok((true, unit.random_access)), "a picture");
                (unit.track, unit.pts, unit.pts + 1)
            }
            Output::Opus(packet) => {
                (packet.track, packet.pts, packet.pts + i64::from(packet.samples))
            }
            Output::ClockReset { .. } => return,
            Output::KeyFrameWanted(request) => {
                assert!(!request.tracks.is_empty(), "somebody is asked");
                return;
            }
        };
        assert!(self.ends.insert(track, end).is_none_or(|end| pts >= end), "time goes on");
    }
}
