//! Payments from their configuration.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use media::{Redacted, StreamName, wall_clock_now};
use orchestrator::GatewayIdentity;
use payer::{Payer, PayerConfig, PaymentRecord};
use prometheus_client::registry::Registry;
use signer::{SignerClient, SignerClientConfig, Trust};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{follow, ledger::Ledger, service::PaymentService, signing::Signing};
use crate::{
    chain_line::ChainLine,
    config::{PayerSource, PaymentsConfig},
    eth_key,
};

/// How long the signer may take to say who pays before the start fails.
const SIGNER_PATIENCE: Duration = Duration::from_secs(30);
/// Time between two questions.
const SIGNER_RETRY: Duration = Duration::from_secs(1);

/// Who pays, before anything is known of earlier payments.
#[derive(Debug)]
pub(crate) struct Prepared {
    identity: GatewayIdentity,
    signing: Signing,
}

/// Opens the key, or asks the signer who pays; `None` where nothing is paid.
///
/// # Errors
/// When the key can't be opened, or the signer doesn't answer within half a minute.
pub(crate) async fn prepare(config: &PaymentsConfig) -> anyhow::Result<Option<Prepared>> {
    let Some(source) = config.payer.clone() else { return Ok(None) };
    let prepared = match source {
        PayerSource::Key { path, password, account } => {
            let load = move || eth_key::load(&path, password.as_deref(), account);
            let key = tokio::task::spawn_blocking(load).await.context("can't open the key")??;
            let identity = GatewayIdentity::sign(&key);
            Prepared { identity, signing: Signing::Key(Arc::new(key)) }
        }
        PayerSource::Signer { url, token_file, ca_file, account } => {
            let mut config = SignerClientConfig::new(url);
            config.token = token_file.as_deref().map(token).transpose()?;
            config.trust = match ca_file {
                Some(path) => Trust::Authority(std::fs::read(&path).with_context(|| {
                    format!("can't read the signer's certificate {}", path.display())
                })?),
                None => Trust::System,
            };
            config.address = account;
            let client = SignerClient::new(&config).context("can't reach the signer")?;
            let identity = ask(&client).await?;
            Prepared { identity, signing: Signing::remote(client) }
        }
    };
    Ok(Some(prepared))
}

async fn ask(client: &SignerClient) -> anyhow::Result<GatewayIdentity> {
    let give_up = Instant::now() + SIGNER_PATIENCE;
    let mut told = false;
    loop {
        let error = match client.identity().await {
            Ok(identity) => return Ok(identity),
            Err(error) => error,
        };
        let url = client.url();
        if error.kind() != signer::SignerErrorKind::Unreachable || Instant::now() >= give_up {
            return Err(error).with_context(|| format!("the signer {url} doesn't say who pays"));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%url, %error, "waiting for the signer");
        }
        tokio::time::sleep(SIGNER_RETRY).await;
    }
}

fn token(path: &Path) -> anyhow::Result<Redacted<String>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("can't read the signer's token {}", path.display()))?;
    Ok(Redacted::new(text.lines().next().unwrap_or_default().trim().to_owned()))
}

impl Prepared {
    /// What orchestrators are shown.
    pub(crate) const fn identity(&self) -> GatewayIdentity {
        self.identity
    }

    /// Takes up what earlier runs left, and pays from now on. `sessions` gets the ledger's writer, to be
    /// closed after all attempts have ended. The streams that come out have met a limit that ends them.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(crate) async fn start(
        self,
        config: &PaymentsConfig,
        line: Option<ChainLine>,
        record: Arc<dyn PaymentRecord>,
        registry: &mut Registry,
        sessions: (&TaskTracker, &CancellationToken),
    ) -> anyhow::Result<(PaymentService, mpsc::Receiver<StreamName>)> {
        let sender = self.identity.address();
        let settings = PayerConfig {
            limits: config.limits,
            budgets: config.budgets.clone(),
            ..PayerConfig::default()
        };
        let mut payer = Payer::new(sender, settings);
        let restored = record.restore(wall_clock_now()).await;
        payer.restore(restored.context("can't read the ledger")?);
        let ledger = Ledger::new();
        let (tasks, closed) = sessions;
        tasks.spawn(ledger.clone().keep(record, closed.clone()));
        let (service, stopped) = PaymentService::new(payer, ledger, self.signing, registry);
        tracing::info!(%sender, offline = line.is_none(), "segments are paid for");
        let following = service.clone();
        let follow = async move {
            match line {
                None => follow::offline(following).await,
                Some(line) => follow::nodes(following, line, sender).await,
            }
        };
        let close = follow::close_unused(service.clone());
        tasks.spawn(closed.clone().run_until_cancelled_owned(async {
            tokio::join!(follow, close);
        }));
        Ok((service, stopped))
    }
}
