//! Where the store is.

use media::Redacted;
use store::Store;

use super::reader::{Faults, Section};

/// Reads `[store]`; the flag's URL wins. `None` is a file in the data directory. A URL may hold a
/// password.
pub(super) fn store_url(
    mut section: Section,
    flag: Option<&Redacted<String>>,
    faults: &mut Faults,
) -> Option<Redacted<String>> {
    let from_file = section.string("url", faults).map(Redacted::new);
    section.finish(faults);
    let flag = flag.filter(|url| !url.expose().trim().is_empty());
    let url = flag.cloned().or(from_file)?;
    if let Err(fault) = Store::check_url(url.expose()) {
        faults.add("store.url", fault.to_string());
    }
    Some(url)
}
