//! Transactions, signed (EIP-1559, EIP-2718).

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Encodable as _, Header};
use tickets::{PrivateKey, keccak256};

use crate::{ContractCall, Fees};

/// The kind of transaction that names a highest fee and a tip.
const DYNAMIC_FEE: u8 = 2;

/// A transaction that is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The chain it is for; it is worth nothing on another.
    pub chain_id: u64,
    /// How many transactions its sender sent before.
    pub nonce: u64,
    /// What it costs.
    pub fees: Fees,
    /// What it does.
    pub call: ContractCall,
}

/// A transaction that can be handed to any node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    /// Who sends it.
    pub sender: Address,
    /// What tells it from others, and what its receipt is found by.
    pub hash: B256,
    /// As nodes take it.
    pub raw: Bytes,
}

impl Transaction {
    /// What is signed.
    #[must_use]
    pub fn digest(&self) -> B256 {
        keccak256(typed(self.fields()))
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &PrivateKey) -> SignedTransaction {
        let signature = key.sign_prehash(self.digest());
        let mut fields = self.fields();
        signature.is_y_odd().encode(&mut fields);
        for number in [signature.r(), signature.s()] {
            encode_number(number, &mut fields);
        }
        let raw = typed(fields);
        SignedTransaction { sender: key.address(), hash: keccak256(&raw), raw: raw.into() }
    }

    /// The fields but for the signature, encoded one after the other. The access list is empty.
    fn fields(&self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(self.call.data.len() + 128);
        self.chain_id.encode(&mut fields);
        self.nonce.encode(&mut fields);
        encode_number(self.fees.tip, &mut fields);
        encode_number(self.fees.max_fee_per_gas, &mut fields);
        self.fees.gas_limit.encode(&mut fields);
        self.call.to.as_slice().encode(&mut fields);
        encode_number(self.call.value, &mut fields);
        self.call.data.as_ref().encode(&mut fields);
        Header { list: true, payload_length: 0 }.encode(&mut fields);
        fields
    }
}

/// The kind, then the fields as a list.
fn typed(fields: Vec<u8>) -> Vec<u8> {
    let mut transaction = vec![DYNAMIC_FEE];
    Header { list: true, payload_length: fields.len() }.encode(&mut transaction);
    transaction.extend(fields);
    transaction
}

fn encode_number(number: U256, out: &mut Vec<u8>) {
    number.to_be_bytes_trimmed_vec().as_slice().encode(out);
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    fn transaction(value: u64, data: &'static [u8]) -> Transaction {
        Transaction {
            chain_id: 42_161,
            nonce: 0,
            fees: Fees {
                max_fee_per_gas: U256::from(0x1234),
                tip: U256::from(0x7f),
                gas_limit: 21_000,
            },
            call: ContractCall {
                name: "",
                to: Address::repeat_byte(0x11),
                value: U256::from(value),
                data: Bytes::from_static(data),
            },
        }
    }

    /// Encoded by hand from EIP-1559 and the rules of RLP.
    #[test]
    fn fields_are_encoded_by_the_standard() {
        let fields = transaction(0, &[0xab, 0xcd]).fields();
        let expected =
            [&hex!("82a4b1 80 7f 821234 825208 94")[..], &[0x11; 20], &hex!("80 82abcd c0")];
        assert_eq!(fields, expected.concat());
        let long = typed(transaction(300, &[0; 60]).fields());
        assert_eq!(long[..3], hex!("02f862"));
        assert_eq!(long.len(), 3 + 0x62);
    }

    #[test]
    fn the_sender_is_recovered() {
        let key = PrivateKey::from_bytes(&[3; 32]).unwrap();
        let transaction = transaction(1, &[]);
        let signed = transaction.sign(&key);
        assert_eq!(signed.sender, key.address());
        assert_eq!(signed.hash, keccak256(&signed.raw));
        let signature = key.sign_prehash(transaction.digest());
        assert_eq!(signature.recover_prehash(transaction.digest()), Ok(key.address()));
        assert!(signed.raw.ends_with(&signature.s().to_be_bytes_trimmed_vec()));
        let elsewhere = Transaction { chain_id: 1, ..transaction };
        assert_ne!(elsewhere.sign(&key).hash, signed.hash);
    }
}
