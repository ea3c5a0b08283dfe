//! Questions to the network's contracts.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tickets::{ExpirationParams, SenderFunds, Ticket};

use super::rpc_client::RpcClient;
use crate::{
    Block, BrokerEvent, ChainError, ContractCall, ContractName, Contracts, Log, Observation,
    PriceReading, RegisteredOrchestrator, RegisteredPool, RpcRequest, WalletStatus,
    abi::{AggregatorV3, BondingManager, Controller, RoundsManager, ServiceRegistry, TicketBroker},
    contracts::broker_ticket,
    json_rpc::{bytes, quantity},
    read_service_uri,
};

/// Most orchestrators of a pool that are walked through; the network's pool holds 100.
const POOL_MAX: usize = 1_000;
/// Questions for service URIs at a time.
const URIS_AT_ONCE: usize = 4;

/// The network's contracts, through whichever node is well. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainClient {
    rpc: RpcClient,
    contracts: Contracts,
}

impl ChainClient {
    /// Asks the controller where the other contracts are.
    ///
    /// # Errors
    /// When no node answers, there is no such controller, or a node makes contracts up.
    pub async fn connect(rpc: RpcClient, controller: Address) -> Result<Self, ChainError> {
        let registered = async |name: ContractName| {
            let call = Controller::getContractCall { id: name.id() };
            let address = view(&rpc, controller, &call).await?;
            if address.is_zero() { Err(ChainError::NotRegistered(name)) } else { Ok(address) }
        };
        let contracts = Contracts {
            controller,
            ticket_broker: registered(ContractName::TicketBroker).await?,
            rounds_manager: registered(ContractName::RoundsManager).await?,
            bonding_manager: registered(ContractName::BondingManager).await?,
            service_registry: registered(ContractName::ServiceRegistry).await?,
        };
        contracts.check_known()?;
        Ok(Self { rpc, contracts })
    }

    /// Where the contracts are.
    #[must_use]
    pub const fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// The nodes.
    #[must_use]
    pub const fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// The latest block of the best node, after all were compared.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn latest_block(&self) -> Result<Block, ChainError> {
        self.rpc.latest_block().await
    }

    /// Blocks, rounds and the sender's funds as of now, for a [`ChainTracker`](crate::ChainTracker).
    ///
    /// # Errors
    /// When no node answers.
    pub async fn observe(&self, sender: Option<Address>) -> Result<Observation, ChainError> {
        let block = self.latest_block().await?;
        let last = self.ask_rounds(&RoundsManager::lastInitializedRoundCall {}).await?;
        let last_initialized_round = small(last, "the round's number")?;
        let (funds, claimed_in_round) = match sender {
            Some(sender) => self.sender_funds(sender).await?,
            None => Default::default(),
        };
        let round = self.latest_stored_round(last_initialized_round).await?;
        Ok(Observation { block, last_initialized_round, round, funds, claimed_in_round })
    }

    /// The round with its block's hash, or the one before where the hash isn't stored: tickets of a round
    /// without one can't be redeemed (livepeer-wire §4.2).
    async fn latest_stored_round(&self, last: u64) -> Result<ExpirationParams, ChainError> {
        for creation_round in [last, last.saturating_sub(1)] {
            let round = U256::from(creation_round);
            let creation_round_block_hash =
                self.ask_rounds(&RoundsManager::blockHashForRoundCall { round }).await?;
            let params = ExpirationParams { creation_round, creation_round_block_hash };
            if params.is_complete() {
                return Ok(params);
            }
        }
        Ok(ExpirationParams::default())
    }

    /// What a sender has in the TicketBroker, and wei that were claimed from its reserve in this round.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn sender_funds(&self, sender: Address) -> Result<(SenderFunds, U256), ChainError> {
        let info = self.ask_broker(&TicketBroker::getSenderInfoCall { sender }).await?;
        let funds = SenderFunds {
            deposit: info.sender.deposit,
            reserve: info.reserve.fundsRemaining,
            withdraw_round: info.sender.withdrawRound,
        };
        Ok((funds, info.reserve.claimedInCurrentRound))
    }

    /// All that is to be known before a sender's money is moved.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn wallet_status(&self, address: Address) -> Result<WalletStatus, ChainError> {
        let block = self.latest_block().await?;
        let (funds, claimed_in_round) = self.sender_funds(address).await?;
        let paused = Controller::pausedCall {};
        Ok(WalletStatus {
            address,
            balance: self.balance(address).await?,
            funds,
            claimed_in_round,
            current_round: self.ask_rounds(&RoundsManager::currentRoundCall {}).await?,
            round_initialized: self
                .ask_rounds(&RoundsManager::currentRoundInitializedCall {})
                .await?,
            unlock_period: self.ask_broker(&TicketBroker::unlockPeriodCall {}).await?,
            round_length: self.ask_rounds(&RoundsManager::roundLengthCall {}).await?,
            paused: view(&self.rpc, self.contracts.controller, &paused).await?,
            l1_block: block.l1_number,
        })
    }

    /// Wei that an account holds.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.rpc.ask(&RpcRequest::balance(account), quantity).await
    }

    /// The active pool with where each orchestrator says it is.
    ///
    /// # Errors
    /// When no node answers, or the walk doesn't end.
    pub async fn registered_pool(&self) -> Result<RegisteredPool, ChainError> {
        let uris = stream::iter(self.pool().await?)
            .map(|addr| async move {
                let call = ServiceRegistry::getServiceURICall { addr };
                let uri = view(&self.rpc, self.contracts.service_registry, &call).await?;
                Ok::<_, ChainError>((addr, uri))
            })
            .buffered(URIS_AT_ONCE);
        let mut pool = RegisteredPool::default();
        for (address, uri) in uris.try_collect::<Vec<_>>().await? {
            match read_service_uri(&uri) {
                Some(uri) => pool.orchestrators.push(RegisteredOrchestrator { address, uri }),
                None => pool.without_uri.push(address),
            }
        }
        Ok(pool)
    }

    /// The active pool's addresses, in its order.
    async fn pool(&self) -> Result<Vec<Address>, ChainError> {
        let mut pool = Vec::new();
        let mut next = self.ask_bonding(&BondingManager::getFirstTranscoderInPoolCall {}).await?;
        while !next.is_zero() {
            if pool.len() >= POOL_MAX || pool.contains(&next) {
                return Err(ChainError::EndlessPool);
            }
            pool.push(next);
            let call = BondingManager::getNextTranscoderInPoolCall { transcoder: next };
            next = self.ask_bonding(&call).await?;
        }
        Ok(pool)
    }

    /// Orchestrators that share a reserve.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn pool_size(&self) -> Result<u64, ChainError> {
        let size = self.ask_bonding(&BondingManager::getTranscoderPoolSizeCall {}).await?;
        small(size, "the pool's size")
    }

    /// Whether the orchestrator is in the active set, and so may redeem.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn is_active(&self, transcoder: Address) -> Result<bool, ChainError> {
        self.ask_bonding(&BondingManager::isActiveTranscoderCall { transcoder }).await
    }

    /// Wei that an orchestrator claimed from a sender's reserve in this round.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn claimed_reserve(
        &self,
        holder: Address,
        claimant: Address,
    ) -> Result<U256, ChainError> {
        self.ask_broker(&TicketBroker::claimedReserveCall { holder, claimant }).await
    }

    /// Wei that an orchestrator can still claim from a sender's reserve in this round; nothing unless it
    /// is in the active set.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn claimable_reserve(
        &self,
        holder: Address,
        claimant: Address,
    ) -> Result<U256, ChainError> {
        self.ask_broker(&TicketBroker::claimableReserveCall { holder, claimant }).await
    }

    /// The protocol's present round, initialized or not.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn current_round(&self) -> Result<u64, ChainError> {
        let round = self.ask_rounds(&RoundsManager::currentRoundCall {}).await?;
        small(round, "the round's number")
    }

    /// Rounds in which a ticket can be redeemed, that of its making included.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn ticket_validity_period(&self) -> Result<u64, ChainError> {
        let rounds = self.ask_broker(&TicketBroker::ticketValidityPeriodCall {}).await?;
        small(rounds, "the validity period")
    }

    /// Whether the ticket with that hash was redeemed.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn is_redeemed(&self, ticket_hash: B256) -> Result<bool, ChainError> {
        self.ask_broker(&TicketBroker::usedTicketsCall { ticketHash: ticket_hash }).await
    }

    /// A ticket's hash by the contract's own reckoning.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn ticket_hash(&self, ticket: &Ticket) -> Result<B256, ChainError> {
        self.ask_broker(&TicketBroker::getTicketHashCall { ticket: broker_ticket(ticket) }).await
    }

    /// What the TicketBroker told of a sender, with the block's number; `from` and `to` are the chain's
    /// own. Nodes limit how many blocks they look through.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn broker_events(
        &self,
        sender: Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, BrokerEvent)>, ChainError> {
        let broker = self.contracts.ticket_broker;
        let logs = self.rpc.ask(&RpcRequest::logs(broker, sender, from, to), Log::read_all).await?;
        let of_broker = logs.iter().filter(|log| log.contract == broker);
        Ok(of_broker.filter_map(|log| Some((log.block, BrokerEvent::read(log)?))).collect())
    }

    /// What a price feed's contract answers now (AggregatorV3): dollars of an ether, for a
    /// [`PriceFeed`](crate::PriceFeed) to judge.
    ///
    /// # Errors
    /// When no node answers, or there is no such contract.
    pub async fn price_reading(&self, feed: Address) -> Result<PriceReading, ChainError> {
        let decimals = view(&self.rpc, feed, &AggregatorV3::decimalsCall {}).await?;
        let round = view(&self.rpc, feed, &AggregatorV3::latestRoundDataCall {}).await?;
        Ok(PriceReading {
            answer: U256::try_from(round.answer).ok(),
            decimals,
            updated_at: small(round.updatedAt, "the price's time")?,
        })
    }

    async fn ask_broker<C: SolCall>(&self, call: &C) -> Result<C::Return, ChainError> {
        view(&self.rpc, self.contracts.ticket_broker, call).await
    }

    async fn ask_rounds<C: SolCall>(&self, call: &C) -> Result<C::Return, ChainError> {
        view(&self.rpc, self.contracts.rounds_manager, call).await
    }

    async fn ask_bonding<C: SolCall>(&self, call: &C) -> Result<C::Return, ChainError> {
        view(&self.rpc, self.contracts.bonding_manager, call).await
    }
}

async fn view<C: SolCall>(rpc: &RpcClient, to: Address, call: &C) -> Result<C::Return, ChainError> {
    let call = ContractCall::new(to, U256::ZERO, call);
    let answer = rpc.ask(&RpcRequest::call(None, &call), bytes).await?;
    C::abi_decode_returns(&answer)
        .map_err(|_| ChainError::NotTheContract { function: call.name, address: to })
}

fn small(number: U256, what: &'static str) -> Result<u64, ChainError> {
    u64::try_from(number).map_err(|_| ChainError::OutOfRange(what))
}
