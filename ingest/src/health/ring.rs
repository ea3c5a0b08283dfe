//! What happened lately, in slots of time.

/// Slots of equal width, of which the latest `N` are kept.
#[derive(Debug)]
pub(super) struct Ring<T, const N: usize> {
    slots: [T; N],
    /// Microseconds.
    width: i64,
    /// Numbers of the first slot there was, and of the newest.
    span: Option<(i64, i64)>,
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    /// An empty ring of slots `width` microseconds long.
    pub(super) fn new(width: i64) -> Self {
        Self { slots: [T::default(); N], width: width.max(1), span: None }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.slots = [T::default(); N];
        self.span = None;
    }

    /// The slot of a moment; `None` for moments before those that are kept.
    pub(super) fn at(&mut self, micros: i64) -> Option<&mut T> {
        self.advance(micros);
        let number = micros.div_euclid(self.width);
        let (first, newest) = self.span?;
        let kept = number > newest.saturating_sub(length::<N>());
        if !kept {
            return None;
        }
        self.span = Some((first.min(number), newest));
        self.slots.get_mut(index::<N>(number))
    }

    /// Lets time pass: slots that come up are empty.
    pub(super) fn advance(&mut self, micros: i64) {
        let number = micros.div_euclid(self.width);
        let Some((first, newest)) = self.span else {
            self.span = Some((number, number));
            return;
        };
        if number <= newest {
            return;
        }
        let fresh = number.saturating_sub(newest).min(length::<N>());
        for number in number.saturating_sub(fresh).saturating_add(1)..=number {
            if let Some(slot) = self.slots.get_mut(index::<N>(number)) {
                *slot = T::default();
            }
        }
        self.span = Some((first, number));
    }

    /// Up to `count` slots that are over, the newest first; those before the first one don't exist.
    pub(super) fn complete(&self, count: i64) -> impl Iterator<Item = T> + '_ {
        // An empty range where there is none.
        let (first, newest) = self.span.unwrap_or((0, 0));
        let kept = newest.saturating_sub(count.min(length::<N>() - 1));
        (kept.max(first)..newest)
            .rev()
            .filter_map(|number| self.slots.get(index::<N>(number)).copied())
    }

    /// The slot that is under way.
    pub(super) fn open(&self) -> T {
        let (_, newest) = self.span.unwrap_or((0, 0));
        self.slots.get(index::<N>(newest)).copied().unwrap_or_default()
    }
}

fn length<const N: usize>() -> i64 {
    i64::try_from(N).unwrap_or(i64::MAX)
}

fn index<const N: usize>(number: i64) -> usize {
    usize::try_from(number.rem_euclid(length::<N>().max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_are_over_when_the_next_one_begins() {
        let mut ring = Ring::<u32, 4>::new(10);
        *ring.at(100).unwrap() += 1;
        assert_eq!(ring.complete(3).count(), 0);
        *ring.at(115).unwrap() += 2;
        *ring.at(119).unwrap() += 2;
        ring.advance(121);
        assert_eq!(ring.complete(3).collect::<Vec<_>>(), [4, 1]);
        // What comes late is put where it belongs, as long as that is kept.
        *ring.at(109).unwrap() += 5;
        assert_eq!(ring.complete(9).collect::<Vec<_>>(), [4, 6]);
        ring.advance(145);
        assert_eq!(ring.complete(9).collect::<Vec<_>>(), [0, 0, 4]);
        assert!(ring.at(109).is_none());
    }

    proptest! {
        #[test]
        fn any_moment_will_do(moments in proptest::collection::vec(any::<i64>(), 0..40)) {
            let mut ring = Ring::<u32, 5>::new(7);
            for moment in moments {
                if let Some(slot) = ring.at(moment) {
                    *slot += 1;
                }
                prop_assert!(ring.complete(i64::MAX).count() <= 4);
            }
        }
    }
}
