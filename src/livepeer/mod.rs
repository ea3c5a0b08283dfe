//! For those who come from go-livepeer's gateway: its flags, turned into settings of ours, and clear
//! answers to requests for what is not built.
//!
//! [`translate`] has no I/O of its own: it is given the arguments and the [`Surroundings`], and returns
//! the text of a configuration file. What each flag means is said once, in the table of `flag_table.rs`.

mod absent;
mod address;
mod draft;
mod flag;
mod flag_table;
mod given;
mod ladder;
mod payment;
mod price;
mod translation;

pub(crate) use absent::absent_service;
pub(crate) use price::max_price;
pub(crate) use translation::{Surroundings, Translation, is_relevant, translate};
