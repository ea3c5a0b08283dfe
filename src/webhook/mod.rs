//! The operator's hooks: who may publish ([`AuthWebhook`]), and which orchestrators there are
//! ([`DiscoveryWebhook`]).
//!
//! A hook is a server of the operator's that is asked over HTTP(S). [`HookClient`] is the one way to it:
//! every call has a deadline, every answer a limit, and no redirect is followed, so that a hook that
//! hangs, drips or returns too much costs one call.

mod auth;
mod auth_answer;
mod client;
mod discovery;
mod discovery_list;
mod endpoint;
#[cfg(test)]
mod fake_hook;
mod signature;

pub use auth::{AuthError, AuthWebhook};
pub use auth_answer::{Admitted, AnswerError, Manifest};
pub use client::{HookClient, HookClientError, HookError};
pub use discovery::{DiscoveryWebhook, INTERVAL_DEFAULT, INTERVAL_RANGE};
pub use discovery_list::{
    DiscoveredOrchestrator, DiscoveryList, Dropped, ListError, ORCHESTRATORS_MAX,
};
pub use endpoint::{EndpointError, HookEndpoint};
pub use signature::HookSecret;
