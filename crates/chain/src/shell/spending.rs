//! What a sender's winning tickets cost lately, from the chain itself.

use alloy_primitives::{Address, U256};

use super::chain_client::ChainClient;
use crate::{Block, BrokerEvent, ChainError, RpcRequest, Spend};

/// Blocks asked for at a time: nodes refuse to look through many more.
const BLOCKS_AT_ONCE: u64 = 10_000;
/// Most blocks looked through in all.
const BLOCKS_MAX: u64 = 1_000_000;

impl ChainClient {
    /// What winning tickets drew from a sender's deposit and reserve in the last `blocks` blocks of the
    /// chain's own numbers, at most a million, oldest first. The first entry is of zero wei, at the time
    /// the search begins at; times of the others are reckoned from their block's number.
    ///
    /// # Errors
    /// When no node answers, or none looks back that far.
    pub async fn recent_spends(
        &self,
        sender: Address,
        blocks: u64,
    ) -> Result<Vec<Spend>, ChainError> {
        let last = self.latest_block().await?;
        let first = last.number.saturating_sub(blocks.min(BLOCKS_MAX));
        let first = self.block(first).await?;
        let mut spends = vec![Spend { at: first.timestamp, amount: U256::ZERO }];
        let mut from = first.number.saturating_add(1);
        while from <= last.number {
            let to = last.number.min(from.saturating_add(BLOCKS_AT_ONCE - 1));
            for (block, event) in self.broker_events(sender, from, to).await? {
                if let BrokerEvent::WinningTicketTransfer { amount, .. } = event {
                    spends.push(Spend { at: time_of(block, &first, &last), amount });
                }
            }
            from = to.saturating_add(1);
        }
        Ok(spends)
    }

    /// The block of that number.
    ///
    /// # Errors
    /// When no node answers, or none has it.
    pub async fn block(&self, number: u64) -> Result<Block, ChainError> {
        self.rpc().ask(&RpcRequest::block(number), Block::read).await
    }
}

/// When a block between two others was made, if blocks come evenly; never before or after them.
fn time_of(number: u64, first: &Block, last: &Block) -> u64 {
    let passed = u128::from(number.saturating_sub(first.number));
    let seconds = u128::from(last.timestamp.saturating_sub(first.timestamp));
    let blocks = u128::from(last.number.saturating_sub(first.number));
    // At least a second later: what falls on the beginning itself was spent before.
    let after = passed.saturating_mul(seconds).checked_div(blocks).unwrap_or_default().max(1);
    let after = u64::try_from(after).unwrap_or(u64::MAX);
    first.timestamp.saturating_add(after).min(last.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lie_between_those_of_the_ends() {
        let block = |number, timestamp| Block {
            number,
            l1_number: number,
            timestamp,
            base_fee: U256::ZERO,
        };
        let (first, last) = (block(100, 1_000), block(200, 2_000));
        let times = [100, 101, 150, 200, 300].map(|number| time_of(number, &first, &last));
        assert_eq!(times, [1_001, 1_010, 1_500, 2_000, 2_000]);
        assert_eq!(time_of(7, &last, &last), 2_000);
    }
}
