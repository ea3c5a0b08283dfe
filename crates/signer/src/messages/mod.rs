//! What goes over the wire, as JSON.

pub mod error;
pub mod identity;
pub mod live;
pub mod segment;
