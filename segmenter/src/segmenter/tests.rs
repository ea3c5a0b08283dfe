//! The segmenter against synthetic publishers.

mod audio;
mod gops;
mod presence;
mod properties;
mod rig;
