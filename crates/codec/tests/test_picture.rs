//! The test picture, received by ffmpeg.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{WORKER, ffmpeg, probe};

#[test]
fn publishes_picture_and_tone_over_rtmp_and_ends_with_its_parent() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("rtmp://127.0.0.1:{port}/live/x");
    let mut receiver = ffmpeg();
    receiver.args(["-listen", "1", "-i", &url, "-t", "5", "-c", "copy", "-f", "mpegts", "pipe:1"]);
    let receiver = receiver.stdout(Stdio::piped()).spawn().unwrap();
    let listening = || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| line.contains(&format!("0100007F:{port:04X} 00000000:0000 0A")))
    };
    while !listening() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let mut picture =
        Command::new(WORKER).args(["test-picture", &url]).stdin(Stdio::piped()).spawn().unwrap();
    let received = receiver.wait_with_output().unwrap().stdout;
    drop(picture.stdin.take());
    picture.wait().unwrap();
    let tracks = probe(&received, "", "stream=codec_name,width,height,sample_rate,channels");
    assert!(tracks.contains(&"h264,1280,720".to_owned()), "{tracks:?}");
    assert!(tracks.contains(&"aac,48000,2".to_owned()), "{tracks:?}");
    let flags = probe(&received, "v", "packet=flags");
    assert!((145..=151).contains(&flags.len()), "real time: {} frames", flags.len());
    let keys: Vec<usize> =
        flags.iter().enumerate().filter(|(_, f)| f.starts_with('K')).map(|(n, _)| n).collect();
    assert_eq!(keys, [0, 60, 120]);
    support::decodes_clean(&received);
}

#[test]
fn an_absent_server_is_said_without_the_stream_key() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("rtmp://127.0.0.1:{port}/live/top-secret");
    let picture = Command::new(WORKER).args(["test-picture", &url]).stdin(Stdio::piped()).output();
    let picture = picture.unwrap();
    let said = String::from_utf8(picture.stderr).unwrap();
    assert!(!picture.status.success());
    assert!(said.contains("Connection refused"), "{said}");
    assert!(!said.contains("top-secret"), "{said}");
}
