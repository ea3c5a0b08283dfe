//! What is left to transcode beside a publisher's own layers.

use std::cmp::Reverse;

use media::{Ladder, PictureFormat, RenditionProfile};

/// A layer stands for a rung of the default ladder when their short sides differ by at most so many percent
/// of the rung's.
const COVERS_PERCENT: u32 = 15;

/// The ladder of one stream, once it is settled.
#[derive(Debug, Default)]
pub(crate) struct LayeredLadder {
    ladder: Option<Ladder>,
    /// What it was chosen for; `None` for one that was given.
    chosen: Option<Chosen>,
}

#[derive(Debug)]
struct Chosen {
    /// The operator's ladder at that time.
    configured: Option<Ladder>,
    /// The largest picture.
    source: PictureFormat,
}

impl LayeredLadder {
    /// As it is settled.
    pub(crate) const fn get(&self) -> Option<&Ladder> {
        self.ladder.as_ref()
    }

    /// Settles it for good, unless it is settled; whether it was not.
    pub(crate) fn give(&mut self, ladder: Ladder) -> bool {
        let is_new = self.ladder.is_none();
        if is_new {
            self.ladder = Some(ladder);
        }
        is_new
    }

    /// Chooses it for a publisher with these `pictures`, and anew when the largest one is larger than any it
    /// was chosen for, or what covered a rung is gone. `configured` gives the operator's ladder, which is
    /// asked for once. The ladder, if it is another one now.
    pub(crate) fn choose(
        &mut self,
        configured: impl FnOnce() -> Option<Ladder>,
        pictures: &[PictureFormat],
    ) -> Option<&Ladder> {
        let by_size = pictures.iter().enumerate().min_by_key(|(_, it)| Reverse(pixels(it)));
        let (largest, source) = by_size?;
        let others = pictures.iter().enumerate().filter(|(index, _)| *index != largest);
        let layers: Vec<_> = others.map(|(_, layer)| layer.display_size()).collect();
        let configured = match (&self.ladder, &self.chosen) {
            (None, _) => configured(),
            (Some(_), None) => return None,
            (Some(settled), Some(chosen)) => {
                let needed = beside(chosen.configured.clone(), &chosen.source, &layers);
                if pixels(source) <= pixels(&chosen.source) && has_rungs_of(settled, &needed) {
                    return None;
                }
                chosen.configured.clone()
            }
        };
        let ladder = beside(configured.clone(), source, &layers);
        self.chosen = Some(Chosen { configured, source: *source });
        if self.ladder.as_ref() == Some(&ladder) {
            return None;
        }
        self.ladder = Some(ladder);
        self.ladder.as_ref()
    }
}

fn pixels(picture: &PictureFormat) -> u64 {
    u64::from(picture.width) * u64::from(picture.height)
}

/// Whether a ladder has every rung of another one, by name.
fn has_rungs_of(ladder: &Ladder, other: &Ladder) -> bool {
    let has = |rung: &RenditionProfile| ladder.profiles().iter().any(|it| it.name == rung.name);
    other.profiles().iter().all(has)
}

/// The rungs to transcode `source` to, whose publisher also sends `layers`, given by width and height as shown.
///
/// An operator's ladder stays as it is, but for rungs of a layer's very size. The default one loses every rung
/// that a layer comes near.
fn beside(configured: Option<Ladder>, source: &PictureFormat, layers: &[(u32, u32)]) -> Ladder {
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

    fn pictures(heights: &[u32]) -> Vec<PictureFormat> {
        heights.iter().map(|height| source(height * 16 / 9, *height)).collect()
    }

    #[test]
    fn is_chosen_anew_for_a_larger_picture_and_where_layers_are_gone() {
        let mut ladder = LayeredLadder::default();
        let mut choose = |heights: &[u32]| {
            let chosen = ladder.choose(|| None, &pictures(heights));
            chosen.map(|it| names(it).into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let of = |names: &[&str]| Some(names.iter().map(|it| (*it).to_owned()).collect());
        assert_eq!(choose(&[]), None, "audio only");
        assert_eq!(choose(&[540]), of(&["480p", "360p", "240p"]));
        assert_eq!(choose(&[540, 1_080, 270]), of(&["720p", "360p"]), "the others came late");
        assert_eq!(choose(&[1_080, 540, 270]), None, "the next publisher's are alike");
        assert_eq!(choose(&[1_080]), of(&["720p", "480p", "360p"]), "the layers are gone");
        assert_eq!(choose(&[720]), None, "a smaller picture changes nothing");
        assert_eq!(choose(&[1_080, 540]), None, "nor does a layer");
    }

    #[test]
    fn an_operators_ladder_is_asked_for_once_and_a_given_one_stays() {
        let operators = || Ladder::of_presets("P720p30fps16x9,P360p30fps16x9").ok();
        let mut ladder = LayeredLadder::default();
        ladder.choose(operators, &pictures(&[720, 360])).unwrap();
        assert!(ladder.get().unwrap().profiles().len() < 2, "a rung of the layer's very size");
        let whole = ladder.choose(|| panic!("asked again"), &pictures(&[1_080])).unwrap();
        assert_eq!(Some(whole), operators().as_ref());
        assert_eq!(ladder.choose(|| panic!("asked again"), &pictures(&[2_160])), None);
        let mut given = LayeredLadder::default();
        assert!(given.give(operators().unwrap()) && !given.give(Ladder::default()));
        assert_eq!(given.choose(|| None, &pictures(&[2_160])), None);
        assert_eq!(given.get(), operators().as_ref());
    }
}
