//! The router's side of sockets, tasks and clocks.

mod attempt;
mod metrics;
mod request_bodies;
mod route;
mod router;
mod shared;
#[cfg(test)]
mod tests;

pub use metrics::RouterMetrics;
pub use route::StreamRoute;
pub use router::Router;
