//! Images to show, read and checked once at the start.

use std::{
    collections::HashMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;

/// Largest file.
const BYTES_MAX: u64 = 16 << 20;
/// Most pixels: 8192 × 8192. A small file may claim any number of them.
const PIXELS_MAX: u64 = 1 << 26;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";

/// Images by their files' names.
pub(super) type Slates = HashMap<PathBuf, Bytes>;

/// Reads these files.
///
/// # Errors
/// When one can't be read, is no PNG and no JPEG, or is too large.
pub(super) fn read<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> anyhow::Result<Slates> {
    let mut slates = Slates::new();
    for path in paths {
        if !slates.contains_key(path) {
            let image = read_one(path).with_context(|| format!("slate {}", path.display()))?;
            slates.insert(path.clone(), image);
        }
    }
    Ok(slates)
}

fn read_one(path: &Path) -> anyhow::Result<Bytes> {
    let file = File::open(path).context("can't be read")?;
    let mut image = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut image).context("can't be read")?;
    ensure!(
        u64::try_from(image.len()).is_ok_and(|len| len <= BYTES_MAX),
        "is larger than {} MiB",
        BYTES_MAX >> 20
    );
    let (width, height) = size(&image).context("is no PNG and no JPEG image")?;
    let pixels = u64::from(width) * u64::from(height);
    ensure!(
        (1..=PIXELS_MAX).contains(&pixels),
        "has {width}x{height} pixels, which is none or too many"
    );
    Ok(image.into())
}

/// Width and height, as the file's head says.
fn size(image: &[u8]) -> Option<(u32, u32)> {
    if let Some(rest) = image.strip_prefix(PNG) {
        // Length and name of the first chunk, which is IHDR (PNG §11.2.1).
        let (width, rest) = rest.get(8..)?.split_first_chunk()?;
        let (height, _) = rest.split_first_chunk()?;
        return Some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)));
    }
    image.starts_with(JPEG).then(|| jpeg_size(image)).flatten()
}

/// The frame header of a JPEG file (ITU-T T.81 §B.2.2), behind other segments.
fn jpeg_size(image: &[u8]) -> Option<(u32, u32)> {
    let mut rest = image.get(2..)?;
    loop {
        let (&[marker, kind, high, low], body) = rest.split_first_chunk()?;
        if marker != 0xFF {
            return None;
        }
        if kind == 0xFF {
            // Any number of these may stand before a marker.
            rest = rest.get(1..)?;
            continue;
        }
        let frame = matches!(kind, 0xC0..=0xCF) && !matches!(kind, 0xC4 | 0xC8 | 0xCC);
        if frame {
            let &[_, h1, h0, w1, w0] = body.first_chunk()?;
            return Some((
                u16::from_be_bytes([w1, w0]).into(),
                u16::from_be_bytes([h1, h0]).into(),
            ));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = body.get(length.checked_sub(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        [PNG, &[0, 0, 0, 13], b"IHDR", &width.to_be_bytes(), &height.to_be_bytes()].concat()
    }

    #[test]
    fn sizes_are_read_from_heads() {
        assert_eq!(size(&png(1_920, 1_080)), Some((1_920, 1_080)));
        let jpeg = [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, 0xC2, 0, 17, 8, 2, 0xD0, 5, 0];
        assert_eq!(size(&jpeg), Some((1_280, 720)));
        for broken in [&jpeg[..9], &jpeg[..14], b"GIF89a", b"", &png(1, 1)[..20]] {
            assert_eq!(size(broken), None);
        }
    }

    #[test]
    fn what_can_not_be_a_slate_is_said_at_the_start() {
        let folder = std::env::temp_dir().join(format!("headgate-slates-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let good = path("good.png", &png(1_280, 720));
        assert_eq!(read([&good, &good]).unwrap().len(), 1);
        for (wrong, says) in [
            (path("huge.png", &png(60_000, 60_000)), "60000x60000"),
            (path("none.png", &png(0, 9)), "0x9"),
            (path("text.png", b"hello"), "no PNG and no JPEG"),
            (path("long.jpg", &vec![0xFF; (16 << 20) + 1]), "larger than 16 MiB"),
            (folder.join("missing.png"), "can't be read"),
        ] {
            let error = format!("{:#}", read([&wrong]).unwrap_err());
            assert!(error.contains(says) && error.contains("slate"), "{error}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
