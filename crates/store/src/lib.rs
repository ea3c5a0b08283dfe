//! What outlives the process: the persistence ports of the house, over SQLite.
//!
//! This crate owns the schema, the conversions between rows and the house's words, and the bounds of
//! every table. It deliberately decides nothing: what is worth keeping, and what is made of it later,
//! is the business of those who declare the ports ([`router::FleetMemory`]) and of the root.
//!
//! - Everything kept has a bound, and the oldest goes first: [`router::MAX_REMEMBERED`],
//!   [`router::MAX_EVIDENCE`], [`MAX_STREAMS`].
//! - Every operation ends within [`OPERATION_LIMIT`], one way or the other.
//! - A sequence number never goes back.
//! - A row that can't be read costs that row: it is left out and reported, the others come back.
//!
//! Rows and conversions know no engine; the engine, one file below `shell/`, knows nothing but rows.
//! A second engine is a second such file with its own migrations, behind the same [`Store`].
//!
//! Start reading at [`Store`], then `schema.rs`.

mod error;
mod evidence;
mod micros;
mod remembered;
mod schema;
mod sequence;
mod shell;

pub use error::{RowError, StoreError};
pub use evidence::{MAX_PICTURE_BYTES, MAX_PICTURES, MAX_TEXT_BYTES, StoredEvidence};
pub use sequence::MAX_STREAMS;
pub use shell::{OPERATION_LIMIT, Store};
