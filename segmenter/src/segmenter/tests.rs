//! The segmenter against synthetic publishers.

mod audio;
mod filler;
mod gops;
mod layers;
mod presence;
mod properties;
mod publisher_cut;
mod rig;
