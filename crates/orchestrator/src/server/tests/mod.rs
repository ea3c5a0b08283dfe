//! Client against server over real sockets, with a fake transcoder behind the port.

mod bogus;
mod bounds;
mod lifetime;
mod paying;
mod payment_refusals;
mod payments;
mod policy;
mod refusals;
mod round_trip;
mod support;
