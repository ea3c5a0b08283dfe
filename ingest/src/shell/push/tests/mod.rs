//! The service over a root that says what the tests want.

mod answers;
mod bounds;
mod repeats;
mod rig;
