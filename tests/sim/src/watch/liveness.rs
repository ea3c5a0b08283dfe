//! Renditions come back by themselves.

use std::time::Duration;

use super::{Watch, release::Pushed};
use crate::violation::Checked;

impl Watch {
    /// A segment has its renditions when someone who can make them has been there for a while.
    pub(super) fn check_presence(
        &mut self,
        _at: Duration,
        _stream: usize,
        _pushed: &Pushed,
        _what: &str,
    ) -> Checked {
        Ok(())
    }
}
