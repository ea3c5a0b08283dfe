//! An account, and an order from its beginning to the certificate.

use std::{fmt, time::Duration};

use https::{Connections, HttpsClient};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use media::Redacted;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::RootCertStore;

use super::transport::Transport;
use crate::{
    challenges::{ChallengeKind, Challenges},
    failure::{AcmeFailure, said},
};

/// Longest time that one order may take, or signing in.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(180);
/// How long the server may take to check the domains, and then to issue.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(75));
const CONNECTIONS: Connections = Connections {
    connect_limit: Duration::from_secs(10),
    idle_limit: Duration::from_secs(20),
    idle_max: 1,
};

/// What is asked for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The server's directory.
    pub directory: String,
    /// The names in the certificate.
    pub domains: Vec<String>,
    /// Where the server may write to.
    pub email: Option<String>,
    /// How it checks the names.
    pub challenge: ChallengeKind,
}

/// Orders certificates, one at a time. The server's terms are agreed to.
#[derive(Debug)]
pub struct AcmeClient {
    settings: AcmeSettings,
    transport: Transport,
    challenges: Challenges,
}

/// An account at the server.
pub struct AcmeAccount(Account);

impl fmt::Debug for AcmeAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcmeAccount").field(&self.0.id()).finish()
    }
}

impl AcmeClient {
    /// A client that has asked nothing yet. `roots` sign the server's own certificate, `challenges` is what
    /// the listeners answer with.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(
        settings: AcmeSettings,
        roots: RootCertStore,
        challenges: Challenges,
    ) -> Result<Self, rustls::Error> {
        let transport = Transport::new(HttpsClient::new(roots, CONNECTIONS)?);
        Ok(Self { settings, transport, challenges })
    }

    /// The account with these credentials, or a new one; then with its credentials, to be kept.
    ///
    /// # Errors
    /// See [`AcmeFailure`].
    pub async fn sign_in(
        &self,
        credentials: Option<&Redacted<String>>,
    ) -> Result<(AcmeAccount, Option<Redacted<String>>), AcmeFailure> {
        self.limited(self.try_sign_in(credentials)).await
    }

    /// A new private key and the certificate for it with those that lead to its authority, in PEM. The domains
    /// are checked meanwhile.
    ///
    /// # Errors
    /// See [`AcmeFailure`].
    pub async fn order(&self, account: &AcmeAccount) -> Result<Redacted<String>, AcmeFailure> {
        self.limited(self.try_order(account)).await
    }

    async fn limited<T>(
        &self,
        attempt: impl Future<Output = Result<T, AcmeFailure>>,
    ) -> Result<T, AcmeFailure> {
        let ended = tokio::time::timeout(ATTEMPT_LIMIT, Box::pin(attempt)).await;
        let late = |_| Err(AcmeFailure::refused(format!("not done in {ATTEMPT_LIMIT:?}")));
        ended.unwrap_or_else(late).map_err(|failure| {
            let retry_after = failure.retry_after.or_else(|| self.transport.retry_after());
            AcmeFailure { retry_after, ..failure }
        })
    }

    async fn try_sign_in(
        &self,
        credentials: Option<&Redacted<String>>,
    ) -> Result<(AcmeAccount, Option<Redacted<String>>), AcmeFailure> {
        let builder = Account::builder_with_http(Box::new(self.transport.clone()));
        let kept = credentials.and_then(|it| serde_json::from_str(it.expose()).ok());
        if let Some(kept) = kept {
            return Ok((AcmeAccount(builder.from_credentials(kept).await?), None));
        }
        let contact = self.settings.email.iter().map(|it| format!("mailto:{it}"));
        let contact: Vec<_> = contact.collect();
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.settings.directory.clone();
        let (account, credentials) = builder.create(&new, directory, None).await?;
        Ok((AcmeAccount(account), Some(text_of(&credentials)?)))
    }

    async fn try_order(&self, account: &AcmeAccount) -> Result<Redacted<String>, AcmeFailure> {
        let names: Vec<_> = self.settings.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.0.new_order(&NewOrder::new(&names)).await?;
        let _answers = self.challenges.until_dropped();
        if order.state().status == OrderStatus::Pending {
            self.answer(&mut order).await?;
            let ended = order.poll_ready(&POLLS).await;
            if !matches!(ended, Ok(OrderStatus::Ready)) {
                let reason = refusal(&mut order).await;
                return Err(reason.map(AcmeFailure::refused).unwrap_or_else(|| match ended {
                    Err(error) => error.into(),
                    Ok(_) => AcmeFailure::refused("the order is invalid, and no reason is given"),
                }));
            }
        }
        let made = |error: rcgen::Error| AcmeFailure::refused(error.to_string());
        let key = KeyPair::generate().map_err(made)?;
        let mut params = CertificateParams::new(self.settings.domains.clone()).map_err(made)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(made)?;
        order.finalize_csr(request.der()).await?;
        let chain = order.poll_certificate(&POLLS).await?;
        Ok(Redacted::new(format!("{}{chain}", key.serialize_pem())))
    }

    /// Has every domain checked that was not of late.
    async fn answer(&self, order: &mut Order) -> Result<(), AcmeFailure> {
        let (kind, name) = match self.settings.challenge {
            ChallengeKind::TlsAlpn => (ChallengeType::TlsAlpn01, "TLS-ALPN-01"),
            ChallengeKind::Http => (ChallengeType::Http01, "HTTP-01"),
        };
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let domain = authorization.identifier().to_string();
            let mut challenge = authorization.challenge(kind.clone()).ok_or_else(|| {
                AcmeFailure::refused(format!("{domain} can't be checked by {name} here"))
            })?;
            let answer = challenge.key_authorization();
            match self.settings.challenge {
                ChallengeKind::TlsAlpn => self
                    .challenges
                    .answer_handshakes(&domain, answer.digest().as_ref())
                    .map_err(AcmeFailure::refused)?,
                ChallengeKind::Http => {
                    self.challenges.answer_requests(&challenge.token, answer.as_str());
                }
            }
            challenge.set_ready().await?;
        }
        Ok(())
    }
}

/// Why domains were not found to be ours. That is written at the domains, not at the order.
async fn refusal(order: &mut Order) -> Option<String> {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let domain = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else { continue };
        let problems = state.challenges.iter().filter_map(|it| it.error.as_ref());
        reasons.extend(problems.map(|problem| format!("{domain}: {}", said(problem))));
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn text_of(credentials: &AccountCredentials) -> Result<Redacted<String>, AcmeFailure> {
    serde_json::to_string(credentials)
        .map(Redacted::new)
        .map_err(|error| AcmeFailure::refused(error.to_string()))
}
