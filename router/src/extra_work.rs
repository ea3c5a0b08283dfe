//! How much work may be done twice.

/// A budget that grows with the work done, in percent of a segment. Bounded both ways: a quiet hour
/// saves up two segments at most, and nothing is ever done on credit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExtraWork {
    percent: u32,
    saved: u32,
}

/// One segment.
const WHOLE: u32 = 100;
/// Most that is saved up.
const MOST: u32 = 2 * WHOLE;

impl ExtraWork {
    /// Begins with one segment's worth, so that a stream's first trouble is met, unless it is off.
    pub(crate) const fn new(percent: u32) -> Self {
        Self { percent, saved: if percent == 0 { 0 } else { WHOLE } }
    }

    /// A segment is sent for the first time.
    pub(crate) fn earn(&mut self) {
        self.saved = self.saved.saturating_add(self.percent).min(MOST);
    }

    /// Whether one more may be sent twice.
    pub(crate) const fn affords(self) -> bool {
        self.saved >= WHOLE
    }

    /// One is sent twice.
    pub(crate) const fn spend(&mut self) {
        self.saved = self.saved.saturating_sub(WHOLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_work_may_be_done_twice() {
        let mut budget = ExtraWork::new(20);
        let mut spent = 0;
        for _ in 0..100 {
            budget.earn();
            if budget.affords() {
                budget.spend();
                spent += 1;
            }
        }
        assert_eq!(spent, 21, "one to begin with, then one in five");
        let mut off = ExtraWork::new(0);
        off.earn();
        assert!(!off.affords());
    }
}
