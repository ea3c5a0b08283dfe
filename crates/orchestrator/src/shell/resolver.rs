//! Names become addresses, and forbidden ones of them disappear.

use std::{
    net::SocketAddr,
    task::{Context, Poll},
    vec,
};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

use crate::{ForbiddenAddress, NetworkPolicy};

/// The system's resolver under a [`NetworkPolicy`]. The connection is made to an address that was
/// checked: a name that answers differently a moment later changes nothing.
#[derive(Clone, Debug)]
pub(super) struct PolicedResolver {
    inner: GaiResolver,
    policy: NetworkPolicy,
}

impl PolicedResolver {
    pub(super) fn new(policy: NetworkPolicy) -> Self {
        Self { inner: GaiResolver::new(), policy }
    }
}

impl Service<Name> for PolicedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = self.policy;
        let resolving = self.inner.call(name);
        Box::pin(async move { Ok(permitted(resolving.await?, policy)?.into_iter()) })
    }
}

/// The addresses that may be connected to.
///
/// # Errors
/// When there were some, and all of them are forbidden.
fn permitted(
    found: impl Iterator<Item = SocketAddr>,
    policy: NetworkPolicy,
) -> Result<Vec<SocketAddr>, ForbiddenAddress> {
    let mut refusal = None;
    let mut kept = Vec::new();
    for address in found {
        match policy.check(address.ip()) {
            Ok(()) => kept.push(address),
            Err(forbidden) => refusal = Some(forbidden),
        }
    }
    match refusal {
        Some(forbidden) if kept.is_empty() => Err(forbidden),
        _ => Ok(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(policy: NetworkPolicy, found: &[&str]) -> Result<Vec<String>, ForbiddenAddress> {
        let found = found.iter().map(|text| text.parse::<SocketAddr>().unwrap());
        permitted(found, policy).map(|kept| kept.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn forbidden_addresses_are_left_out() {
        let mixed = ["10.0.0.1:1", "1.1.1.1:1", "[::1]:1"];
        assert_eq!(under(NetworkPolicy::PublicOnly, &mixed), Ok(vec!["1.1.1.1:1".to_owned()]));
        assert_eq!(under(NetworkPolicy::AsConfigured, &mixed).unwrap().len(), 3);
        let forbidden = under(NetworkPolicy::PublicOnly, &["10.0.0.1:1"]).unwrap_err();
        assert_eq!(forbidden.to_string(), "10.0.0.1 is in no public network");
        assert_eq!(under(NetworkPolicy::PublicOnly, &[]), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn names_of_this_machine_are_forbidden() {
        let name = || "localhost".parse::<Name>().unwrap();
        let mut resolver = PolicedResolver::new(NetworkPolicy::PublicOnly);
        let error = resolver.call(name()).await.unwrap_err();
        assert!(error.downcast_ref::<ForbiddenAddress>().is_some(), "{error}");
        let found = PolicedResolver::new(NetworkPolicy::Anywhere).call(name()).await.unwrap();
        assert!(found.map(|address| address.ip()).all(|ip| ip.is_loopback()));
    }
}
