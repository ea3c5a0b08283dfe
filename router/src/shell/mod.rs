//! The router's side of sockets, tasks and clocks.

mod attempt;
mod decision_log;
mod memory_keeper;
mod metrics;
mod payments;
mod picture_check;
mod pulse;
mod request_bodies;
mod route;
mod router;
mod shared;
mod tape;
#[cfg(test)]
mod tests;

pub use decision_log::DecisionRecord;
pub use metrics::RouterMetrics;
pub use payments::{
    AttemptPayment, Bill, PaymentEnd, PaymentRefused, PaymentRefusedClass, Payments,
};
pub use picture_check::{PictureCheck, PictureFinding, PicturesToCompare};
pub use route::StreamRoute;
pub use router::{Router, RouterPorts};
