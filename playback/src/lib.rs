//! Playlists, the sliding window and the HTTP service viewers talk to.
