//! Transactions, from the wish to the receipt.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use tickets::{PrivateKey, WinningTicket};
use tokio::time::Instant;

use super::chain_client::ChainClient;
use crate::{
    BlockTag, ChainError, ContractCall, FeePolicy, Receipt, RedemptionPlan, RpcRequest,
    SignedTransaction, Transaction, WalletAction, WalletPlan,
    json_rpc::{quantity, small_quantity, word},
};

/// How long a transaction is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time between questions for the receipt.
    pub poll_every: Duration,
    /// When a transaction that no block takes is replaced by one that offers more, once.
    pub replace_after: Duration,
    /// When it is given up; a block may take it later still.
    pub give_up_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_millis(500),
            replace_after: Duration::from_secs(60),
            give_up_after: Duration::from_secs(300),
        }
    }
}

/// A transaction with what its price was reckoned from.
struct Prepared {
    transaction: Transaction,
    gas_estimate: u64,
    gas_price: U256,
}

impl ChainClient {
    /// Works out what an action would do and cost, and refuses what would fail. Nothing is sent.
    ///
    /// # Errors
    /// When it would fail or cost too much, or no node answers.
    pub async fn plan(
        &self,
        account: Address,
        action: WalletAction,
        policy: &FeePolicy,
    ) -> Result<WalletPlan, ChainError> {
        let status = self.wallet_status(account).await?;
        action.check(&status)?;
        let prepared = self.prepare(account, action.call(self.contracts()), policy).await?;
        let Prepared { transaction, gas_estimate, gas_price } = prepared;
        let plan = WalletPlan { action, status, transaction, gas_estimate, gas_price };
        plan.check_balance()?;
        Ok(plan)
    }

    /// Does what a plan says, and waits until it is done.
    ///
    /// # Errors
    /// When no node answers, the transaction fails, or no block takes it in time.
    pub async fn carry_out(
        &self,
        plan: &WalletPlan,
        key: &PrivateKey,
        policy: &FeePolicy,
        patience: &Patience,
    ) -> Result<Receipt, ChainError> {
        let (found, wanted) = (key.address(), plan.status.address);
        if found != wanted {
            return Err(ChainError::OtherKey { found, wanted });
        }
        self.send(&plan.transaction, key, policy, patience).await
    }

    /// Has a winning ticket paid to its recipient, at the cost of `key`'s account.
    ///
    /// # Errors
    /// When the contract refuses, no node answers, or no block takes the transaction in time.
    pub async fn redeem(
        &self,
        won: &WinningTicket,
        key: &PrivateKey,
        policy: &FeePolicy,
        patience: &Patience,
    ) -> Result<Receipt, ChainError> {
        let plan = self.plan_redemption(won, key.address(), policy, None).await?;
        self.carry_out_redemption(&plan, key, policy, patience).await
    }

    /// Works out what redeeming a ticket would cost `account`. Nothing is sent. With the nonce of an
    /// earlier transaction whose fate is open, the chain can take only one of the two.
    ///
    /// # Errors
    /// When the contract would refuse, it would cost too much, or no node answers.
    pub async fn plan_redemption(
        &self,
        won: &WinningTicket,
        account: Address,
        policy: &FeePolicy,
        nonce: Option<u64>,
    ) -> Result<RedemptionPlan, ChainError> {
        let call = self.contracts().redemption(won);
        let prepared = self.prepare(account, call, policy).await?;
        let Prepared { mut transaction, gas_estimate, gas_price } = prepared;
        transaction.nonce = nonce.unwrap_or(transaction.nonce);
        Ok(RedemptionPlan { transaction, gas_estimate, gas_price })
    }

    /// Sends what was planned, and waits until it is done.
    ///
    /// # Errors
    /// When no node answers, the transaction fails, or no block takes it in time.
    pub async fn carry_out_redemption(
        &self,
        plan: &RedemptionPlan,
        key: &PrivateKey,
        policy: &FeePolicy,
        patience: &Patience,
    ) -> Result<Receipt, ChainError> {
        self.send(&plan.transaction, key, policy, patience).await
    }

    /// How many transactions of an account are in blocks: the nonce of its next one.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn mined_transactions(&self, account: Address) -> Result<u64, ChainError> {
        let count = RpcRequest::transaction_count(account, BlockTag::Latest);
        self.rpc().ask(&count, small_quantity).await
    }

    /// Wei per unit of gas by the latest block, tip included.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn gas_price(&self) -> Result<U256, ChainError> {
        let base_fee = self.latest_block().await?.base_fee;
        Ok(base_fee.saturating_add(self.suggested_tip().await?))
    }

    async fn prepare(
        &self,
        from: Address,
        call: ContractCall,
        policy: &FeePolicy,
    ) -> Result<Prepared, ChainError> {
        let block = self.latest_block().await?;
        let gas_estimate =
            self.rpc().ask(&RpcRequest::estimate_gas(from, &call), small_quantity).await?;
        let fees = policy.fees(block.base_fee, self.suggested_tip().await?, gas_estimate)?;
        let count = RpcRequest::transaction_count(from, BlockTag::Pending);
        let nonce = self.rpc().ask(&count, small_quantity).await?;
        let transaction = Transaction { chain_id: self.rpc().chain_id(), nonce, fees, call };
        let gas_price = block.base_fee.saturating_add(fees.tip);
        Ok(Prepared { transaction, gas_estimate, gas_price })
    }

    /// Nodes of chains without tips don't know the question.
    async fn suggested_tip(&self) -> Result<U256, ChainError> {
        match self.rpc().ask(&RpcRequest::priority_fee(), quantity).await {
            Err(ChainError::Rpc(_)) => Ok(U256::ZERO),
            answer => answer,
        }
    }

    /// Signs, hands in, and waits for the receipt; replaces the transaction once where none comes.
    async fn send(
        &self,
        transaction: &Transaction,
        key: &PrivateKey,
        policy: &FeePolicy,
        patience: &Patience,
    ) -> Result<Receipt, ChainError> {
        let started = Instant::now();
        let first = transaction.sign(key);
        match self.hand_in(&first).await {
            // A node may have it all the same: were this the end, it would be paid for a second time.
            Ok(()) | Err(ChainError::Unavailable(_)) => {}
            Err(error) => return Err(error),
        }
        let mut sent = vec![first.hash];
        let replace_at = started + patience.replace_after.min(patience.give_up_after);
        if let Some(receipt) = self.wait_for(&sent, replace_at, patience).await? {
            return succeeded(receipt);
        }
        if let Ok(fees) = policy.replacement(&transaction.fees) {
            let next = Transaction { fees, ..transaction.clone() }.sign(key);
            tracing::warn!(old = %first.hash, new = %next.hash, "no block takes a transaction: offering more");
            // Where it is refused the first one is what there is to wait for.
            match self.hand_in(&next).await {
                Ok(()) => sent.push(next.hash),
                Err(error) => tracing::warn!(%error, "the replacement is not taken"),
            }
        }
        let give_up_at = started + patience.give_up_after;
        match self.wait_for(&sent, give_up_at, patience).await? {
            Some(receipt) => succeeded(receipt),
            None => Err(ChainError::NotMined { hash: first.hash, after: patience.give_up_after }),
        }
    }

    /// A node may have taken the transaction though its answer was lost, and been asked again by way of
    /// another.
    async fn hand_in(&self, signed: &SignedTransaction) -> Result<(), ChainError> {
        match self.rpc().ask(&RpcRequest::send_raw(&signed.raw), word).await {
            Ok(_) => Ok(()),
            Err(ChainError::Rpc(error)) if error.is_already_known() => Ok(()),
            Err(ChainError::Rpc(error)) if error.is_nonce_used() => {
                match self.receipt(signed.hash).await? {
                    Some(_) => Ok(()),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn wait_for(
        &self,
        hashes: &[B256],
        until: Instant,
        patience: &Patience,
    ) -> Result<Option<Receipt>, ChainError> {
        loop {
            for hash in hashes {
                match self.receipt(*hash).await {
                    Ok(Some(receipt)) => return Ok(Some(receipt)),
                    // What was sent stays sent while no node answers.
                    Ok(None) | Err(ChainError::Unavailable(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep_until(until.min(Instant::now() + patience.poll_every)).await;
        }
    }

    /// What became of a transaction; `None` while it waits, or was never seen.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>, ChainError> {
        self.rpc().ask(&RpcRequest::receipt(hash), Receipt::read).await
    }
}

fn succeeded(receipt: Receipt) -> Result<Receipt, ChainError> {
    if receipt.succeeded { Ok(receipt) } else { Err(ChainError::Reverted(receipt.hash)) }
}
