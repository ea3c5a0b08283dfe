//! What viewers get while a publisher is away: its last picture or a slate, and silence.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use tokio::process::Command;

use crate::support::{
    Gateway,
    encoder::{OTHER_SIZE, Publisher, SMALL, current_ffmpeg, decode_errors},
    watcher::{Report, TrackHistory},
};

const WINDOW: &str = "shutdown_grace = \"0s\"\n[publisher]\nreconnect_window = \"25s\"\n";

/// Publishes, is killed, is back after five seconds; what was listed meanwhile.
async fn leave_and_return(gateway: &Gateway) -> Report {
    OTHER_SIZE.file();
    let watcher = gateway.watch("cam");
    let first = Publisher::start(&OTHER_SIZE, &gateway.publish_url("cam"), 60);
    let listed = |list: &str| list.matches("#EXTINF").count() >= 5;
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(40), listed).await;
    first.kill().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let returned = Publisher::start(&OTHER_SIZE, &gateway.publish_url("cam"), 10);
    let (went_well, said) = returned.finish().await;
    assert!(went_well, "{said}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report = watcher.finish().await;
    report.assert_clean();
    report
}

/// The numbers from the first discontinuity to the last one: those without the publisher.
fn away(track: &TrackHistory) -> Vec<u64> {
    let breaks: Vec<u64> = track
        .entries
        .iter()
        .filter(|(_, it)| it.discontinuity)
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(breaks.len(), 2, "one where filler begins, one where media are back");
    (breaks[0]..breaks[1]).collect()
}

/// All that was listed as a playlist of its own, with its files, and what ffmpeg says of it.
async fn errors_of_whole(track: &TrackHistory, folder: &Path) -> String {
    std::fs::create_dir_all(folder).unwrap();
    let flat = |uri: &str| uri.replace('/', "_");
    let mut list = String::from("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:3\n");
    let mut map = None;
    for (number, body) in &track.bodies {
        let entry = &track.entries[number];
        if entry.discontinuity {
            list.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if entry.map != map {
            map.clone_from(&entry.map);
            let uri = map.as_deref().unwrap();
            std::fs::write(folder.join(flat(uri)), &track.inits[uri]).unwrap();
            writeln!(list, "#EXT-X-MAP:URI=\"{}\"", flat(uri)).unwrap();
        }
        std::fs::write(folder.join(flat(&entry.uri)), body).unwrap();
        writeln!(list, "#EXTINF:{},\n{}", entry.duration, flat(&entry.uri)).unwrap();
    }
    list.push_str("#EXT-X-ENDLIST\n");
    let file = folder.join("whole.m3u8");
    std::fs::write(&file, list).unwrap();
    decode_errors(&file).await
}

/// The luma of a file's pictures, 160 by 90 each.
async fn pictures(file: &Path) -> Vec<Vec<u8>> {
    let filter = "scale=160:90:flags=area,format=gray";
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(file).args(["-vf", filter]);
    let output = command.args(["-f", "rawvideo", "-"]).output().await.unwrap();
    output.stdout.chunks(160 * 90).map(<[u8]>::to_vec).collect()
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1.0)).log10()
}

/// Variants by URI, with all that does not follow from what was measured.
fn said(multivariant: &str) -> BTreeMap<String, String> {
    let renditions = crate::support::playlist::renditions(multivariant).into_iter();
    let lasting = |attributes: String| {
        let kept = attributes.split(',').filter(|it| !it.contains("BANDWIDTH"));
        kept.collect::<Vec<_>>().join(",")
    };
    renditions.map(|(uri, attributes)| (uri, lasting(attributes))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_picture_fills_an_absence_in_every_rendition() {
    let gateway = Gateway::start(WINDOW, |_| {});
    gateway.ready().await;
    let report = leave_and_return(&gateway).await;
    let source = report.track("source");
    let away = away(source);
    assert!(away.len() >= 2, "five seconds are two whole stand-ins: {away:?}");
    let last = source.bodies.range(..away[0]).next_back().map(|(number, _)| *number).unwrap();
    assert!(
        report.tracks.len() >= 3,
        "a transcoded rendition at least: {:?}",
        report.tracks.keys()
    );
    let folder = gateway.data_dir.clone();
    for (uri, track) in &report.tracks {
        let after_first = track.gaps().into_iter().filter(|number| *number >= away[0]);
        let filled: Vec<_> = after_first.filter(|number| away.contains(number)).collect();
        assert!(filled.is_empty(), "{uri}: gaps at {filled:?}");
        // The kill closes the connection: a goal's time is left to make filler in.
        let before: Vec<_> = track.gaps().into_iter().filter(|number| *number > last).collect();
        assert!(before.is_empty(), "{uri}: gaps at {before:?}, after {last}");
        let errors = errors_of_whole(track, &folder.join(uri.replace('/', "_"))).await;
        assert_eq!(errors, "", "{uri}");
        assert!(said(&report.multivariant).contains_key(uri));
    }
    let file = |name: &str, bytes: bytes::Bytes| {
        let file = folder.join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let shown = pictures(&file("last.mp4", source.file(last))).await;
    for (uri, track) in report.tracks.iter().filter(|(uri, _)| !uri.contains("audio")) {
        let still = pictures(&file("filler.mp4", track.file(away[0]))).await;
        assert!(still.len() >= 15, "{uri}: {} pictures", still.len());
        for picture in [&still[0], still.last().unwrap()] {
            let psnr = psnr(picture, shown.last().unwrap());
            assert!(psnr > 30.0, "{uri}: {psnr:.1} dB from what was shown last");
        }
    }
    check_records(&gateway, &away).await;
    gateway.shut_down().await;
}

/// Filler went to nobody, and is counted.
async fn check_records(gateway: &Gateway, away: &[u64]) {
    let path = format!("/v1/streams/cam/segments/{}/decision", away[0]);
    let decision = gateway.admin().get(&path).await;
    let decision: serde_json::Value = serde_json::from_str(decision.text()).unwrap();
    assert_eq!(decision["outcome"], "filler", "{decision}");
    assert_eq!(decision["attempts"].as_array().map(Vec::len), Some(0), "{decision}");
    let metrics = gateway.admin().get("/metrics").await;
    let name = "headgate_streams_filler_segments_total ";
    let counted = metrics.text().lines().find_map(|line| line.strip_prefix(name)).unwrap();
    // The second publisher has left as well by now.
    assert!(counted.parse::<usize>().unwrap() >= away.len(), "{counted}");
}

const HEVC: &str = "-rtmp_enhanced_codecs hvc1,Opus -c:v libx265 -preset ultrafast -x265-params \
    keyint=60:min-keyint=60:scenecut=0:open-gop=0:log-level=0 -c:a libopus -b:a 64k";
const AV1: &str = "-rtmp_enhanced_codecs av01 -c:v libsvtav1 -preset 13 -g 60 \
    -svtav1-params lp=2:scd=0:irefresh-type=2 -c:a aac -b:a 96k";

/// The publisher leaves, and filler is in its codec.
async fn filled_in(options: &str, codec: &str) {
    let gateway = Gateway::without_transcoding(WINDOW);
    let watcher = gateway.watch("cam");
    let url = gateway.publish_url("cam");
    let publisher = Publisher::encoding(&current_ffmpeg(), "640x360", 30, options, &url, 60);
    let listed = |list: &str| list.matches("#EXTINF").count() >= 5;
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(60), listed).await;
    publisher.kill().await;
    let filled = |list: &str| list.contains("#EXT-X-DISCONTINUITY\n");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(12), filled).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let source = report.track("source");
    let begins = source.entries.iter().find(|(_, entry)| entry.discontinuity);
    let before = *begins.expect("a discontinuity").0;
    // The last segment of a publisher that was killed may have no sound.
    let last = source.bodies.range(..before).next_back().map(|(number, _)| *number).unwrap();
    assert!(before - last <= 2, "more gaps than the first stand-in: {last} to {before}");
    for name in ["source", "audio"] {
        let track = report.track(name);
        let late: Vec<_> = track.gaps().into_iter().filter(|number| *number >= before).collect();
        assert!(late.is_empty(), "{name}: {late:?}");
        let begun = track.entries.iter().find(|(_, entry)| entry.discontinuity);
        let number = *begun.expect("a discontinuity").0;
        let file = gateway.data_dir.join(format!("{name}.mp4"));
        std::fs::write(&file, track.file(number)).unwrap();
        assert_eq!(decode_errors(&file).await, "", "{name}");
        if name == "source" {
            let still = pictures(&file).await;
            std::fs::write(&file, track.file(last)).unwrap();
            let psnr = psnr(&still[0], pictures(&file).await.last().unwrap());
            assert!(still.len() >= 15 && psnr > 30.0, "{} pictures, {psnr:.1} dB", still.len());
        }
    }
    let (inits, multivariant) = (&report.track("source").inits, &report.multivariant);
    assert_eq!(inits.len(), 2);
    assert!(inits.values().all(|init| init.windows(4).any(|it| it == codec.as_bytes())));
    assert!(multivariant.contains(codec), "{multivariant}");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_and_opus_are_filled_in_hevc_and_opus() {
    filled_in(HEVC, "hvc1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn av1_is_filled_in_av1() {
    filled_in(AV1, "av01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slate_is_shown_where_one_is_configured() {
    let folder = std::env::temp_dir().join(format!("headgate-slate-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let image = folder.join("slate.png");
    let picture = ["-f", "lavfi", "-i", "color=c=white:s=640x360", "-frames:v", "1"];
    let mut made = Command::new("ffmpeg");
    made.args(["-v", "error", "-y"]).args(picture).arg(&image);
    assert!(made.status().await.unwrap().success());
    let settings =
        format!("{WINDOW}filler = \"slate\"\nslate = {:?}\n", image.display().to_string());
    let gateway = Gateway::without_transcoding(&settings);
    let report = leave_and_return(&gateway).await;
    let source = report.track("source");
    let away = away(source);
    let file = folder.join("filler.mp4");
    std::fs::write(&file, source.file(away[0])).unwrap();
    let still = pictures(&file).await;
    assert!(still.iter().flatten().all(|luma| *luma > 220), "white all over");
    gateway.shut_down().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_stays_a_gap_and_so_does_one_stream_of_many() {
    let stream =
        "[[stream]]\nname = \"cam\"\nstream_key = \"a-camera-key\"\nplayback_id = \"cam\"\n";
    let settings = format!(
        "{WINDOW}[[stream]]\nname = \"other\"\nstream_key = \"another-key\"\nplayback_id = \"other\"\n{stream}filler = \"off\"\n"
    );
    let gateway = Gateway::without_transcoding(&settings);
    let watcher = gateway.watch("cam");
    let first = Publisher::start(&SMALL, &gateway.publish_url("a-camera-key"), 60);
    let listed = |list: &str| list.matches("#EXTINF").count() >= 4;
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(30), listed).await;
    first.kill().await;
    let gap = |list: &str| list.contains("EXT-X-GAP");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(10), gap).await;
    let report = watcher.finish().await;
    report.assert_clean();
    assert!(report.track("source").entries.values().all(|entry| !entry.discontinuity));
    gateway.shut_down().await;
}
