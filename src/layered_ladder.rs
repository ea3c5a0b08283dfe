//! What is left to transcode beside a publisher's own layers.

use media::{Ladder, PictureFormat, RenditionProfile};

/// A layer stands for a rung of the default ladder when their short sides differ by at most so many percent
/// of the rung's.
const COVERS_PERCENT: u32 = 15;

/// The rungs to transcode `source` to, whose publisher also sends `layers`, given by width and height as shown.
///
/// An operator's ladder stays as it is, but for rungs of a layer's very size. The default one loses every rung
/// that a layer comes near.
pub(crate) fn beside(
    configured: Option<Ladder>,
    source: &PictureFormat,
    layers: &[(u32, u32)],
) -> Ladder {
    let Some(configured) = configured else {
        let (width, height) = source.display_size();
        return Ladder::for_source(width, height, source.frame_rate)
            .without(|rung| layers.iter().any(|layer| covers(*layer, rung)));
    };
    configured.without(|rung| layers.contains(&(rung.width, rung.height)))
}

fn covers((width, height): (u32, u32), rung: &RenditionProfile) -> bool {
    let (layer, rung) = (width.min(height), rung.width.min(rung.height));
    layer.abs_diff(rung).saturating_mul(100) <= rung.saturating_mul(COVERS_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(width: u32, height: u32) -> PictureFormat {
        PictureFormat { width, height, sample_aspect_ratio: (1, 1), frame_rate: None, colour: None }
    }

    fn names(ladder: &Ladder) -> Vec<&str> {
        ladder.profiles().iter().map(|rung| rung.name.as_str()).collect()
    }

    #[test]
    fn layers_stand_for_the_rungs_they_come_near() {
        let full_hd = source(1_920, 1_080);
        let left = |layers: &[(u32, u32)]| beside(None, &full_hd, layers);
        assert_eq!(names(&left(&[])), ["720p", "480p", "360p"]);
        assert_eq!(names(&left(&[(960, 540), (480, 270)])), ["720p", "360p"], "540 is near 480");
        assert_eq!(names(&left(&[(1_280, 720), (640, 360)])), ["480p"]);
        assert_eq!(names(&left(&[(960, 560)])), ["720p", "480p", "360p"], "560 is near neither");
        let portrait = beside(None, &source(1_080, 1_920), &[(540, 960)]);
        assert_eq!(names(&portrait), ["720p", "360p"]);
    }

    #[test]
    fn an_operators_ladder_stays_but_for_rungs_of_the_same_size() {
        let operators = Ladder::of_presets("P720p30fps16x9,P576p30fps16x9,P360p30fps16x9").unwrap();
        let left = beside(Some(operators), &source(1_920, 1_080), &[(960, 540), (640, 360)]);
        assert_eq!(names(&left), ["P720p30fps16x9", "P576p30fps16x9"]);
    }
}
