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
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{BrokerEvent, read_answer};

    /// Values of the fields that are read, some of them usable.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<u64>().prop_map(|number| json!(number)),
            any::<u64>().prop_map(|number| json!(format!("{number:#x}"))),
            "0x[0-9a-f]{0,130}".prop_map(Value::String),
            "\\PC{0,9}".prop_map(Value::String),
            any::<[u8; 32]>().prop_map(|word| json!(B256::new(word).to_string())),
        ];
        leaf.prop_recursive(3, 40, 6, |inner| {
            const NAMES: [&str; 12] = [
                "number",
                "l1BlockNumber",
                "timestamp",
                "baseFeePerGas",
                "transactionHash",
                "blockNumber",
                "status",
                "gasUsed",
                "effectiveGasPrice",
                "logs",
                "topics",
                "data",
            ];
            let field = (proptest::sample::select(&NAMES[..]), inner.clone());
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::Array),
                prop::collection::vec(field, 0..12).prop_map(|fields| {
                    let named = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
                    Value::Object(named.collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_panics(value in value(), bytes in any::<Vec<u8>>(), topics in any::<Vec<[u8; 32]>>()) {
            let body = json!({"jsonrpc": "2.0", "id": 1, "result": value, "error": null}).to_string();
            let answer = read_answer(body.as_bytes(), 1).unwrap();
            prop_assert!(Block::read(&answer).is_err() || answer.get("timestamp").is_some());
            let receipt = Receipt::read(&answer).unwrap_or_default();
            prop_assert!(receipt.is_none() || answer.get("status").is_some());
            prop_assert!(Log::read_all(&answer).is_err() || answer.is_array());
            prop_assert!(read_answer(&bytes, 1).is_err());
            let log = Log {
                contract: Address::ZERO,
                topics: topics.into_iter().map(B256::new).collect(),
                data: bytes.into(),
                block: 0,
            };
            prop_assert_eq!(BrokerEvent::read(&log), None);
        }
    }

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
