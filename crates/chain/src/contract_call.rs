//! One call of a contract.

use std::fmt;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;

/// What is asked of, or sent to, a contract.
#[derive(Clone, PartialEq, Eq)]
pub struct ContractCall {
    /// The function, as people know it.
    pub name: &'static str,
    /// The contract.
    pub to: Address,
    /// Wei that goes with it.
    pub value: U256,
    /// The function's selector and its arguments, encoded.
    pub data: Bytes,
}

impl ContractCall {
    pub(crate) fn new<C: SolCall>(to: Address, value: U256, call: &C) -> Self {
        let name = C::SIGNATURE.split('(').next().unwrap_or_default();
        Self { name, to, value, data: call.abi_encode().into() }
    }
}

impl fmt::Debug for ContractCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} with {} wei, {}", self.name, self.to, self.value, self.data)
    }
}
