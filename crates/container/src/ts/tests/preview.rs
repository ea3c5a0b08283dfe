//! Segments seen before they are whole.

use super::*;

/// Writes a segment, and previews of it in three steps; whether they are its beginning.
fn previews(writer: &mut TsWriter, base: u64, offsets: &[i32]) -> bool {
    let video = segment_of(video_track(), base, pictures(12, 3_000, offsets));
    let mut preview = writer.preview();
    for (index, taken) in [(0, 1), (1, 4), (5, 6)] {
        let samples = video.samples[index..index + taken].to_vec();
        let base = base + 3_000 * u64::try_from(index).unwrap();
        preview.extend(&segment_of(video_track(), base, samples)).unwrap();
    }
    assert!(preview.bytes().len() >= 188 * 13, "tables, and a packet for each of 11 pictures");
    writer.segment(Some(&video), None).unwrap().starts_with(preview.bytes())
}

#[test]
fn a_preview_is_the_beginning_of_its_segment() {
    let mut writer = TsWriter::new();
    // The last one begins a new time base.
    for base in [0, 36_000, 9_000_000] {
        assert!(previews(&mut writer, base, &[]), "the segment at {base}");
    }
}

#[test]
fn a_preview_needs_to_know_the_decoding_delay() {
    let mut writer = TsWriter::new();
    let reordered = [0, 6_000, -3_000, -3_000];
    assert!(!previews(&mut writer, 0, &reordered), "it is found with the first such picture");
    assert!(previews(&mut writer, 36_000, &reordered));
}
