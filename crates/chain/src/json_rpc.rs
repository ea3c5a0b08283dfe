//! JSON-RPC 2.0: what is asked, and what is answered.

use std::fmt::LowerHex;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ContractCall;

/// One call of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcRequest {
    method: &'static str,
    params: Value,
}

/// The state that a call is made on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockTag {
    /// The latest block.
    #[default]
    Latest,
    /// With the transactions that wait.
    Pending,
}

impl BlockTag {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Pending => "pending",
        }
    }
}

impl RpcRequest {
    /// Which chain this is.
    #[must_use]
    pub fn chain_id() -> Self {
        Self { method: "eth_chainId", params: json!([]) }
    }

    /// The latest block, without its transactions.
    #[must_use]
    pub fn latest_block() -> Self {
        Self { method: "eth_getBlockByNumber", params: json!(["latest", false]) }
    }

    /// A block by the chain's own number, without its transactions.
    #[must_use]
    pub fn block(number: u64) -> Self {
        Self { method: "eth_getBlockByNumber", params: json!([hex(number), false]) }
    }

    /// What a function of a contract gives, without a transaction.
    #[must_use]
    pub fn call(from: Option<Address>, call: &ContractCall) -> Self {
        Self { method: "eth_call", params: json!([transaction(from, call), "latest"]) }
    }

    /// How much gas a transaction would use.
    #[must_use]
    pub fn estimate_gas(from: Address, call: &ContractCall) -> Self {
        Self { method: "eth_estimateGas", params: json!([transaction(Some(from), call)]) }
    }

    /// Wei an account holds.
    #[must_use]
    pub fn balance(account: Address) -> Self {
        Self { method: "eth_getBalance", params: json!([hex(account), "latest"]) }
    }

    /// The nonce of an account's next transaction.
    #[must_use]
    pub fn transaction_count(account: Address, tag: BlockTag) -> Self {
        Self { method: "eth_getTransactionCount", params: json!([hex(account), tag.as_str()]) }
    }

    /// The tip per unit of gas that the node suggests.
    #[must_use]
    pub fn priority_fee() -> Self {
        Self { method: "eth_maxPriorityFeePerGas", params: json!([]) }
    }

    /// Hands in a signed transaction. Doing so again does no harm.
    #[must_use]
    pub fn send_raw(transaction: &Bytes) -> Self {
        Self { method: "eth_sendRawTransaction", params: json!([transaction.to_string()]) }
    }

    /// What became of a transaction; null while it waits.
    #[must_use]
    pub fn receipt(hash: B256) -> Self {
        Self { method: "eth_getTransactionReceipt", params: json!([hex(hash)]) }
    }

    /// Events of a contract whose first indexed parameter is `subject`, in these blocks.
    #[must_use]
    pub fn logs(contract: Address, subject: Address, from: u64, to: u64) -> Self {
        let filter = json!({
            "address": hex(contract),
            "fromBlock": hex(from),
            "toBlock": hex(to),
            "topics": [null, hex(subject.into_word())],
        });
        Self { method: "eth_getLogs", params: json!([filter]) }
    }

    /// The method's name.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The request's body.
    #[must_use]
    pub fn body(&self, id: u64) -> Vec<u8> {
        json!({"jsonrpc": "2.0", "id": id, "method": self.method, "params": self.params})
            .to_string()
            .into_bytes()
    }
}

fn hex(number: impl LowerHex) -> String {
    format!("{number:#x}")
}

fn transaction(from: Option<Address>, call: &ContractCall) -> Value {
    let mut fields = json!({"to": hex(call.to), "data": call.data.to_string()});
    if let Some(fields) = fields.as_object_mut() {
        if let Some(from) = from {
            fields.insert("from".to_owned(), json!(hex(from)));
        }
        if !call.value.is_zero() {
            fields.insert("value".to_owned(), json!(hex(call.value)));
        }
    }
    fields
}

/// What a node says is wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// JSON-RPC's or the node's code.
    pub code: i64,
    /// Its text, clipped.
    pub message: String,
    /// What a contract that reverts gave as its reason, encoded.
    pub data: Option<Bytes>,
}

impl RpcError {
    /// Whether another node may do better: this one is overloaded, incomplete or broken. Otherwise
    /// the answer is the chain's.
    #[must_use]
    pub fn is_of_the_node(&self) -> bool {
        const NOT_THERE_YET: [&str; 6] = [
            "header not found",
            "unknown block",
            "block not found",
            "missing trie node",
            "historical state",
            "blockoutofrange",
        ];
        if self.is_revert() {
            return false;
        }
        let text = self.message.to_ascii_lowercase();
        match self.code {
            // Limit exceeded, internal error; HTTP's code for too many requests.
            -32005 | -32603 | 429 => true,
            _ => NOT_THERE_YET.iter().any(|part| text.contains(part)),
        }
    }

    /// Whether it says that this node asks its callers to slow down.
    #[must_use]
    pub fn is_rate_limit(&self) -> bool {
        matches!(self.code, -32005 | 429)
    }

    /// Whether a contract refused.
    #[must_use]
    pub fn is_revert(&self) -> bool {
        self.code == 3 || self.message.to_ascii_lowercase().contains("revert")
    }

    /// Whether the node has had this very transaction before.
    #[must_use]
    pub fn is_already_known(&self) -> bool {
        let text = self.message.to_ascii_lowercase();
        ["already known", "already imported", "known transaction"]
            .iter()
            .any(|part| text.contains(part))
    }

    /// Whether a transaction with this nonce is in a block already.
    #[must_use]
    pub fn is_nonce_used(&self) -> bool {
        self.message.to_ascii_lowercase().contains("nonce too low")
    }
}

/// An answer that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not an answer to the call, or not of the form it must have.
    #[error("unusable answer: {0}")]
    Malformed(String),
    /// The node says what is wrong.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl AnswerError {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }
}

/// Reads the answer to the call `id`.
pub fn read_answer(body: &[u8], id: u64) -> Result<Value, AnswerError> {
    #[derive(Deserialize)]
    struct Failure {
        code: i64,
        message: String,
        #[serde(default)]
        data: Value,
    }
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        id: Value,
        #[serde(default)]
        result: Value,
        error: Option<Failure>,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| AnswerError::malformed(error.to_string()))?;
    if let Some(failure) = answer.error {
        let data = failure.data.as_str().and_then(|text| text.parse().ok());
        let message = https::printable(&failure.message);
        return Err(RpcError { code: failure.code, message, data }.into());
    }
    if answer.id != json!(id) {
        return Err(AnswerError::malformed("it answers another call"));
    }
    Ok(answer.result)
}

/// Reads a number, such as `0x1b4`.
pub(crate) fn quantity(value: &Value) -> Result<U256, AnswerError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits
        .filter(|digits| !digits.is_empty())
        .and_then(|digits| U256::from_str_radix(digits, 16).ok())
        .ok_or_else(|| AnswerError::malformed("a number was expected"))
}

/// Reads a number below 2^64.
pub(crate) fn small_quantity(value: &Value) -> Result<u64, AnswerError> {
    u64::try_from(quantity(value)?).map_err(|_| AnswerError::malformed("a number is too large"))
}

/// Reads bytes, such as `0x00ff`.
pub(crate) fn bytes(value: &Value) -> Result<Bytes, AnswerError> {
    let text = value.as_str().filter(|text| text.starts_with("0x"));
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| AnswerError::malformed("bytes were expected"))
}

/// Reads a 32-byte word.
pub(crate) fn word(value: &Value) -> Result<B256, AnswerError> {
    B256::try_from(bytes(value)?.as_ref())
        .map_err(|_| AnswerError::malformed("32 bytes were expected"))
}

/// Reads an address.
pub(crate) fn address(value: &Value) -> Result<Address, AnswerError> {
    Address::try_from(bytes(value)?.as_ref())
        .map_err(|_| AnswerError::malformed("an address was expected"))
}

/// A field of an object; null where there is none.
pub(crate) fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_write_cannot_steer_a_terminal() {
        let body = json!({"id": 1, "error": {"code": 3, "message": "no\u{1b}[2J\r\nway\u{9b}"}});
        let error = read_answer(body.to_string().as_bytes(), 1).unwrap_err();
        let AnswerError::Rpc(error) = error else { panic!("{error}") };
        assert_eq!(error.message, "no [2J  way ");
    }

    fn error(code: i64, message: &str) -> RpcError {
        RpcError { code, message: message.to_owned(), data: None }
    }

    #[test]
    fn requests_have_the_standards_form() {
        let call = ContractCall {
            name: "f",
            to: Address::repeat_byte(1),
            value: U256::from(258),
            data: Bytes::from_static(&[0xab]),
        };
        let request = RpcRequest::call(Some(Address::repeat_byte(2)), &call);
        let body: Value = serde_json::from_slice(&request.body(7)).unwrap();
        let (to, from) = ("01".repeat(20), "02".repeat(20));
        assert_eq!(
            body,
            json!({"jsonrpc": "2.0", "id": 7, "method": "eth_call", "params": [
                {"to": format!("0x{to}"), "from": format!("0x{from}"), "value": "0x102", "data": "0xab"},
                "latest",
            ]})
        );
    }

    #[test]
    fn answers_are_read() {
        let read = |text: &str| read_answer(text.as_bytes(), 3);
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":3,"result":"0x1"}"#), Ok(json!("0x1")));
        assert_eq!(read(r#"{"id":3,"result":null}"#), Ok(Value::Null));
        assert!(matches!(read(r#"{"id":4,"result":"0x1"}"#), Err(AnswerError::Malformed(_))));
        assert!(matches!(read("<html>"), Err(AnswerError::Malformed(_))));
        let refused =
            read(r#"{"id":3,"error":{"code":3,"message":"execution reverted: no","data":"0xff"}}"#);
        let Err(AnswerError::Rpc(refused)) = refused else { panic!("{refused:?}") };
        assert!(refused.is_revert() && !refused.is_of_the_node());
        assert_eq!(refused.data, Some(Bytes::from_static(&[0xff])));
    }

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(small_quantity(&json!("0x1b4")), Ok(0x1b4));
        let largest = format!("{:#x}", U256::MAX);
        assert_eq!(quantity(&json!(largest)), Ok(U256::MAX));
        for value in [
            json!("0x"),
            json!("12"),
            json!(12),
            json!(null),
            json!("0xg"),
            json!("0x1".repeat(70)),
        ] {
            assert!(quantity(&value).is_err(), "{value}");
        }
        assert!(small_quantity(&json!("0x10000000000000000")).is_err());
        assert!(quantity(&json!(format!("{largest}0"))).is_err());
    }

    #[test]
    fn a_nodes_trouble_is_told_from_the_chains_word() {
        for (code, text) in [
            (-32005, "limit exceeded"),
            (-32603, "internal error"),
            (-32000, "header not found"),
            (-32000, "Unknown block"),
        ] {
            assert!(error(code, text).is_of_the_node(), "{text}");
        }
        for (code, text) in [
            (3, "execution reverted"),
            (-32603, "VM Exception: revert"),
            (-32000, "nonce too low"),
            (-32000, "insufficient funds for gas * price + value"),
            (-32602, "invalid argument"),
            (-32601, "the method does not exist"),
        ] {
            assert!(!error(code, text).is_of_the_node(), "{text}");
        }
        assert!(error(-32000, "already known").is_already_known());
        assert!(error(-32003, "nonce too low").is_nonce_used());
    }
}
