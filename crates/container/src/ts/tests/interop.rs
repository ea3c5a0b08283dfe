//! FFmpeg's files through our reader, our files through FFmpeg.

use super::*;

/// Packets of a file as ffprobe sees them: PTS, DTS, size, key flag.
#[derive(Debug, PartialEq, Eq)]
struct Probed {
    pts: i64,
    dts: i64,
    size: usize,
    key: bool,
}

fn probe(file: &[u8], stream: &str) -> Vec<Probed> {
    let arguments = format!(
        "-v error -select_streams {stream} -show_entries packet=pts,dts,size,flags -of csv=p=0 pipe:0"
    );
    let (output, complaints) = run("ffprobe", &arguments, file);
    assert_eq!(complaints, "");
    let text = String::from_utf8(output).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            Probed {
                pts: fields[0].parse().unwrap(),
                dts: fields[1].parse().unwrap(),
                size: fields[2].parse().unwrap(),
                key: fields[3].starts_with('K'),
            }
        })
        .collect()
}

fn assert_reads_as_ffprobe(file: &Bytes) {
    let demuxed = read(file).unwrap();
    let video = demuxed.video.unwrap();
    let probed = probe(file, "v");
    // Both unwrap the 33-bit clock, but may begin in different periods of it.
    let shift = dts(&video)[0] - probed[0].dts;
    assert_eq!(shift % clock::PERIOD, 0);
    assert_eq!(pts(&video), probed.iter().map(|packet| packet.pts + shift).collect::<Vec<_>>());
    assert_eq!(dts(&video), probed.iter().map(|packet| packet.dts + shift).collect::<Vec<_>>());
    assert!(
        video.samples.iter().zip(&probed).all(|(ours, theirs)| ours.random_access == theirs.key)
    );
    let audio = demuxed.audio.unwrap();
    let probed = probe(file, "a");
    assert_eq!(audio.samples.len(), probed.len());
    for (ours, theirs) in audio.samples.iter().zip(&probed) {
        let pts = clock::to_90k(ours.pts, audio.timescale) - shift;
        // ffprobe counts frames inside a PES packet in steps rounded down to 90 kHz.
        assert!((pts - theirs.pts).abs() <= 10, "{pts}, not {}", theirs.pts);
        assert_eq!(ours.payload.len() + 7, theirs.size);
    }
}

#[test]
fn ffmpeg_files_read_as_ffprobe_reads_them() {
    for options in [
        "",
        "-bf 0 -ar 44100",
        "-x264-params slices=4:bframes=2",
        "-output_ts_offset 95440",
        "-mpegts_flags +pat_pmt_at_frames -pat_period 0.1",
        "-omit_video_pes_length 0 -pes_payload_size 200",
        "-muxrate 2000k",
        "-r 29.97 -vf fps=30000/1001",
    ] {
        assert_reads_as_ffprobe(&ffmpeg_file(options));
    }
}

#[test]
fn our_files_read_as_ffprobe_reads_them() {
    for options in ["", "-bf 0 -ar 44100"] {
        let demuxed = read(&ffmpeg_file(options)).unwrap();
        let segments = rewrite(&demuxed);
        assert_eq!(segments.len(), 3);
        assert_reads_as_ffprobe(&Bytes::from(segments.concat()));
        segments.iter().for_each(assert_reads_as_ffprobe);
    }
}

#[test]
fn our_files_keep_times_a_margin_later() {
    let source = read(&ffmpeg_file("")).unwrap();
    let ours = read(&Bytes::from(rewrite(&source).concat())).unwrap();
    let (source, ours) = (source.video.unwrap(), ours.video.unwrap());
    let later =
        |times: Vec<i64>| times.iter().map(|time| time + TIMESTAMP_MARGIN).collect::<Vec<_>>();
    assert_eq!(pts(&ours), later(pts(&source)));
    assert_eq!(dts(&ours), later(dts(&source)));
}

/// Hashes of the packets or of the decoded frames, without times.
fn hashes(file: &[u8], options: &str) -> Vec<String> {
    let arguments = format!("-v error -xerror -i pipe:0 {options} -f framehash -hash md5 pipe:1");
    let (output, complaints) = run("ffmpeg", &arguments, file);
    assert_eq!(complaints, "");
    let text = String::from_utf8(output).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(',').nth(5).unwrap().trim().to_owned()).collect()
}

#[test]
fn our_files_decode_to_the_same_pictures_and_sound() {
    let source = ffmpeg_file("");
    let segments = rewrite(&read(&source).unwrap());
    let whole = segments.concat();
    assert_eq!(
        hashes(&whole, "-map 0:v -fps_mode passthrough"),
        hashes(&source, "-map 0:v -fps_mode passthrough")
    );
    assert_eq!(hashes(&whole, "-map 0:a"), hashes(&source, "-map 0:a"));
    let pictures: usize = segments
        .iter()
        .map(|segment| hashes(segment, "-map 0:v -fps_mode passthrough").len())
        .sum();
    assert_eq!(pictures, 90);
}

#[test]
fn our_files_hold_the_same_packets() {
    let source = ffmpeg_file("-x264-params slices=3");
    let whole = rewrite(&read(&source).unwrap()).concat();
    // Delimiters and parameter sets are the multiplexer's; the rest is the encoder's.
    let video = "-map 0:v -c copy -bsf:v filter_units=remove_types=7|8|9|12";
    let audio = "-map 0:a -c copy";
    for options in [video, audio] {
        let (ours, theirs) = (hashes(&whole, options), hashes(&source, options));
        assert_eq!(ours.len(), theirs.len());
        assert_eq!(ours, theirs);
    }
}

#[test]
fn audio_alone_decodes() {
    let mut source = read(&ffmpeg_file("-vn")).unwrap();
    source.video = None;
    let whole = rewrite(&source).concat();
    assert_eq!(hashes(&whole, "-map 0:a").len(), hashes(&ffmpeg_file("-vn"), "-map 0:a").len());
}
