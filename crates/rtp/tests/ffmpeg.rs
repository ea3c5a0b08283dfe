//! The real FFmpeg sends, a seeded network loses, and FFmpeg decodes what comes out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

use std::{
    fs,
    io::ErrorKind,
    net::UdpSocket,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use container::avc;
use media::TrackId;
use rtp::{Missing, OpusPacket, Output, Packet, Receiver, ReceiverConfig, TrackHealth};

const PICTURES: usize = 200;
const PICTURE: &str = "-f lavfi -i testsrc2=size=320x180:rate=25 -frames:v 200";
/// Several packets to a picture, several pictures between key frames, no B-frames.
const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -b:v 600k -bf 0 -g 20";
/// Pictures predicted from several before, as far back as the last key frame.
const X264_REFERENCES: &str = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -b:v 600k -bf 0 -g 20 \
     -refs 4 -x264-params slices=3";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=3";

#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
fn start() -> Instant {
    Instant::now()
}

/// Everything FFmpeg sends.
fn send(arguments: &[&str], packet_size: usize) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let url =
        format!("rtp://127.0.0.1:{}?pkt_size={packet_size}", socket.local_addr().unwrap().port());
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-readrate", "4"])
        .args(arguments.iter().flat_map(|arguments| arguments.split_whitespace()))
        .args(["-f", "rtp", &url])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut packets, mut buffer, mut ended) = (Vec::new(), [0; 2_048], false);
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => packets.push(buffer[..length].to_vec()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // What it sent last is in the socket by the time it has ended.
                if ended {
                    break;
                }
                ended = child.try_wait().unwrap().is_some();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(child.wait().unwrap().success());
    packets
}

/// A header without contributing sources and extensions, as FFmpeg sends it (RFC 3550 §5.1).
fn parse(packet: &[u8], arrived: Instant) -> Packet {
    assert_eq!(packet[0], 0x80);
    Packet {
        ssrc: u32::from_be_bytes(packet[8..12].try_into().unwrap()),
        sequence: u16::from_be_bytes(packet[2..4].try_into().unwrap()),
        timestamp: u32::from_be_bytes(packet[4..8].try_into().unwrap()),
        marker: packet[1] & 0x80 != 0,
        payload: Bytes::copy_from_slice(&packet[12..]),
        arrived,
    }
}

/// When each packet arrives that does: as it is stamped, and what `network` adds; `None` loses it.
fn arrivals(
    packets: &[Vec<u8>],
    rate: u32,
    mut network: impl FnMut(Duration) -> Option<Duration>,
) -> Vec<Packet> {
    let start = start();
    let first = parse(&packets[0], start).timestamp;
    let mut arrivals = Vec::new();
    for packet in packets {
        let packet = parse(packet, start);
        let ticks = packet.timestamp.wrapping_sub(first);
        let at = Duration::from_secs_f64(f64::from(ticks) / f64::from(rate));
        if let Some(added) = network(at) {
            arrivals.push(Packet { arrived: start + at + added, ..packet });
        }
    }
    arrivals.sort_by_key(|packet| packet.arrived);
    arrivals
}

fn receive(track: TrackId, arrivals: Vec<Packet>) -> (Vec<Output>, TrackHealth) {
    receive_described(track, arrivals, &[])
}

fn receive_described(
    track: TrackId,
    arrivals: Vec<Packet>,
    parameter_sets: &[Bytes],
) -> (Vec<Output>, TrackHealth) {
    let mut receiver = Receiver::new(ReceiverConfig::default(), arrivals[0].arrived);
    if track == TrackId::VIDEO {
        receiver.add_h264(track, parameter_sets);
    } else {
        receiver.add_opus(track);
    }
    let end = arrivals[arrivals.len() - 1].arrived + Duration::from_secs(1);
    for packet in arrivals {
        while let Some(due) = receiver.poll_timeout().filter(|due| *due <= packet.arrived) {
            receiver.handle_timeout(due);
        }
        receiver.handle_packet(track, packet);
    }
    receiver.handle_timeout(end);
    let outputs = std::iter::from_fn(|| receiver.poll_output()).collect();
    (outputs, receiver.health(track).unwrap())
}

/// Decodes with everything that FFmpeg has against broken pictures. Answers how many came out.
fn decode(outputs: &[Output], name: &str) -> usize {
    let mut stream = Vec::new();
    for output in outputs {
        let Output::AccessUnit(unit) = output else { continue };
        for nalu in avc::nalus(&unit.payload.to_contiguous(), 4) {
            stream.extend([0, 0, 0, 1]);
            stream.extend_from_slice(&nalu.unwrap());
        }
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.h264"));
    fs::write(&file, stream).unwrap();
    let decoder = Command::new("ffmpeg")
        .args(["-v", "warning", "-xerror", "-err_detect", "explode", "-f", "h264", "-i"])
        .arg(&file)
        .args(["-fps_mode", "passthrough", "-f", "framehash", "-"])
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&decoder.stderr);
    assert!(decoder.status.success() && messages.is_empty(), "{name}: {messages}");
    fs::remove_file(&file).unwrap();
    let hashes = String::from_utf8(decoder.stdout).unwrap();
    hashes.lines().filter(|line| !line.starts_with('#')).count()
}

/// Numbers that look random, from a seed.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) % below
    }
}

fn pictures(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::AccessUnit(_))).count()
}

#[test]
fn every_picture_of_every_packetization_comes_out_and_decodes() {
    let small = "-slice-max-size 1000 -bsf:v filter_units=remove_types=6 -rtpflags h264_mode0";
    let cases: [(&str, &[&str], usize); 4] = [
        ("mode-1", &[PICTURE, X264], 1_200),
        ("tiny", &[PICTURE, X264], 200),
        ("references", &[PICTURE, X264_REFERENCES], 1_200),
        ("mode-0", &[PICTURE, X264, small], 1_200),
    ];
    for (name, arguments, size) in cases {
        let packets = send(arguments, size);
        assert!(packets.len() > PICTURES, "{name}");
        let (outputs, health) =
            receive(TrackId::VIDEO, arrivals(&packets, 90_000, |_| Some(Duration::ZERO)));
        assert_eq!(pictures(&outputs), PICTURES, "{name}");
        assert_eq!((health.dropped, health.lost, health.key_frames), ([0; 6], 0, 10), "{name}");
        assert_eq!(decode(&outputs, name), PICTURES, "{name}");
    }
}

/// The sender puts its parameter sets into its description (`sprop-parameter-sets`) and nowhere else.
#[test]
fn parameter_sets_of_the_description_alone_are_enough() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("described.sdp");
    let described = format!("-flags +global_header -sdp_file {}", file.display());
    let packets = send(&[PICTURE, X264, &described], 1_200);
    let description = fs::read_to_string(&file).unwrap();
    let sets = description.split("sprop-parameter-sets=").nth(1).unwrap();
    let sets = sets.split([';', '\r', '\n']).next().unwrap().split(',');
    let sets: Vec<_> = sets.map(|set| Bytes::from(STANDARD.decode(set).unwrap())).collect();
    let network = |_| Some(Duration::ZERO);
    let (outputs, _) = receive(TrackId::VIDEO, arrivals(&packets, 90_000, network));
    assert_eq!(pictures(&outputs), 0, "nothing in band says how to decode them");
    let arrivals = arrivals(&packets, 90_000, network);
    let (outputs, health) = receive_described(TrackId::VIDEO, arrivals, &sets);
    assert_eq!((pictures(&outputs), health.dropped), (PICTURES, [0; 6]));
    let Some(Output::Track(track)) = outputs.first() else { panic!("{:?}", outputs.first()) };
    let (_, picture) = track.parameters.picture().unwrap();
    assert_eq!((picture.width, picture.height), (320, 180));
}

#[test]
fn nothing_broken_comes_out_of_a_bad_network() {
    let sent = [send(&[PICTURE, X264], 1_200), send(&[PICTURE, X264_REFERENCES], 400)];
    let mut shown = 0;
    for seed in 0..24_u64 {
        let packets = &sent[usize::try_from(seed % 2).unwrap()];
        let mut random = random(seed + 1);
        let lost_in_a_hundred = [1, 2, 5][usize::try_from(seed % 3).unwrap()];
        let burst = Duration::from_millis(1_000 + random(4_000));
        let arrivals = arrivals(packets, 90_000, |at| {
            let in_burst = (burst..burst + Duration::from_millis(200)).contains(&at);
            // Most of what is lost comes back, late; some of it too late.
            match random(100) {
                _ if in_burst && seed % 4 == 0 => None,
                n if n < lost_in_a_hundred / 2 + 1 => None,
                n if n < lost_in_a_hundred * 3 => Some(Duration::from_millis(random(400))),
                _ => Some(Duration::from_millis(random(10))),
            }
        });
        let (outputs, health) = receive(TrackId::VIDEO, arrivals);
        let out = pictures(&outputs);
        assert!(health.lost > 0 && out < PICTURES, "seed {seed} loses nothing");
        let asked = outputs.iter().any(|output| matches!(output, Output::KeyFrameWanted(_)));
        assert!(asked, "seed {seed}: no key frame was asked for");
        assert_eq!(decode(&outputs, &format!("seed-{seed}")), out, "seed {seed}");
        shown += out;
    }
    assert!(shown > 24 * PICTURES / 10, "{shown} pictures in all");
}

#[test]
fn sound_comes_out_evenly_spaced_and_losses_are_told() {
    let opus = "-c:a libopus -b:a 48k -ac 2";
    let packets = send(&[TONE, opus], 1_200);
    let sound = |outputs: Vec<Output>| -> Vec<OpusPacket> {
        let opus = |output| if let Output::Opus(packet) = output { Some(packet) } else { None };
        outputs.into_iter().filter_map(opus).collect()
    };
    let whole = arrivals(&packets, 48_000, |_| Some(Duration::ZERO));
    let (outputs, health) = receive(TrackId::AUDIO, whole);
    let whole = sound(outputs);
    assert_eq!((whole.len(), health.dropped), (packets.len(), [0; 6]));
    assert!(whole.windows(2).all(|pair| pair[1].pts - pair[0].pts == 960));
    assert!(whole.iter().all(|packet| packet.channels == 2 && packet.samples == 960));

    let mut left = 0;
    let lossy = arrivals(&packets, 48_000, |_| {
        left += 1;
        (left % 20 != 10).then_some(Duration::ZERO)
    });
    let (outputs, health) = receive(TrackId::AUDIO, lossy);
    let lossy = sound(outputs);
    assert_eq!(u64::try_from(packets.len() - lossy.len()).unwrap(), health.lost);
    let lost = lossy.iter().filter(|packet| packet.missing == Missing::Lost(960)).count();
    assert_eq!(u64::try_from(lost).unwrap(), health.lost);
    let pts = |packets: &[OpusPacket]| packets.last().unwrap().pts;
    assert_eq!(pts(&lossy), pts(&whole));
}
