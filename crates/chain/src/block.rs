//! Blocks, receipts and logs, as nodes tell them.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

use crate::json_rpc::{AnswerError, address, bytes, field, quantity, small_quantity, word};

/// What is used of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The chain's own number.
    pub number: u64,
    /// The L1 block as contracts see it in `block.number`; on an L1 chain the block's own number.
    pub l1_number: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Wei per unit of gas that is burnt; zero where the chain has none.
    pub base_fee: U256,
}

impl Block {
    /// Reads what `eth_getBlockByNumber` gives.
    pub fn read(value: &Value) -> Result<Self, AnswerError> {
        if value.is_null() {
            return Err(AnswerError::malformed("no such block"));
        }
        let number = small_quantity(field(value, "number"))?;
        let l1 = field(value, "l1BlockNumber");
        let base_fee = field(value, "baseFeePerGas");
        Ok(Self {
            number,
            // A block of an L1 chain has no such field (livepeer-wire §4.9).
            l1_number: if l1.is_null() { number } else { small_quantity(l1)? },
            timestamp: small_quantity(field(value, "timestamp"))?,
            base_fee: if base_fee.is_null() { U256::ZERO } else { quantity(base_fee)? },
        })
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub hash: B256,
    /// The chain's own number of its block.
    pub block: u64,
    /// Whether it did what it was to do.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei paid per unit of gas.
    pub gas_price: U256,
    /// What contracts told while it ran.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// Reads what `eth_getTransactionReceipt` gives; `None` while the transaction waits.
    pub fn read(value: &Value) -> Result<Option<Self>, AnswerError> {
        if value.is_null() {
            return Ok(None);
        }
        Ok(Some(Self {
            hash: word(field(value, "transactionHash"))?,
            block: small_quantity(field(value, "blockNumber"))?,
            succeeded: quantity(field(value, "status"))? == U256::from(1),
            gas_used: small_quantity(field(value, "gasUsed"))?,
            gas_price: quantity(field(value, "effectiveGasPrice"))?,
            logs: Log::read_all(field(value, "logs"))?,
        }))
    }

    /// Wei the transaction cost its sender, besides the value it carried.
    #[must_use]
    pub fn fee(&self) -> U256 {
        self.gas_price.saturating_mul(U256::from(self.gas_used))
    }
}

/// An event, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The contract that tells it.
    pub contract: Address,
    /// Which event, and its indexed parameters.
    pub topics: Vec<B256>,
    /// Its other parameters.
    pub data: Bytes,
    /// The chain's own number of its block.
    pub block: u64,
}

impl Log {
    /// Reads what `eth_getLogs` gives.
    pub fn read_all(value: &Value) -> Result<Vec<Self>, AnswerError> {
        let list = value.as_array().ok_or_else(|| AnswerError::malformed("no list of logs"))?;
        list.iter().map(Self::read).collect()
    }

    fn read(value: &Value) -> Result<Self, AnswerError> {
        let topics = field(value, "topics").as_array();
        Ok(Self {
            contract: address(field(value, "address"))?,
            topics: topics.into_iter().flatten().map(word).collect::<Result<_, _>>()?,
            data: bytes(field(value, "data"))?,
            block: small_quantity(field(value, "blockNumber"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_l1_number_is_arbitrums_where_there_is_one() {
        let l2 = json!({"number": "0xc0ffee", "l1BlockNumber": "0x10", "timestamp": "0x5"});
        let block = Block::read(&l2).unwrap();
        assert_eq!((block.number, block.l1_number, block.base_fee), (0xc0_ffee, 16, U256::ZERO));
        let l1 = json!({"number": "0x11", "timestamp": "0x5", "baseFeePerGas": "0x7"});
        let block = Block::read(&l1).unwrap();
        assert_eq!((block.number, block.l1_number, block.base_fee), (17, 17, U256::from(7)));
    }

    #[test]
    fn broken_blocks_are_refused() {
        for block in [
            json!(null),
            json!({}),
            json!({"number": "0x1"}),
            json!({"number": "0x1", "timestamp": "0x1", "l1BlockNumber": "soon"}),
        ] {
            assert!(Block::read(&block).is_err(), "{block}");
        }
    }
}
