//! What the log tells of a publisher's tracks.

use media::{StreamName, Track, TrackKind};
use tracing::{debug, info};

use crate::publish::ConnectionId;

/// Tells of each kind once, and of changes in the debug log: a publisher that changes its parameters all
/// the time must not fill the log.
#[derive(Debug, Default)]
pub(super) struct TrackLog {
    told: [bool; 2],
}

impl TrackLog {
    pub(super) fn tell(&mut self, connection: ConnectionId, stream: &StreamName, track: &Track) {
        let codec = track.parameters.rfc6381();
        let picture = track.parameters.picture();
        let picture = picture.map(|(_, it)| format!("{}x{}", it.width, it.height));
        let sound = track.parameters.sound();
        let sound = sound.map(|it| format!("{} Hz, {} channels", it.sampling_rate, it.channels));
        let what = picture.or(sound).unwrap_or_default();
        let (told, kind) = match track.kind() {
            TrackKind::Video => (0, "video"),
            TrackKind::Audio => (1, "audio"),
        };
        let first = self.told.get_mut(told).is_some_and(|told| !std::mem::replace(told, true));
        if first {
            info!(%connection, %stream, codec, "{kind} track: {what}");
        } else {
            debug!(%connection, %stream, codec, "{kind} track changed: {what}");
        }
    }
}
