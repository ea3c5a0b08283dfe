//! The embedded orchestrator's renditions, and what happens when it dies.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{
    Gateway, QUICK,
    encoder::{HD, Publisher, decode_errors},
    watcher::TrackHistory,
};

const RENDITIONS: [&str; 3] = ["480p", "360p", "240p"];

/// First presentation time and number of pictures of a segment.
pub(crate) fn pictures(track: &TrackHistory, number: u64) -> (f64, usize) {
    let video = container::mp4::read(&track.file(number)).unwrap().video.unwrap();
    let first = video.samples.iter().map(|sample| sample.pts).min().unwrap();
    (first as f64 / f64::from(video.timescale.get()), video.samples.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rendition_has_every_segment_with_the_sources_boundaries() {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    let watcher = gateway.watch("cam");
    let (went_well, said) = Publisher::start(&HD, &gateway.publish_url("cam"), 16).finish().await;
    assert!(went_well, "{said}");
    let ended = |list: &str| list.contains("ENDLIST");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(15), ended).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let source = report.track("source");
    for name in RENDITIONS {
        let rendition = report.track(name);
        assert_eq!(rendition.gaps(), source.gaps(), "{name}");
        for number in source.bodies.keys() {
            let ((at, count), (source_at, source_count)) =
                (pictures(rendition, *number), pictures(source, *number));
            assert!(
                (at - source_at).abs() < 1.0 / 30.0,
                "{name} {number} begins at {at}, source at {source_at}"
            );
            assert_eq!(count, source_count, "{name} {number}");
        }
        let file = gateway.data_dir.join(format!("{name}.mp4"));
        std::fs::write(&file, rendition.joined()).unwrap();
        assert_eq!(decode_errors(&file).await, "", "{name}");
    }
    for wanted in
        ["RESOLUTION=1280x720", "RESOLUTION=854x480", "RESOLUTION=640x360", "RESOLUTION=426x240"]
    {
        assert!(report.multivariant.contains(wanted), "{wanted} in {}", report.multivariant);
    }
    gateway.shut_down().await;
}

/// The embedded orchestrator is the child whose command line says `orchestrator`.
pub(crate) fn orchestrator_of(data_dir: &std::path::Path) -> u32 {
    let wanted = data_dir.join("orchestrator");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let found = processes.filter_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(wanted.to_str()?).then_some(id)
    });
    found.last().expect("an orchestrator process")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_orchestrator_leaves_marked_gaps_and_comes_back() {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    let watcher = gateway.watch("cam");
    let publisher = Publisher::start(&HD, &gateway.publish_url("cam"), 30);
    let listed = |list: &str| list.matches("#EXTINF").count() >= 3;
    gateway.viewer().wait_for("/cam/480p.m3u8", Duration::from_secs(20), listed).await;
    let victim = orchestrator_of(&gateway.data_dir).to_string();
    assert!(
        std::process::Command::new("kill").args(["-KILL", &victim]).status().unwrap().success()
    );
    publisher.finish().await;
    let ended = |list: &str| list.contains("ENDLIST");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(15), ended).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let source = report.track("source");
    let stand_ins: BTreeSet<u64> = source.gaps().into_iter().collect();
    let last_with_media = *source.bodies.keys().last().unwrap();
    let holes =
        (*source.bodies.keys().next().unwrap()..=last_with_media).filter(|n| stand_ins.contains(n));
    assert_eq!(holes.count(), 0, "the source has holes");
    for name in RENDITIONS {
        let gaps: Vec<_> = report
            .track(name)
            .gaps()
            .into_iter()
            .filter(|number| !stand_ins.contains(number))
            .collect();
        assert!(gaps.len() <= 3, "{name}: more than three segments without a picture: {gaps:?}");
        assert!(
            report.track(name).bodies.contains_key(&last_with_media),
            "{name} did not come back"
        );
    }
    gateway.shut_down().await;
}
