//! Playlists, the sliding window and the HTTP service viewers talk to.
//!
//! This crate owns what viewers see: which segments a playlist lists, what it says about them, how
//! long they stay downloadable, and the page to watch them on. The page to go live from is here as
//! well ([`publish_page`]): files that browsers load, whose other side is elsewhere. The crate
//! deliberately does not know where media come from; it is handed [`media::PresentationSegment`]s,
//! one sequence number in all renditions at once, in order.
//!
//! The core is [`Window`], one per presentation: time goes in as an argument, and it answers what
//! viewers ask without I/O. [`Directory`], [`Presentation`] and [`service`] are its shell; the
//! service is an [`axum::Router`] that the caller mounts on listeners of its own.
//!
//! - Every playlist is rendered once per change and then shared by all viewers.
//! - Media bytes are never copied: a response's frames are the pieces the segment is a chain of.
//! - A URI never names other content than it did before, not even after a restart ([`Epoch`]).
//!
//! Start reading at [`Window`], then `media_playlist.rs`, then `shell/service.rs`.

mod config;
mod date;
mod media_file;
mod media_playlist;
mod multivariant_playlist;
mod rendered;
mod rendition_id;
mod shell;
#[cfg(test)]
mod testing;
mod window;

pub use config::{Epoch, PlaybackConfig};
pub use media_file::{FileContent, FileName, MediaFile};
pub use rendered::Rendered;
pub use rendition_id::RenditionId;
pub use shell::{Directory, PlaybackMetrics, Presentation, publish_page, service};
pub use window::{AppendError, PlaylistError, Window};
