//! Whether pictures are shown in another order than they are decoded (B-frames).

/// Pictures looked back at: codecs allow a depth of 16.
const LOOK_BACK: usize = 16;

/// Presentation times of the latest pictures.
#[derive(Debug)]
pub(super) struct Reordering {
    /// Ticks; the lowest number where there is none.
    shown: [i64; LOOK_BACK],
    next: usize,
}

impl Default for Reordering {
    fn default() -> Self {
        Self { shown: [i64::MIN; LOOK_BACK], next: 0 }
    }
}

impl Reordering {
    /// Takes a picture in decoding order; how many of those before are shown after it.
    pub(super) fn push(&mut self, pts: i64) -> u8 {
        let later = self.shown.iter().filter(|shown| **shown > pts).count();
        if let Some(place) = self.shown.get_mut(self.next) {
            *place = pts;
        }
        self.next = (self.next + 1) % LOOK_BACK;
        u8::try_from(later).unwrap_or(u8::MAX)
    }

    /// Another timeline begins.
    pub(super) const fn restart(&mut self) {
        self.shown = [i64::MIN; LOOK_BACK];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(order: &[i64]) -> u8 {
        let mut reordering = Reordering::default();
        order.iter().map(|pts| reordering.push(*pts)).max().unwrap()
    }

    #[test]
    fn depth_is_that_of_the_pyramid() {
        assert_eq!(depth(&[0, 1, 2, 3]), 0);
        assert_eq!(depth(&[0, 2, 1, 4, 3]), 1);
        assert_eq!(depth(&[0, 4, 2, 1, 3, 8, 6, 5, 7]), 2);
    }
}
