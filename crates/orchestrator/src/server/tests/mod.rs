//! Client against server over real sockets, with a fake transcoder behind the port.

mod bogus;
mod bounds;
mod lifetime;
mod policy;
mod refusals;
mod round_trip;
mod support;
