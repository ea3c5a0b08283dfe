//! What the log tells of a publisher's tracks.

use std::collections::BTreeSet;

use media::{StreamName, Track, TrackId, TrackKind};
use tracing::{debug, info};

use crate::publish::ConnectionId;

/// Tells of each track once, and of changes in the debug log: a publisher that changes its parameters all
/// the time must not fill the log.
#[derive(Debug, Default)]
pub(super) struct TrackLog {
    /// Bounded by how many tracks a publisher may have.
    told: BTreeSet<TrackId>,
}

impl TrackLog {
    pub(super) fn tell(&mut self, connection: ConnectionId, stream: &StreamName, track: &Track) {
        let codec = track.parameters.rfc6381();
        let picture = track.parameters.picture();
        let picture = picture.map(|(_, it)| format!("{}x{}", it.width, it.height));
        let sound = track.parameters.sound();
        let sound = sound.map(|it| format!("{} Hz, {} channels", it.sampling_rate, it.channels));
        let what = picture.or(sound).unwrap_or_default();
        let kind = match track.kind() {
            TrackKind::Video => "video",
            TrackKind::Audio => "audio",
        };
        let id = track.id;
        if self.told.insert(id) {
            info!(%connection, %stream, track = %id, codec, "{kind} track: {what}");
        } else {
            debug!(%connection, %stream, track = %id, codec, "{kind} track changed: {what}");
        }
    }
}
