//! Which playback ids exist, and what plays there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use media::{Ladder, PlaybackId, PresentationSegment, wall_clock_now};

use super::metrics::PlaybackMetrics;
use crate::{FileName, MediaFile, PlaybackConfig, PlaylistError, Rendered, RenditionId, Window};

type SharedWindow = Arc<Mutex<Window>>;

/// Every playback id viewers may ask for. Cheap to clone; all clones are one directory.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Arc<PlaybackConfig>,
    metrics: Arc<PlaybackMetrics>,
    listings: Mutex<HashMap<PlaybackId, Listing>>,
}

/// What is known of one id.
#[derive(Debug, Default)]
struct Listing {
    /// It exists even while nothing plays.
    declared: bool,
    /// The open presentations, oldest first. All but the last are over, or about to be; their last
    /// segments are still downloadable.
    places: Vec<Place>,
    /// Number that the discontinuities of closed presentations leave to those after them.
    next_discontinuity: u64,
}

/// One presentation of an id.
#[derive(Clone, Debug)]
struct Place {
    window: SharedWindow,
    /// A later presentation had playlists and is closed: going back to these would take players
    /// back to lower sequence numbers (HLS rule PL-13).
    superseded: bool,
}

impl Listing {
    fn is_idle(&self) -> bool {
        !self.declared && self.places.is_empty()
    }
}

/// Why nothing can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FindError {
    /// There is no such stream, rendition or file: 404.
    Unknown,
    /// The stream exists and can't be played yet: 412.
    NotYet,
}

/// A playlist and how long it may be cached.
#[derive(Debug)]
pub(super) struct FoundPlaylist {
    pub(super) playlist: Arc<Rendered>,
    /// Seconds.
    pub(super) target_duration: u8,
}

/// Locks, whoever panicked before: each critical section leaves its data whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// A directory without an id.
    #[must_use]
    pub fn new(config: PlaybackConfig, metrics: Arc<PlaybackMetrics>) -> Self {
        let config = Arc::new(config);
        Self(Arc::new(Shared { config, metrics, listings: Mutex::default() }))
    }

    /// Makes an id known: asked for while nothing plays, it answers 412.
    pub fn declare(&self, id: PlaybackId) {
        lock(&self.0.listings).entry(id).or_default().declared = true;
    }

    /// Makes an id unknown, whatever plays there: it answers 404.
    pub fn retract(&self, id: &PlaybackId) {
        let removed = lock(&self.0.listings).remove(id);
        drop(removed);
    }

    /// Opens a presentation, in the place of the one before, whose playlists stay until this one has
    /// its own: viewers see them end (HLS rules PL-19, D-7). Sequence numbers must go on above those
    /// of the one before; discontinuities are numbered on here.
    ///
    /// An id that was not declared is known for as long as the presentation is open.
    #[must_use]
    pub fn open(&self, id: PlaybackId) -> Presentation {
        let window = Window::new(Arc::clone(&self.0.config), id.clone());
        let window = Arc::new(Mutex::new(window));
        let mut listings = lock(&self.0.listings);
        let place = Place { window: Arc::clone(&window), superseded: false };
        listings.entry(id.clone()).or_default().places.push(place);
        drop(listings);
        self.0.metrics.presentations.inc();
        Presentation { directory: self.clone(), id, window }
    }

    pub(super) fn metrics(&self) -> &PlaybackMetrics {
        &self.0.metrics
    }

    pub(super) fn multivariant_playlist(
        &self,
        id: &PlaybackId,
    ) -> Result<FoundPlaylist, FindError> {
        self.playlist(id, Window::multivariant_playlist)
    }

    pub(super) fn media_playlist(
        &self,
        id: &PlaybackId,
        rendition: &RenditionId,
    ) -> Result<FoundPlaylist, FindError> {
        self.playlist(id, |window| window.media_playlist(rendition))
    }

    pub(super) fn file(
        &self,
        id: &PlaybackId,
        rendition: &RenditionId,
        name: &FileName<'_>,
    ) -> Result<MediaFile, FindError> {
        let (places, _) = self.places(id).ok_or(FindError::Unknown)?;
        let mut newest_first = places.iter().rev();
        let file = newest_first.find_map(|place| lock(&place.window).file(rendition, name));
        file.ok_or(FindError::Unknown)
    }

    /// The newest presentation's playlist; while it has none, that of the one before.
    fn playlist(
        &self,
        id: &PlaybackId,
        find: impl Fn(&Window) -> Result<Arc<Rendered>, PlaylistError>,
    ) -> Result<FoundPlaylist, FindError> {
        let (places, _) = self.places(id).ok_or(FindError::Unknown)?;
        let mut newest_error = None;
        for place in places.iter().rev().filter(|place| !place.superseded) {
            let window = lock(&place.window);
            let error = match (find(&window), window.target_duration()) {
                (Ok(playlist), Some(target_duration)) => {
                    return Ok(FoundPlaylist { playlist, target_duration });
                }
                (Err(PlaylistError::Unknown), _) => FindError::Unknown,
                (Err(PlaylistError::NotYet), _) | (Ok(_), None) => FindError::NotYet,
            };
            newest_error.get_or_insert(error);
        }
        Err(newest_error.unwrap_or(FindError::NotYet))
    }

    /// What [`Listing`] holds of an id: no window is locked while all ids are.
    fn places(&self, id: &PlaybackId) -> Option<(Vec<Place>, u64)> {
        let listings = lock(&self.0.listings);
        let listing = listings.get(id)?;
        Some((listing.places.clone(), listing.next_discontinuity))
    }

    /// Lets each presentation without playlists go on from what those before it have come to, which
    /// may still grow while they finish.
    fn number_discontinuities(&self, id: &PlaybackId) {
        let Some((places, mut next)) = self.places(id) else { return };
        for place in places {
            let mut window = lock(&place.window);
            window.continue_discontinuities(next);
            next = next.max(window.next_discontinuity_sequence());
        }
    }

    /// Takes a window out of the id's listing, and the listing with it when nothing else holds it.
    fn close(&self, id: &PlaybackId, window: &SharedWindow) {
        let (published, next) = {
            let window = lock(window);
            (window.is_published(), window.next_discontinuity_sequence())
        };
        let mut listings = lock(&self.0.listings);
        let Some(listing) = listings.get_mut(id) else { return };
        let is_it = |place: &Place| Arc::ptr_eq(&place.window, window);
        let Some(index) = listing.places.iter().position(is_it) else { return };
        let taken = listing.places.remove(index);
        listing.next_discontinuity = listing.next_discontinuity.max(next);
        for older in listing.places.iter_mut().take(index) {
            older.superseded |= published;
        }
        if listing.is_idle() {
            listings.remove(id);
        }
        drop(listings);
        drop(taken);
    }
}

/// The writing end of one presentation. Dropped, it closes.
#[derive(Debug)]
pub struct Presentation {
    directory: Directory,
    id: PlaybackId,
    window: SharedWindow,
}

impl Presentation {
    /// Names the transcoded renditions; those named before stay as long as there is media of them.
    pub fn set_ladder(&self, ladder: &Ladder) {
        lock(&self.window).set_ladder(ladder);
    }

    /// Whether appending `next` publishes the presentation while no target duration is set.
    #[must_use]
    pub fn needs_target_duration(&self, next: &PresentationSegment) -> bool {
        lock(&self.window).needs_target_duration(next)
    }

    /// Sets `EXT-X-TARGETDURATION`, in seconds; the first value stays.
    pub fn set_target_duration(&self, seconds: u8) {
        lock(&self.window).set_target_duration(seconds);
    }

    /// Lists a segment in every playlist at once. True when this published the presentation.
    ///
    /// A segment out of sequence is left out, and said so in the log.
    #[expect(clippy::needless_pass_by_value, reason = "the window is where a segment ends up")]
    pub fn append(&self, now: Instant, segment: PresentationSegment) -> bool {
        self.directory.number_discontinuities(&self.id);
        let appended = lock(&self.window).append(now, wall_clock_now(), &segment);
        appended.unwrap_or_else(|error| {
            tracing::error!(playback_id = %self.id, %error, "segment left out of the playlists");
            false
        })
    }

    /// Makes the playlists final: `EXT-X-ENDLIST`.
    pub fn end(&self) {
        self.directory.number_discontinuities(&self.id);
        lock(&self.window).end(wall_clock_now());
    }

    /// How long after [`Self::end`] everything must stay downloadable, before [`Self::close`].
    #[must_use]
    pub fn retention(&self) -> Duration {
        lock(&self.window).retention()
    }

    /// Takes playlists and segments away. A declared id answers 412 again, another one 404.
    pub fn close(&self) {
        self.directory.close(&self.id, &self.window);
    }
}

impl Drop for Presentation {
    fn drop(&mut self) {
        self.close();
        self.directory.0.metrics.presentations.dec();
    }
}
